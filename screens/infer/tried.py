"""What a model was asked and said, and the words for it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from core.data.several_labels import label_text
from core.inference.inputs import read_inputs
from core.inference.messages import Answer, Row
from core.models.registry import ModelFolder, task_of
from core.workspace import Workspace
from screens.data.rows.boxes import Box, boxes_in
from screens.listing import Line
from screens.text import (
    answer_words,
    clip,
    counted,
    human_duration,
    human_number,
    percent,
    plain,
)

if TYPE_CHECKING:
    from core.inference.process import EngineProcess

ANSWER_SECONDS = 120.0
SHOWN_INPUT = 60
LINE_INPUT, LINE_ANSWER = 34, 24
DIFFER = "≠"


@dataclass(frozen=True)
class Tried:
    """Who was asked what, the answers, and how long they took in seconds."""

    model: ModelFolder
    rows: list[Row]
    answers: list[Answer]
    seconds: float


def ask(workspace: Workspace, engine: EngineProcess, model: ModelFolder, given: str) -> Tried:
    """Read what a person gave, and have a model answer it.

    Raises:
        UsageError: it is no input for this model.
        LeptonError: the engine ended, or the time is over.
    """
    rows = read_inputs(workspace, task_of(model), [given])
    began = time.perf_counter()
    answers = engine.predict(model.ref, rows, ANSWER_SECONDS)
    return Tried(model, rows, answers, time.perf_counter() - began)


def took(tried: Tried) -> Text:
    """How many answers there are, and the time that they took."""
    seconds = tried.seconds
    told = human_duration(seconds) if seconds >= 1 else f"{human_number(1000 * seconds, 3)} ms"
    return Text(f"{counted(len(tried.answers), 'answer')} in {told}", "dim")


def said(answer: Answer, row: Row) -> Text:
    """An answer beside its truth, where that is known, and what was asked."""
    truth = row.truth
    asked = plain(clip(answer.input, SHOWN_INPUT, tail=_is_file(row)))
    if answer.error is not None:
        return Text.assemble(("✗ ", "red"), f"{asked}: {plain(str(answer.error))}")
    if answer.label is None:
        told = Text.assemble((answer_words(answer.output), "bold"))
        if isinstance(truth, int | float):
            told.append(f"  the row says {human_number(float(truth))}")
        elif isinstance(truth, str):
            told.append(f"  the row says {plain(truth)}")
        elif isinstance(truth, dict):
            how = "it became" if "values" in truth else "the row says"
            told.append(f"  {how} {answer_words(truth)}")
        return told.append(f"  {asked}", "dim")
    told = Text.assemble((plain(answer.label), "bold"), f"  {percent(answer.score)}")
    if truth is not None:
        right = label_text(truth) == answer.label
        told.append("  ✓ right" if right else f"  ✗ it is {plain(label_text(truth) or '')}")
    return told.append(f"  {asked}", "dim")


def lines(tried: Sequence[Tried]) -> list[Line]:
    """A line for each row, with what each model says of it; and where they do not say the same."""
    found = []
    for at, row in enumerate(tried[0].rows):
        answers = [each.answers[at] for each in tried if at < len(each.answers)]
        facts = [_short(answer, row.truth) for answer in answers]
        if len({str(answer.gist) for answer in answers}) > 1:
            facts.append(DIFFER)
        name = clip(row.input, LINE_INPUT, tail=_is_file(row))
        found.append(Line(str(at), name, tuple(facts)))
    return found


@dataclass(frozen=True)
class Tile:
    """A picture, the boxes over it, its name, and what each model says of it."""

    picture: bytes | Path | None
    boxes: tuple[Box, ...]
    name: str
    said: tuple[str, ...]


def tiles(tried: Sequence[Tried], width: int) -> list[Tile]:
    """A picture for each row, with words of so many cells for what each model says of it."""
    found = []
    for at, row in enumerate(tried[0].rows):
        answers = [each.answers[at] for each in tried if at < len(each.answers)]
        given = (value for value in row.values.values() if isinstance(value, bytes | Path))
        name = clip(plain(row.input.rpartition("/")[2]), width, tail=True)
        words = tuple(_shortest(answer, row.truth, width) for answer in answers)
        first = answers[0].output if answers else None
        found.append(Tile(next(given, None), tuple(boxes_in(first)), name, words))
    return found


def bars(answer: Answer) -> Mapping[str, float]:
    """How sure the answer is: of each label, or of each box, with its number and its corner."""
    if answer.scores or not isinstance(answer.output, dict):
        return answer.scores
    found = zip(boxes_in(answer.output), answer.output.get("boxes", ()), strict=True)
    return {
        f"{at} {box.label} {box.x:.0f},{box.y:.0f}": each["score"]
        for at, (box, each) in enumerate(found, 1)
    }


def typed(answer: Answer) -> str:
    """An answer as a person would type it into its column, to be corrected from there."""
    match answer.output:
        case {"labels": labels}:
            return ";".join(map(str, labels))
        case {"text": text}:
            return str(text)
        case {"boxes": _}:
            listed = [
                {"label": each.label, "bbox": [each.x, each.y, each.width, each.height]}
                for each in boxes_in(answer.output)
            ]
            return json.dumps(listed, ensure_ascii=False)
        case int() | float() as value:
            return str(value)
    return ""


def number(value: object) -> float:
    """A value of a series as it was given; what is none, or cannot be read, is a gap."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _is_file(row: Row) -> bool:
    """Whether what tells it from others is the end of its name."""
    return any(isinstance(value, Path) for value in row.values.values())


def _shortest(answer: Answer, truth: object, width: int) -> str:
    """An answer in so many cells: its label gives way, how sure it is does not."""
    if answer.error is not None:
        return "✗ no answer"
    if answer.label is None:
        return clip(answer_words(answer.output), width)
    tail = f" {percent(answer.score, 0)}{_mark(answer, truth)}"
    return clip(plain(answer.label), width - cell_len(tail)) + tail


def _mark(answer: Answer, truth: object) -> str:
    """Whether it is right, where that is known."""
    if truth is None:
        return ""
    return " ✓" if label_text(truth) == answer.label else " ✗"


def _short(answer: Answer, truth: object) -> str:
    if answer.error is not None:
        return "✗ no answer"
    if answer.label is None:
        return clip(answer_words(answer.output), LINE_ANSWER)
    return f"{clip(plain(answer.label), LINE_ANSWER)} {percent(answer.score)}{_mark(answer, truth)}"
