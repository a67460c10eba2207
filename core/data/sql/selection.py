"""Rows chosen by a typed condition and put in an order: found once, then paged by their place."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID, quoted
from core.data.lake.version import Version
from core.data.sql.sandbox import MEMORY, Sandbox, told
from core.errors import Cancelled, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int64]

# Beyond so many, ids lie in a file that the system maps, and not in memory.
MOST_IN_MEMORY = 16_000_000
Sort = tuple[str, bool]


class Selection:
    """Rows of a version that fulfil a condition, in an order. Use it from one thread at a time.

    Only `interrupt` may be called from another. The condition is whatever DuckDB takes after WHERE,
    over the columns and `_rid`; it runs in a sandbox. `sort` holds (column, descending) pairs, the
    first one first; missing values come last, and rows that are equal keep their order. `ids` are
    the rows themselves, for those who know them already.
    """

    def __init__(
        self,
        lake: Lake,
        ref: str | Version,
        condition: str | None = None,
        sort: Sequence[Sort] = (),
        *,
        ids: Sequence[int] | None = None,
        memory: str = MEMORY,
    ) -> None:
        """Open the version; nothing is looked for before `find`.

        Raises:
            UsageError: no such version or column, or no condition that can be read.
            LeptonError: a file is missing.
        """
        self.version = lake.version(ref)
        self.condition = (condition or "").strip() or None
        self.sort = tuple(sort)
        if self.condition is not None:
            check_condition(self.condition)
        for column, _ in self.sort:
            if column != ROW_ID:
                self.version.column(column)
        self._workspace = lake.workspace
        self._memory = memory
        self._view = lake.open(self.version)
        self._sandbox: Sandbox | None = None
        self._cancelled = False
        self._ids: Ids | None = None
        self._given = None if ids is None else [int(i) for i in ids]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._view.close()
        self._ids = None

    @property
    def is_whole(self) -> bool:
        """Whether these are all rows of the version in their own order."""
        return self.condition is None and not self.sort and self._given is None

    def find(self) -> int:
        """Find the rows, unless they are known; how many there are.

        Raises:
            UsageError: the condition is wrong, such as a column that is not there.
            LeptonError: it takes more memory or scratch space than there is.
            Cancelled: somebody called `interrupt`.
        """
        if self.is_whole:
            return self.version.rows
        if self._ids is None:
            self._ids = self._found()
        return len(self._ids)

    @property
    def ids(self) -> Ids:
        """The ids of the rows in their order, int64; only of rows that had to be found."""
        self.find()
        assert self._ids is not None
        return self._ids

    def page(
        self, offset: int, limit: int, columns: Sequence[str] | None = None
    ) -> list[tuple[Any, ...]]:
        """Up to `limit` rows from place `offset` on, each as `(_rid, *columns)`."""
        if self.is_whole:
            return self._view.page(offset, limit, columns)
        self.find()
        assert self._ids is not None
        return self._view.at(self._ids[offset : offset + limit].tolist(), columns)

    def place(self, row: int) -> int | None:
        """The place of a row id in the selection, None when it is not among them."""
        import numpy as np

        if self.is_whole:
            counted = f"SELECT count(*) FROM rows WHERE {ROW_ID} < ?"
            there = self._view.sql(f"SELECT 1 FROM rows WHERE {ROW_ID} = ?", [row])
            return int(self._view.sql(counted, [row])[0][0]) if there else None
        self.find()
        assert self._ids is not None
        found = np.flatnonzero(self._ids == row)
        return int(found[0]) if len(found) else None

    def interrupt(self) -> None:
        """Stop what another thread waits for here; it raises `Cancelled` there."""
        self._cancelled = True
        if (sandbox := self._sandbox) is not None:
            sandbox.interrupt()
        self._view.interrupt()

    def query(self) -> str:
        """The SQL that finds the ids, over `rows`."""
        where = f" WHERE ({self.condition}\n)" if self.condition is not None else ""
        keys = [f"{quoted(c)} {'DESC' if down else 'ASC'} NULLS LAST" for c, down in self.sort]
        return f"SELECT {ROW_ID} FROM rows{where} ORDER BY {', '.join([*keys, ROW_ID])}"

    def _found(self) -> Ids:
        import numpy as np

        if self._given is not None and not self.sort and self.condition is None:
            return np.asarray(self._given, np.int64)
        self._cancelled = False
        tables = {"rows": self.version}
        with Sandbox(self._workspace, tables, memory=self._memory, seconds=None) as sandbox:
            self._sandbox = sandbox
            try:
                if self._cancelled:
                    raise Cancelled("the search was cancelled")
                with sandbox.stream(self._query_of_given()) as answer:
                    ids = _Ids(self._workspace.tmp)
                    for batch in answer.batches:
                        ids.add(batch.column(0).to_numpy(zero_copy_only=False))
            finally:
                self._sandbox = None
        return ids.whole()

    def _query_of_given(self) -> str:
        if self._given is None:
            return self.query()
        listed = ", ".join(str(i) for i in self._given) or "NULL"
        few = f"(SELECT * FROM rows WHERE {ROW_ID} IN ({listed}))"
        return self.query().replace("FROM rows", f"FROM {few} rows", 1)


class _Ids:
    """Row ids as they come; many of them go to a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[Ids] = []
        self._held = 0
        self._file: Any = None

    def add(self, ids: Ids) -> None:
        if self._file is not None:
            ids.tofile(self._file)
            return
        self._parts.append(ids)
        self._held += len(ids)
        if self._held > MOST_IN_MEMORY:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            for part in self._parts:
                part.tofile(self._file)
            self._parts.clear()

    def whole(self) -> Ids:
        import numpy as np

        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file, np.int64, mode="r")
        return np.concatenate([np.empty(0, np.int64), *self._parts])


def check_condition(condition: str) -> None:
    """Take what is one SQL expression.

    Raises:
        UsageError: it is none, or more than one.
    """
    import duckdb

    try:
        duckdb.SQLExpression(f"({condition}\n)")
    except (duckdb.Error, RuntimeError, ValueError) as error:
        complaint = told(error)
        raise UsageError(
            f"no condition: {complaint.what}", hint="Such as: age > 30 AND city = 'Bern'"
        ) from error
