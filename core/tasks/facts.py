"""Facts about a data set's columns: what a task needs to know to say whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.data.lake.view import MOST_DISTINCT, ROW_ID, SPLIT, quoted
from core.errors import UsageError, nearest

if TYPE_CHECKING:
    from core.data.lake.view import View

RESERVED = frozenset({ROW_ID, SPLIT})
"""Columns that say where a row stands, not what it is; no task reads them."""

_SIZES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = frozenset((*_SIZES, *(f"U{size}" for size in _SIZES)))
_SAMPLED = 2000
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
        return self.type in _WHOLE

    @property
    def is_number(self) -> bool:
        return self.is_whole or self.type in ("FLOAT", "DOUBLE") or self.type.startswith("DECIMAL")

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
    wanted = [f"count({quoted(c.name)})" for c in columns]
    wanted += ["0" if c.type == "BLOB" else count.format(quoted(c.name)) for c in columns]
    counted = view.aggregates(wanted)
    there, distinct = counted[: len(columns)], counted[len(columns) :]
    looks = _look(view, [c.name for c in columns if c.type != "BLOB"], rows)
    return TableFacts(
        rows,
        tuple(
            ColumnFacts(
                c.name,
                c.type,
                c.media,
                nulls=rows - there[i],
                distinct=min(distinct[i], there[i]),
                **looks.get(c.name, {}),
            )
            for i, c in enumerate(columns)
        ),
        version.task,
        version.target,
        version.inputs,
        version.dataset,
    )


def _look(view: View, names: list[str], rows: int) -> dict[str, dict[str, Any]]:
    """Samples and text statistics from about 2,000 rows spread over the whole table."""
    if not names:
        return {}
    listed = ", ".join(map(quoted, names))
    spread = f"SELECT {listed} FROM rows WHERE _rid % {rows // _SAMPLED + 1} = 0 LIMIT {_SAMPLED}"
    found = view.sql(spread) or view.sql(f"SELECT {listed} FROM rows LIMIT {_SAMPLED}")
    looks: dict[str, dict[str, Any]] = {}
    for at, name in enumerate(names):
        values = [row[at] for row in found if row[at] is not None]
        texts = [value for value in values if isinstance(value, str)]
        looks[name] = {
            "samples": tuple(values[:20]),
            "words": sum(len(text.split()) for text in texts) / max(1, len(texts)),
            "length": sum(map(len, texts)) / max(1, len(texts)),
        }
    return looks
