"""`lepton predict MODEL INPUT…`: answers for files, texts and rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.errors import LeptonError, UsageError
from core.models.registry import Models, task_of
from core.tasks.rows import label_text
from core.workspace import Workspace
from lepton_tui.cli.groups import RUNTIME, single
from lepton_tui.cli.output import (
    bar,
    cell,
    facts,
    in_colour,
    in_pipe,
    in_terminal,
    note,
    put,
    put_json,
    table,
    width,
)
from screens.text import answer_words, counted, human_number, percent

if TYPE_CHECKING:
    from core.inference.messages import Answer, Row
    from core.models.registry import ModelFolder

app = single()

DRAWN = 8
TOLD = 10
PICTURE_CELLS = (28, 14)
EMPTY = '""'


@app.command()
def predict(
    *,
    model: str = typer.Argument(metavar="MODEL", help='A model, "name@version", or its folder.'),
    inputs: list[str] = typer.Argument(
        None,
        metavar="INPUT…",
        help="Files, folders or patterns; texts; column=value pairs; JSON rows; a table file;"
        ' rows of a data set as "name#3,7-9". A single - reads lines.',
    ),
    text: list[str] = typer.Option(None, metavar="TEXT", help="A text, taken as it stands."),
    into: str = typer.Option(
        None, metavar="NAME", help="Answer every row of the data set INPUT into one of this name."
    ),
    split: str = typer.Option(None, metavar="NAME", help="With --into: the rows of one split."),
    detach: bool = typer.Option(False, "--detach", help="With --into: do not wait for it."),
    correct: str = typer.Option(
        None,
        metavar="LABEL",
        help="What the answer is: kept in a new version of the data set that the model learnt"
        " from, as the label of its row or as a new row.",
    ),
    new_label: bool = typer.Option(
        False, "--new-label", help="With --correct: the label may be one it does not know."
    ),
    device: str = typer.Option("auto", metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    runtime: str = RUNTIME,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Ask a model for answers."""
    from core.inference.inputs import read_inputs, wanted
    from core.inference.messages import Row

    workspace = Workspace.open()
    if into and correct is not None:
        raise UsageError("--into and --correct do not go together", hint="One after the other.")
    if into:
        from lepton_tui.cli.predict_into import predict_into

        asked = {"model": model, "into": into, "split": split, "device": device}
        predict_into(workspace, inputs or [], asked, detach=detach, json=json)
        return
    if split or detach:
        raise UsageError("--split and --detach go with --into", hint="Add --into NAME.")
    folder = Models(workspace).get(model)
    task = task_of(folder)
    given: list[object] = []
    for word in inputs or []:
        given += [line.rstrip("\n") for line in sys.stdin] if word == "-" else [word]
    if text and task.reads != "tokens":
        raise UsageError(f"--text is for models of texts; this one is for {task.name}")
    given += [Row(each, {task.columns[0]: each}) for each in text or []]
    if not given:
        raise UsageError("there is nothing to predict", hint=wanted(task))
    rows = read_inputs(workspace, task, given)
    from core.inference.process import EngineProcess

    with EngineProcess(workspace, device, runtime=runtime) as engine:
        answers = engine.predict(model, rows)
    wrong = [answer for answer in answers if answer.error is not None]
    corrected: list[str] = []
    if correct is not None and not wrong:
        corrected = _correct(workspace, folder, rows, correct, new=new_label)
    if json:
        told = [_json(row, answer) for row, answer in zip(rows, answers, strict=True)]
        places = [{"corrected": place} for place in corrected] or [{} for _ in told]
        put_json([each | place for each, place in zip(told, places, strict=True)])
    else:
        put_answers(rows, answers)
    if len(answers) == 1 and wrong and wrong[0].error is not None:
        raise wrong[0].error
    if wrong:
        if not json:
            for answer in wrong[:TOLD]:
                note(f"{answer.input}: {answer.error}")
        whose = all(isinstance(answer.error, UsageError) for answer in wrong)
        kind = UsageError if whose else LeptonError
        raise kind(f"{len(wrong)} of {len(answers)} inputs have no answer")


