"""Facts about a data set's columns: what a task needs to know to say whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from core.data.lake.version import FRACTIONS, WHOLE
from core.data.lake.view import MOST_DISTINCT, ROW_ID, SPLIT, quoted
from core.errors import UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.lake.view import View

RESERVED = frozenset({ROW_ID, SPLIT})
"""Columns that say where a row stands, not what it is; no task reads them."""

_SAMPLED = 2000
_SHOWN = 20
_EXACT = 100_000


@dataclass(frozen=True)
class ColumnFacts:
    """One column. `words` and `length` are means over a sample of its texts, 0 for other types."""

    name: str
    type: str
    media: str | None = None
    nulls: int = 0
    distinct: int = 0
    words: float = 0.0
    length: float = 0.0
    samples: tuple[Any, ...] = ()

    @property
    def is_image(self) -> bool:
        return self.media == "image"

    @property
    def is_text(self) -> bool:
        return self.type == "VARCHAR" or self.type.startswith("ENUM")

    @property
    def is_whole(self) -> bool:
        return self.type in WHOLE

    @property
    def is_number(self) -> bool:
        return self.is_whole or self.type in FRACTIONS or self.type.startswith("DECIMAL")

    @property
    def is_boolean(self) -> bool:
        return self.type == "BOOLEAN"

    @property
    def is_date(self) -> bool:
        return self.type == "DATE" or self.type.startswith("TIMESTAMP")


@dataclass(frozen=True)
class TableFacts:
    """A data set's rows and columns, with what it was imported for: task, target, inputs.

    `dataset` is its name, for the commands that a hint tells of.
    """

    rows: int
    columns: tuple[ColumnFacts, ...]
    task: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None
    dataset: str = "DATASET"

    def column(self, name: str) -> ColumnFacts:
        """The column of that name.

        Raises:
            UsageError: there is none.
        """
        if (column := self._by_name.get(name)) is not None:
            return column
        raise UsageError(f'there is no column "{name}"', hint=nearest(name, [*self._by_name]))

    @cached_property
    def _by_name(self) -> dict[str, ColumnFacts]:
        return {column.name: column for column in self.columns}


def described(view: View, name: str) -> ColumnFacts:
    """A column's name, type and media alone; its rows are not looked at.

    Raises:
        UsageError: there is none of that name.
    """
    column = view.version.column(name)
    return ColumnFacts(column.name, column.type, column.media)


def facts(view: View) -> TableFacts:
    """Look at a data set once: nulls and distinct values of each column, a sample of its texts.

    Distinct values are estimated (within a few per cent) above 100,000 rows or 100 columns.
    """
    version = view.version
    columns = [column for column in version.columns if column.name not in RESERVED]
    rows = view.count()
    exact = rows <= _EXACT and len(columns) <= MOST_DISTINCT
    count = "count(DISTINCT {})" if exact else "approx_count_distinct({})"
    alike: dict[str, list[str]] = {}
    for column in columns:
        alike.setdefault(column.type, []).append(column.name)
    counted: dict[str, dict[str, int]] = {}
    for kind, names in alike.items():
        counted |= view.of_each(names, partial(_counts, "0" if kind == "BLOB" else count))
    looks = _look(view, [c.name for c in columns if c.type != "BLOB"], rows)
    return TableFacts(
        rows,
        tuple(
            ColumnFacts(
                c.name,
                c.type,
                c.media,
                nulls=rows - counted[c.name]["there"],
                distinct=min(counted[c.name].values()),
                **looks.get(c.name, {}),
            )
            for c in columns
        ),
        version.task,
        version.target,
        version.inputs,
        version.dataset,
    )


def _counts(distinct: str, name: str) -> dict[str, str]:
    return {"there": f"count({name})", "distinct": distinct.format(name)}


def _look(view: View, names: list[str], rows: int) -> dict[str, dict[str, Any]]:
    """Samples and text statistics from about 2,000 rows spread over the whole table."""
    if not names:
        return {}
    listed = ", ".join(map(quoted, names))
    spread = f"SELECT {listed} FROM rows WHERE _rid % {rows // _SAMPLED + 1} = 0 LIMIT {_SAMPLED}"
    found = view.arrow(spread)
    if not found.num_rows:
        found = view.arrow(f"SELECT {listed} FROM rows LIMIT {_SAMPLED}")
    # Column by column: as rows of Python's, those of 5,000 columns take seconds.
    return {name: _seen(found.column(at)) for at, name in enumerate(names)}


def _seen(cells: pa.ChunkedArray) -> dict[str, Any]:
    """The first values of a sample and, where they are texts, how long they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = cells.drop_null()
    seen: dict[str, Any] = {"samples": tuple(there.slice(0, _SHOWN).to_pylist())}
    texts = there.cast(pa.string()) if pa.types.is_dictionary(there.type) else there
    if len(texts) and (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts))
        blank = pc.sum(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)).as_py()
        seen["words"] = (pc.sum(pc.list_value_length(words)).as_py() - blank) / len(texts)
        seen["length"] = pc.mean(pc.utf8_length(texts)).as_py()
    return seen
