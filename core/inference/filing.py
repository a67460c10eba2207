"""Answers into a file, row by row as they come: CSV, JSON Lines, Parquet and the like."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.data.exporting.export import SUFFIXES
from core.data.exporting.place import placed
from core.data.exporting.tables import COPY, write_batches
from core.data.lake.layout import ROW_ID
from core.data.several_labels import label_text
from core.errors import LeptonError, UsageError
from core.inference.answer_rows import free_name, together
from core.inference.messages import Answer, Row
from core.inference.process import EngineProcess
from core.tasks.base import Task

INPUT = "input"
PART, AHEAD = 256, 4
"""Rows that are asked together, and how often as many are asked before the first are written."""
FIRST = 5
"""Rows without an answer that are told one by one."""
_MEDIA = ("image", "audio")


@dataclass(frozen=True)
class Filed:
    """Rows that were written, inputs that were asked, and what went wrong with some of those."""

    rows: int
    asked: int
    failed: int
    whose: bool
    """Whether all that failed are the mistakes of whoever asked."""
    first: tuple[Answer, ...] = ()
    """The first of those that failed."""


def kind_of(out: Path) -> str:
    """The format that a file's ending tells.

    Raises:
        UsageError: it tells none that answers are written in.
    """
    kind = SUFFIXES.get(out.suffix.lower(), "")
    if kind in (*COPY, "arrow"):
        return kind
    raise UsageError(
        "the ending does not tell the format",
        where=str(out),
        hint="Name a .csv, .tsv, .jsonl, .parquet or .arrow file.",
    )


def write_answers(batches: Iterator[pa.RecordBatch], out: Path) -> int:
    """Write answers to a file that is there as a whole or not at all; how many rows there were.

    Row ids, which mean something in a data set alone, are left out.

    Raises:
        UsageError: the ending tells no format, or there are no rows.
        LeptonError: it cannot be written, or what `batches` raises.
    """
    kind = kind_of(out)
    with placed(out) as beside:
        rows = write_batches(map(_without_ids, batches), beside, kind)
        if not rows:
            raise UsageError("there are no rows to answer")
    return rows


def answer_into_file(
    engine: EngineProcess,
    model: str,
    task: Task,
    rows: Iterable[Row],
    out: Path,
    *,
    progress: Callable[[int], None] = lambda asked: None,
) -> Filed:
    """Answer rows as they come, whatever their number, into a file.

    Each has its `input`, the answer, the columns that the model read as they were given, pictures
    and sounds left out, and its `error`. `progress` hears how many have been asked.

    Raises:
        As `write_answers`; what `rows` raises; LeptonError when the engine ends.
    """
    asked = failed = 0
    whose = True
    first: list[Answer] = []

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal asked, failed, whose
        for part, answers in _answered(engine, model, rows):
            wrong = [answer for answer in answers if not answer.ok]
            asked += len(part)
            failed += len(wrong)
            first.extend(wrong[: FIRST - len(first)])
            whose = whose and all(isinstance(each.error, UsageError) for each in wrong)
            yield from _table(task, part, answers).to_batches()
            progress(asked)

    written = write_answers(batches(), out)
    return Filed(written, asked, failed, whose, tuple(first))


def _answered(
    engine: EngineProcess, model: str, rows: Iterable[Row]
) -> Iterator[tuple[list[Row], list[Answer]]]:
    """Each few rows with their answers; the next ones are asked meanwhile."""
    waiting: deque[tuple[list[Row], Future[list[Answer]]]] = deque()
    source = iter(rows)
    try:
        while part := list(islice(source, PART)):
            waiting.append((part, engine.submit(model, part)))
            if len(waiting) == AHEAD:
                first, asked = waiting.popleft()
                yield first, asked.result()
        while waiting:
            first, asked = waiting.popleft()
            yield first, asked.result()
    finally:
        for _, asked in waiting:
            asked.cancel()


def _table(task: Task, rows: list[Row], answers: list[Answer]) -> pa.Table:
    told = task.tabulate([None if answer.error else answer.output for answer in answers])
    faults = pa.array([_words(answer.error) for answer in answers], pa.string())
    takes = task.takes
    shown = task.keys if task.gathers else [n for n in task.columns if takes[n] not in _MEDIA]
    taken = set(shown)
    columns = {free_name(INPUT, taken): pa.array([row.input for row in rows])}
    for name in shown:
        columns[name] = pa.array([_text(row.values.get(name)) for row in rows], pa.string())
    return together(task, told, pa.table(columns), faults)


def _text(cell: Any) -> str | None:
    if isinstance(cell, list):
        # Of a series, whose key is the same at every step.
        return _text(cell[-1]) if cell else None
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict) else label_text(cell)


def _words(error: LeptonError | None) -> str | None:
    return None if error is None else str(error)


def _without_ids(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.drop_columns([ROW_ID]) if ROW_ID in batch.schema.names else batch
