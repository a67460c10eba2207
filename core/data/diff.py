"""What differs between two versions: columns, and rows added, removed and changed.

Rows are matched by row id where the versions come from the same rows, and then columns that
both read from one file are equal unread. Else they are matched by key columns, or counted by
their content.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from core.data.engine import connect
from core.data.lake.lake import Lake
from core.data.lake.version import FRACTIONS, WHOLE, Version
from core.data.lake.view import ROW_ID, View, quoted
from core.errors import UsageError

if TYPE_CHECKING:
    import duckdb

EXAMPLES = 5
_BROKEN = (*FRACTIONS, "DECIMAL")
FIXED = ("BOOLEAN", "DATE", "DOUBLE", "FLOAT", "HUGEINT", "UUID")
FIXED_FAMILIES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "TIME", "DECIMAL", "INTERVAL")


@dataclass(frozen=True)
class Retyped:
    """A column of both versions whose type is another."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """One row: what tells it, and the cells that differ, each before and after."""

    kind: Literal["added", "removed", "changed"]
    key: dict[str, Any]
    cells: dict[str, tuple[Any, Any]]

    def to_json(self) -> dict[str, Any]:
        cells = {name: {"before": old, "after": new} for name, (old, new) in self.cells.items()}
        return {"kind": self.kind, "key": self.key, "cells": cells}


@dataclass(frozen=True)
class Diff:
    """How `new` differs from `old`.

    `matched` says what told the rows: the row id, key columns, or their content, by which no row
    is ever changed, only removed and added. `cells` counts the changed cells of each column.
    """

    old: Version
    new: Version
    matched: tuple[str, ...]
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    retyped: tuple[Retyped, ...] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    cells: dict[str, int] = field(default_factory=dict)
    examples: tuple[Change, ...] = ()

    @property
    def same(self) -> bool:
        columns = self.columns_added or self.columns_removed or self.retyped
        return not (columns or self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        return {
            "old": self.old.ref,
            "new": self.new.ref,
            "same": self.same,
            "matched": list(self.matched),
            "columns": {
                "added": list(self.columns_added),
                "removed": list(self.columns_removed),
                "retyped": [{"name": r.name, "old": r.old, "new": r.new} for r in self.retyped],
            },
            "rows": {
                "old": self.old.rows,
                "new": self.new.rows,
                "added": self.added,
                "removed": self.removed,
                "changed": self.changed,
            },
            "cells": self.cells,
            "examples": [change.to_json() for change in self.examples],
        }


def diff(
    lake: Lake,
    old: str | Version,
    new: str | Version,
    *,
    on: Sequence[str] | None = None,
    examples: int = EXAMPLES,
) -> Diff:
    """Compare two versions, of one data set or of two.

    `on` names columns that tell a row, such as `id`; without it rows are told by their row id when
    the versions come from the same rows, else by their content. Up to `examples` rows of each kind
    are shown; media among them are bytes.

    Raises:
        UsageError: no such version or column, keys that do not tell the rows, or nothing in common.
        LeptonError: a file of a version is missing.
    """
    old, new = lake.version(old), lake.version(new)
    common = [name for name in old.column_names if name in new.column_names]
    types = {name: (old.column(name).type, new.column(name).type) for name in common}
    found = Diff(
        old,
        new,
        (ROW_ID,),
        tuple(name for name in new.column_names if name not in types),
        tuple(name for name in old.column_names if name not in types),
        tuple(Retyped(name, *kinds) for name, kinds in types.items() if kinds[0] != kinds[1]),
    )
    with lake.open(old) as before, lake.open(new) as after:
        pair = _Pair(before, after, {name: _comparable(*types[name]) for name in common})
        if on:
            for name in on:
                old.column(name)
                new.column(name)
            return pair.by_keys(found, [*dict.fromkeys(on)], examples)
        if old.has_rows_of(new):
            return pair.by_row_id(found, examples)
        if not common:
            raise UsageError(f"{old.ref} and {new.ref} have no column in common")
        return pair.by_content(found, examples)


def _comparable(old: str, new: str) -> str:
    """SQL, with `{}` for the column, of what two values are compared by."""
    if old != new:
        for family, kind in (
            ((*WHOLE, *FRACTIONS, "DECIMAL"), "DOUBLE"),
            (("DATE", "TIMESTAMP"), "TIMESTAMP"),
        ):
            if old.startswith(family) and new.startswith(family) and not (old + new).count("["):
                return f"CAST({{}} AS {kind})"
        text = "CAST({0} AS VARCHAR)"
        if "VARCHAR" in (old, new) and any(kind.startswith(_BROKEN) for kind in (old, new)):
            # A text is the number that it reads as: 48, 48.0 and 4.8e1 are one.
            return f"hash(coalesce(CAST(TRY_CAST({{0}} AS DOUBLE) AS VARCHAR), {text}))"
        return f"hash({text})"
    plain = old in FIXED or old.lstrip("U").startswith(FIXED_FAMILIES)
    # The join then carries eight bytes for an image or a text.
    return "{}" if plain and not old.endswith("]") else "hash({})"


class _Pair:
    """Two open versions in one DuckDB. `values` has the SQL to compare each common column by."""

    def __init__(self, before: View, after: View, values: dict[str, str]) -> None:
        self.before, self.after = before, after
        self.values = values

    def by_row_id(self, found: Diff, examples: int) -> Diff:
        """Match by `_rid`; columns that both versions read from one file are equal unread."""
        differing = list(self.values)
        if _base(found.old) == _base(found.new):
            old, new = _sources(found.old), _sources(found.new)
            differing = [name for name in differing if old.get(name) != new.get(name)]
            if not differing:
                return found
        return self._joined(found, [ROW_ID], differing, examples)

    def by_keys(self, found: Diff, keys: list[str], examples: int) -> Diff:
        for view in (self.before, self.after):
            _check_keys(view, keys)
        differing = [name for name in self.values if name not in keys]
        return self._joined(found, keys, differing, examples)

    def by_content(self, found: Diff, examples: int) -> Diff:
        """Count how often each content occurs on either side."""
        listed = ", ".join(value.format(quoted(name)) for name, value in self.values.items())
        counted = f"SELECT hash({listed}) AS h, count(*) AS c, min({ROW_ID}) AS rid FROM"
        more, fewer = "coalesce(n.c, 0) - coalesce(o.c, 0)", "coalesce(o.c, 0) - coalesce(n.c, 0)"
        with self._connected() as con:
            added, removed, new_ids, old_ids = _one(
                con,
                f"WITH o AS ({counted} old GROUP BY h), n AS ({counted} new GROUP BY h)"
                f" SELECT sum(greatest({more}, 0)), sum(greatest({fewer}, 0)),"
                f" min(n.rid, {examples + 1}) FILTER ({more} > 0),"
                f" min(o.rid, {examples + 1}) FILTER ({fewer} > 0)"
                " FROM o FULL JOIN n ON o.h = n.h",
            )
        shown = [
            *self._examples("added", [ROW_ID], list(self.values), (), (new_ids or [])[:examples]),
            *self._examples("removed", [ROW_ID], list(self.values), (old_ids or [])[:examples], ()),
        ]
        return _with(
            found, matched=("content",), added=int(added), removed=int(removed), examples=shown
        )

    def _joined(self, found: Diff, keys: list[str], differing: list[str], examples: int) -> Diff:
        """Join the versions on keys that tell the rows, and compare the columns named."""
        by_id = keys == [ROW_ID]
        told = [] if by_id else [self.values[key].format(quoted(key)) for key in keys]
        told = told or [ROW_ID]
        held = [self.values[name].format(quoted(name)) for name in differing]
        listed = ", ".join(
            [
                f"{ROW_ID} AS rid",
                *(f"{value} AS k{at}" for at, value in enumerate(told)),
                *(f"{value} AS c{at}" for at, value in enumerate(held)),
            ]
        )
        needed = [*differing, *([] if by_id else keys)]
        same_key = " AND ".join(f"o.k{at} = n.k{at}" for at in range(len(told)))
        both = "o.rid IS NOT NULL AND n.rid IS NOT NULL"
        others = [f"o.c{at} IS DISTINCT FROM n.c{at}" for at in range(len(held))]
        changed = f"{both} AND ({' OR '.join(others) or 'false'})"
        few = max(examples, 1)
        counts = "".join(f", count(*) FILTER ({both} AND {other})" for other in others)
        with self._connected(needed) as con:
            added, removed, rows, new_ids, old_ids, ids_before, ids_after, *cells = _one(
                con,
                f"WITH o AS (SELECT {listed} FROM old), n AS (SELECT {listed} FROM new)"
                " SELECT count(*) FILTER (o.rid IS NULL), count(*) FILTER (n.rid IS NULL),"
                f" count(*) FILTER ({changed}), min(n.rid, {few}) FILTER (o.rid IS NULL),"
                f" min(o.rid, {few}) FILTER (n.rid IS NULL),"
                f" arg_min(o.rid, n.rid, {few}) FILTER ({changed}),"
                f" min(n.rid, {few}) FILTER ({changed}){counts}"
                f" FROM o FULL JOIN n ON {same_key}",
            )
        every = list(self.values)
        shown = [
            *self._examples("changed", keys, differing, ids_before or (), ids_after or ()),
            *self._examples("added", keys, every, (), new_ids or ()),
            *self._examples("removed", keys, every, old_ids or (), ()),
        ]
        return _with(
            found,
            matched=tuple(keys),
            added=added,
            removed=removed,
            changed=rows,
            cells={name: n for name, n in zip(differing, cells, strict=True) if n},
            examples=shown if examples else [],
        )

    def _examples(
        self,
        kind: Literal["added", "removed", "changed"],
        keys: list[str],
        columns: list[str],
        old_ids: Sequence[int],
        new_ids: Sequence[int],
    ) -> list[Change]:
        """Rows as either side has them; of a changed one only the cells that differ."""
        own = [key for key in keys if key != ROW_ID]
        needed = [*dict.fromkeys([*own, *columns])]
        old = self.before.rows(old_ids, needed) if old_ids else []
        new = self.after.rows(new_ids, needed) if new_ids else []
        found = []
        for at in range(max(len(old), len(new))):
            before = old[at] if old else {}
            after = new[at] if new else {}
            key = {name: (after or before)[name] for name in keys}
            cells = {
                name: (before.get(name), after.get(name)) for name in columns if name not in key
            }
            if kind == "changed":
                cells = {name: cell for name, cell in cells.items() if _differ(*cell)}
            found.append(Change(kind, key, cells))
        return found

    def _connected(self, columns: Sequence[str] | None = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB with the tables `old` and `new`, of the columns named."""
        names = [*dict.fromkeys(self.values if columns is None else columns)]
        connection = connect(self.before.workspace)
        connection.execute(f"CREATE VIEW old AS {self.before.query(names)}")
        connection.execute(f"CREATE VIEW new AS {self.after.query(names)}")
        return connection


