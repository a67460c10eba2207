"""From rows to examples: what is left out on the way, and how one bad row spoils no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.data.lake.layout import ROW_ID
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from core.tasks.base import Arrays, Task


@dataclass(frozen=True)
class Unreadable:
    """A row that could not be encoded."""

    rid: int
    why: str
    where: str


@dataclass
class LeftOut:
    """The rows that no example was made of."""

    without_target: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)


def row_examples(
    task: Task, batches: Iterable[pa.RecordBatch], left_out: LeftOut | None
) -> Iterator[Arrays]:
    """An example for each row that has a target.

    Raises:
        LeptonError: a value cannot be read, and nobody hears of what is left out.
    """
    for batch in batches:
        pieces = (
            [(batch, task.encode(batch, target=True))]
            if left_out is None
            else (_readable(task, batch, left_out))
        )
        for rows, arrays in pieces:
            at = arrays.pop("row")
            if left_out is not None:
                left_out.without_target += len(rows) - len(at)
            if len(at):
                yield {**arrays, ROW_ID: rows.column(ROW_ID).to_numpy()[at]}


def _readable(
    task: Task, rows: pa.RecordBatch, left_out: LeftOut
) -> Iterator[tuple[pa.RecordBatch, Arrays]]:
    """The batch encoded; where a row of it cannot be, in halves, down to that row."""
    try:
        yield rows, task.encode(rows, target=True)
    except UsageError:
        raise
    except LeptonError as error:
        if len(rows) == 1:
            rid = int(rows.column(ROW_ID)[0].as_py())
            left_out.unreadable.append(Unreadable(rid, error.what, error.where))
            return
        half = len(rows) // 2
        yield from _readable(task, rows.slice(0, half), left_out)
        yield from _readable(task, rows.slice(half), left_out)
