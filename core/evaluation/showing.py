"""Makes the inputs of a report's examples, small enough to lie in it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from core.data.cleaning.steps import audio
from core.data.lake.view import View
from core.errors import LeptonError
from core.evaluation.judge import Judgement
from core.evaluation.shown import Box, Cells, Course, Passage, Picture, Shown, Sound
from core.tasks.pixels import decode, own_size
from core.tasks.verdicts import Verdicts

SIDE = 144
"""Pixels of the longer side of a picture in a report."""
SECONDS = 5
RATE = 16_000
WAVE = 240
"""Columns of a sound's wave."""
LETTERS = 600
CELL = 80
PAST = 60
"""Steps of a series before those that are told."""


def show_inputs(
    view: View, told: Judgement, verdicts: Verdicts, entries: Iterable[dict[str, Any]]
) -> None:
    """Give each entry its "input" by its place "row"; None for what cannot be shown."""
    named = [*entries]
    task = told.task
    if task.example == "block":
        for each in named:
            each["input"] = Passage(str(verdicts.truth(each["row"]))[:LETTERS])
        return
    rids = [int(told.rids[each["row"]]) for each in named]
    rows = task.look_up(view, list(dict.fromkeys(rids)))
    for each, rid in zip(named, rids, strict=True):
        row, truth = rows.get(rid, (None, None))
        each["input"] = None if row is None else _shown(told, each["row"], row, truth)


def _shown(told: Judgement, at: int, row: Mapping[str, Any], truth: Any) -> Shown | None:
    task = told.task
    contents = [row.get(name) for name in task.columns]
    try:
        match task.reads:
            case "image":
                return _picture(contents[0], _boxes(told, at, truth))
            case "audio":
                return _sound(contents[0])
            case "tokens":
                return Passage(" · ".join(str(each) for each in contents)[:LETTERS])
            case "series":
                answer = task.answers(told.found[at : at + 1])[0]["values"]
                return _course(row[task.target], (truth or {}).get("values", ()), answer)
    except (LeptonError, ValueError, EOFError):
        return None
    return Cells({name: _cell(row.get(name)) for name in task.columns})


def _picture(content: object, boxes: tuple[Box, ...]) -> Picture:
    height, width = own_size(content)
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = decode(content, 3, size).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    return Picture(file.getvalue(), width, height, boxes)


def _boxes(told: Judgement, at: int, truth: Any) -> tuple[Box, ...]:
    if not told.task.boxes:
        return ()
    answer = told.task.answers(told.found[at : at + 1])[0]
    return tuple(
        Box(str(each["label"]), _edges(each["box"]), said)
        for of, said in ((truth, False), (answer, True))
        for each in (of or {}).get("boxes", ())
    )


def _edges(box: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _sound(content: object) -> Sound:
    if not isinstance(content, bytes):
        raise ValueError("there is no sound")  # noqa: TRY004
    samples, rate = audio.decode(content)
    if not len(samples):
        raise ValueError("it has no samples")
    one = samples[: SECONDS * rate].mean(1, keepdims=True)
    if rate > RATE:
        one, rate = audio.resample(one, rate, RATE), RATE
    parts = np.array_split(one[:, 0], min(WAVE, len(one)))
    return Sound(
        audio.encode(one, rate),
        len(samples) / rate,
        tuple((float(part.min()), float(part.max())) for part in parts),
    )


def _course(until: Sequence[Any], after: Sequence[Any], answer: Sequence[float]) -> Course:
    """`until` ends with the first value that was to be told."""
    truth = [*until[-1:], *after][: len(answer)]
    return Course(*(tuple(map(_number, each)) for each in (until[:-1][-PAST:], truth, answer)))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _cell(value: object) -> str:
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
