"""`lepton predict MODEL INPUT…`: answers for files, texts and rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.data.several_labels import label_text
from core.errors import LeptonError, UsageError
from core.models.registry import Models, task_of
from core.workspace import Workspace, written_path
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
from lepton_tui.cli.predict_out import is_dataset, predict_out
from screens.text import answer_words, counted, human_number, percent

if TYPE_CHECKING:
    from core.inference.messages import Answer, Row
    from core.models.registry import ModelFolder
    from core.tasks import Task

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
    out: str = typer.Option(
        None, metavar="FILE", help="Write the answers to a .csv, .jsonl or .parquet file."
    ),
    batch: str = typer.Option(
        None, metavar="FILE", help="Answer a batch file in OpenAI's form, out to --out FILE."
    ),
    force: bool = typer.Option(False, "--force", help="With --out: replace a file that is there."),
    split: str = typer.Option(None, metavar="NAME", help="Of a data set: the rows of one split."),
    detach: bool = typer.Option(False, "--detach", help="Of a data set: do not wait for it."),
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
    """Ask a model for answers. Ends with 1 where an input has none; the others are kept."""
    from core.inference.inputs import read_inputs
    from core.inference.process import EngineProcess

    workspace = Workspace.open()
    place = None if out is None else written_path(out)
    for named, other in (("--into", into), ("--out", out), ("--batch", batch)):
        if correct is not None and other is not None:
            what = f"{named} and --correct do not go together"
            raise UsageError(what, hint="One after the other.")
    if batch is not None:
        if inputs or text or into is not None or split or detach:
            raise UsageError("--batch takes its inputs from its file", hint="Add only --out FILE.")
        from lepton_tui.cli.predict_batch import predict_batch

        requests = written_path(batch)
        with EngineProcess(workspace, device, runtime=runtime) as engine:
            predict_batch(workspace, engine, model, requests, place, force=force, json=json)
        return
    if into is not None or (out is not None and is_dataset(workspace, inputs or [])):
        if text:
            raise UsageError("--text is an input of its own, and a whole data set is answered")
        from lepton_tui.cli.predict_into import predict_into

        file = str(place.absolute()) if out and place else out
        asked = {"model": model, "into": into, "out": file, "force": force, "split": split}
        asked |= {"device": device, "runtime": runtime}
        predict_into(workspace, inputs or [], asked, detach=detach, json=json)
        return
    if split or detach:
        raise UsageError(
            "--split and --detach go with a data set that is answered into another, or out to a"
            " file",
            hint="Add --into NAME or --out FILE.",
        )
    if force and out is None:
        raise UsageError("--force goes with --out", hint="Add --out FILE.")
    folder = Models(workspace).get(model)
    task = task_of(folder)
    given = _given(task, inputs or [], text or [])
    if place is not None:
        with EngineProcess(workspace, device, runtime=runtime) as engine:
            predict_out(workspace, engine, model, given, place, force=force, json=json)
        return
    rows = read_inputs(workspace, task, given)
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
    _refuse_wrong(answers, wrong, told=json)


def _given(task: Task, inputs: list[str], texts: list[str]) -> list[object]:
    """What is to be answered; of a dash, the lines of the standard input.

    Raises:
        UsageError: there is nothing, or a text where the model reads none.
    """
    from core.inference.inputs import wanted
    from core.inference.messages import Row

    given: list[object] = []
    for word in inputs:
        given += [line.rstrip("\n") for line in sys.stdin] if word == "-" else [word]
    if texts and task.reads != "tokens":
        raise UsageError(f"--text is for models of texts; this one is for {task.name}")
    given += [Row(each, {task.columns[0]: each}) for each in texts]
    if not given:
        raise UsageError("there is nothing to predict", hint=wanted(task))
    return given


def _refuse_wrong(answers: list[Answer], wrong: list[Answer], *, told: bool) -> None:
    """End with a code that says so when inputs have no answer; `told` where they were named.

    Raises:
        LeptonError: as it was, of a lone input; UsageError where it is whoever asked's mistake.
    """
    if len(answers) == 1 and wrong and wrong[0].error is not None:
        raise wrong[0].error
    if wrong:
        if not told:
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
    if not classes and not in_pipe() and _wide(told):
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


def _wide(told: list[list[object]]) -> bool:
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