def _correct(
    workspace: Workspace, model: ModelFolder, rows: list[Row], label: str, *, new: bool
) -> list[str]:
    """Where each row stands now with its label."""
    from core.inference.correcting import correct

    made = correct(workspace, model, rows, label, new=new)
    added, labelled = made.added, len(rows) - made.added
    told = [counted(labelled, "row") + " labelled"] if labelled else []
    told += [counted(added, "row") + " added"] if added else []
    note(f"Made {made.version.ref}: {' and '.join(told)} as {label}")
    return [f"{made.version.ref}#{row}" for _, row in made.places]


def put_answers(rows: list[Row], answers: list[Answer]) -> None:
    """Each input with its answer; a few images are drawn beside theirs in a terminal."""
    if len(answers) <= DRAWN and in_terminal(sys.stdout):
        for row in rows:
            for value in row.values.values():
                if isinstance(value, bytes | Path):
                    put_picture(value)
    if not any(answer.ok for answer in answers):
        return
    if any("times" in answer.output for answer in answers if isinstance(answer.output, dict)):
        put_forecasts(rows, answers)
        return
    classes = any(answer.label is not None for answer in answers)
    heads = ["input", "label", "score", ""] if classes else ["input", "answer"]
    told = [_cells(answer, classes=classes) for answer in answers]
    if any(row.truth is not None for row in rows):
        heads.insert(2, "truth")
        for row, cells in zip(rows, told, strict=True):
            said = answer_words(row.truth) if isinstance(row.truth, dict) else row.truth
            cells.insert(2, label_text(row.truth) if classes else said)
    if not classes and not in_pipe() and _wide(heads, told):
        put_beneath(heads, told)
        return
    files = any(isinstance(value, Path) for row in rows for value in row.values.values())
    whole = heads if in_pipe() else [head for head in heads if head != "input"]
    table(heads, told, whole=whole, tails=("input",) if files else ())


def put_beneath(heads: list[str], told: list[list[object]]) -> None:
    """What is too long to stand beside its input stands beneath it, and is never cut."""
    for at, cells in enumerate(told):
        if at:
            put()
        facts(zip(heads, cells, strict=True))


def _wide(heads: list[str], told: list[list[object]]) -> bool:
    """Whether the answers leave less than half of the terminal for their inputs."""
    return any(sum(len(cell(each)) for each in cells[1:]) > width() // 2 for cells in told)


def put_forecasts(rows: list[Row], answers: list[Answer]) -> None:
    """Each value to come with its time, and the truth beside it where a data set knows it."""
    truths = [(row.truth or {}).get("values", []) for row in rows]
    told: list[list[object]] = []
    for answer, truth in zip(answers, truths, strict=True):
        if not answer.ok:
            told.append([answer.input, "✗ no answer", ""])
            continue
        steps = zip(answer.output["times"], answer.output["values"], strict=True)
        for at, (time, value) in enumerate(steps):
            known = truth[at] if at < len(truth) else None
            told.append([answer.input, time, value, human_number(known)])
    heads = ["input", "time", "forecast", "truth"]
    most = 4 if any(truths) else 3
    table(heads[:most], [row[:most] for row in told])


def _cells(answer: Answer, *, classes: bool) -> list[object]:
    asked = answer.input or EMPTY
    if not answer.ok:
        return [asked, "✗ no answer", *(["", ""] if classes else [])]
    if classes:
        return [asked, answer.label, percent(answer.score), bar(answer.score or 0.0, 12)]
    value = answer.value
    return [asked, answer_words(answer.output) if value is None else value]


def _json(row: Row, answer: Answer) -> dict[str, object]:
    """The answer; with `truth` where the row of a data set has one."""
    truth = row.truth if answer.label is None else label_text(row.truth)
    return answer.to_json() | ({} if truth is None else {"truth": truth})


def put_picture(image: bytes | Path) -> None:
    """Draw an image in the terminal; what cannot be drawn is left out."""
    from screens.half_blocks import decode, picture

    try:
        pixels = decode(image.read_bytes() if isinstance(image, Path) else image)
    except (OSError, ValueError):
        return
    for line in ansi_lines(picture(pixels, *PICTURE_CELLS, colour=in_colour(sys.stdout))):
        put(line)


def ansi_lines(text: object) -> list[str]:
    """A rich text as lines with the escapes that this terminal takes."""
    from rich.console import Console

    colour = in_colour(sys.stdout)
    console = Console(
        color_system="truecolor" if colour else None, force_terminal=colour, width=200
    )
    with console.capture() as captured:
        console.print(text)
    return captured.get().splitlines()