def _differ(before: Any, after: Any) -> bool:
    """Whether two cells are different ones, as `_comparable` has it."""
    if isinstance(before, float) and isinstance(after, float):
        return before != after and not (math.isnan(before) and math.isnan(after))
    if isinstance(before, str) != isinstance(after, str) and None not in (before, after):
        if isinstance(before, float | Decimal) or isinstance(after, float | Decimal):
            try:
                return float(before) != float(after)
            except ValueError:
                return True
        # A truth value is written small in SQL.
        texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in (before, after)]
        return texts[0] != texts[1]
    if type(before) is not type(after):
        before, after = (
            dt.datetime.combine(v, dt.time()) if type(v) is dt.date else v for v in (before, after)
        )
    return bool(before != after)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _with(found: Diff, *, examples: list[Change], **changes: Any) -> Diff:
    return replace(found, examples=tuple(examples), **changes)


def _base(version: Version) -> list[tuple[str, int | None]]:
    """The files of the rows themselves, which decide what rows there are."""
    return [(file.sha256, file.first) for file in version.files if file.provides is None]


def _sources(version: Version) -> dict[str, str]:
    """The file that each overlaid column is read from."""
    return {name: file.sha256 for file in version.files for name in file.provides or ()}


def _check_keys(view: View, keys: list[str]) -> None:
    listed = ", ".join(map(quoted, keys))
    nulls = " OR ".join(f"{quoted(key)} IS NULL" for key in keys)
    named = " and ".join(f'"{key}"' for key in keys)
    ((missing,),) = view.sql(f"SELECT count(*) FROM rows WHERE {nulls}")
    if missing:
        raise UsageError(
            f"{missing:,} rows have no {named}, so it cannot tell them", where=view.version.ref
        )
    twice = view.sql(
        f"SELECT count(*), {listed} FROM rows GROUP BY {listed} HAVING count(*) > 1 LIMIT 1"
    )
    if twice:
        times, *values = twice[0]
        shown = ", ".join(str(value)[:40] for value in values)
        raise UsageError(
            f"{named} does not tell the rows: {shown} is there {times:,} times",
            where=view.version.ref,
            hint="Name more columns, or none to compare by content.",
        )
