"""How a person looks at the rows of a version: which of them, in what order, which columns."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from core.data.lake.layout import ROW_ID
from core.data.lake.version import Version


@dataclass(frozen=True)
class Look:
    """A way to look at rows.

    `ids` are rows by their ids, `said` in words what those are. `sort` holds (column, descending)
    pairs, the first one first. `hidden` columns are not shown, `fixed` ones stand first and still.
    """

    condition: str | None = None
    ids: tuple[int, ...] | None = None
    said: str = ""
    sort: tuple[tuple[str, bool], ...] = ()
    hidden: frozenset[str] = frozenset()
    fixed: tuple[str, ...] = ()

    def columns(self, version: Version) -> list[str]:
        """The columns to show, in their order."""
        there = [name for name in version.column_names if name not in self.hidden]
        still = [name for name in self.fixed if name in there]
        return [*still, *(name for name in there if name not in still)]

    def suited(self, version: Version) -> Look:
        """The same look at another version, without the columns that it has not."""
        names = {*version.column_names, ROW_ID}
        return replace(
            self,
            sort=tuple(pair for pair in self.sort if pair[0] in names),
            hidden=self.hidden & names,
            fixed=tuple(name for name in self.fixed if name in names),
        )

    @property
    def of_all(self) -> Look:
        """The same columns of all rows."""
        return replace(self, condition=None, ids=None, said="")

    def where(self, condition: str | None) -> Look:
        return replace(self.of_all, condition=condition)

    def turned(self, column: str) -> Look:
        """Sorted by a column: upwards, then downwards, then in the rows' own order again."""
        before = dict(self.sort).get(column)
        sort = () if before is True else ((column, before is False),)
        return replace(self, sort=sort)

    def without(self, column: str) -> Look:
        return replace(self, hidden=self.hidden | {column})

    def fixing(self, column: str) -> Look:
        """A column put first to stand still, or back in its place."""
        if column in self.fixed:
            return replace(self, fixed=tuple(name for name in self.fixed if name != column))
        return replace(self, fixed=(*self.fixed, column))

    def mark(self, column: str) -> str:
        """What stands behind a column's name in the head."""
        down = dict(self.sort).get(column)
        return "" if down is None else " ↓" if down else " ↑"

    def command(self, ref: str, offset: int) -> str:
        """The shell command that shows the same rows."""
        words = ["lepton", "data", "rows", ref]
        if self.ids is not None:
            listed = ", ".join(map(str, self.ids))
            words += ["--where", f"{ROW_ID} IN ({listed})"]
        elif self.condition is not None:
            words += ["--where", self.condition]
        for column, down in self.sort:
            words += ["--sort", f"-{column}" if down else column]
        if offset:
            words += ["--offset", str(offset)]
        return shlex.join(words)
