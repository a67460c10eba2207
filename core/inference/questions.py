"""The rows of a data set as a model is asked them, a few at a time, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.data.lake.layout import ROW_ID, quoted
from core.data.lake.view import View
from core.errors import UsageError
from core.inference.tables import require
from core.tasks.base import Task
from core.tasks.rows import PATH

if TYPE_CHECKING:
    from core.tasks.base import Rows

SERIES = 1024
"""Series whose past is looked up at once: to find it is to go through all rows."""


@dataclass(frozen=True)
class Asked:
    """Rows as a task encodes them, what stands beside each one's answer, and the last one's id."""

    rows: Rows
    beside: pa.Table
    last: int


class Questions:
    """What a model is asked of a version, or of one split of it.

    One by one, or, where the task gathers rows, for each series the past up to its newest row.

    Raises:
        UsageError: there is no such split, the rows lack a column, or there are none.
    """

    def __init__(self, view: View, task: Task, split: str | None) -> None:
        self._view, self._task, self._split = view, task, split
        version = view.version
        require(task.columns, version.column_names, version.ref)
        if split is not None:
            view.check_split(split)
        if task.gathers:
            keys = ", ".join(map(quoted, task.keys)) or "NULL"
            self._kinds = view.arrow(f"SELECT {keys} FROM rows LIMIT 0").schema.types
            self._ids = sorted(task.latest(view, split))
        self.count = len(self._ids) if task.gathers else view.count(split)
        if not self.count:
            where = f"{version.ref}, split {split}" if split else version.ref
            raise UsageError("there are no rows to answer", where=where)

    def after(self, reached: int | None, rows: int) -> Iterator[Asked]:
        """Those behind the row `reached`, or all of them, about `rows` at a time."""
        if self._task.gathers:
            yield from self._gathered(reached, rows)
            return
        # Pictures and sounds lie in the data set by the same row id.
        kept = [column.name for column in self._view.version.columns if column.media is None]
        wanted = [*kept, *self._task.columns]
        batches = self._view.batches(wanted, split=self._split, rows=rows, after=reached)
        for batch in batches:
            beside = pa.Table.from_batches([batch.select([ROW_ID, *kept])])
            yield Asked(batch, beside, batch.column(ROW_ID)[-1].as_py())

    def _gathered(self, reached: int | None, rows: int) -> Iterator[Asked]:
        left = [at for at in self._ids if reached is None or at > reached]
        for first in range(0, len(left), SERIES):
            ids = left[first : first + SERIES]
            found = self._task.look_up(self._view, ids)
            for start in range(0, len(ids), rows):
                several = ids[start : start + rows]
                yield self._series([found[at][0] for at in several], several[-1])

    def _series(self, found: Sequence[dict[str, Any]], last: int) -> Asked:
        series = [self._named(each) for each in found]
        keys = [
            pa.array([each[name][-1] for each in series], kind)
            for name, kind in zip(self._task.keys, self._kinds, strict=False)
        ]
        return Asked(series, pa.Table.from_arrays(keys, list(self._task.keys)), last)

    def _named(self, row: dict[str, Any]) -> dict[str, Any]:
        """With the name by which an error is to call a series."""
        keys = [f"{name} {row[name][-1]}" for name in self._task.keys]
        return {PATH: ", ".join(keys) or self._view.version.ref, **row}
