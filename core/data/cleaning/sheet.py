"""The rows on their way through a recipe: one query that grows, in a DuckDB that runs it late."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.data.lake.version import Column
from core.data.lake.view import ROW_ID, SPLIT, quoted
from core.data.profile import NUMBERS
from core.errors import Cancelled, LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import duckdb

# Columns of the work in progress; none of them gets into the lake.
HIDDEN = "__lepton_"
GROUPS = 10_000
MOST_BITS = 999_999_999
"""Ids that one map of bits can tell; DuckDB makes none larger."""
MOST_ASKED = 300
_NUMBERS = itertools.count()


@dataclass
class Sheet:
    """Rows as SQL: `relation` stands after FROM, has `_rid`, and is run only when it is asked.

    Steps put queries round it, so that a recipe is one query in the end. `did` is what the step at
    hand did, in counts; those in a query are found along with whatever is asked next.
    """

    connection: duckdb.DuckDBPyConnection
    relation: str
    columns: tuple[Column, ...]
    rows: int | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None
    task: str | None = None
    should_stop: Callable[[], bool] = lambda: False
    in_order: bool = True
    rows_dropped: bool = False
    touched: set[str] = field(default_factory=set)
    did: dict[str, int] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    _variables: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, tuple[dict[str, int], str]] = field(default_factory=dict)
    _before: tuple[dict[str, int], int] | None = None
    _every: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._every = [ROW_ID, *self.names]

    # -- what there is ------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            UsageError: there is none; the hint names the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(f'no column "{name}"', hint=nearest(name, self.names))

    def has(self, name: str) -> bool:
        """Whether a column is there whose name SQL could not tell from this one."""
        return name.lower() in {each.lower() for each in (*self.names, ROW_ID)}

    def numbers(self, named: Sequence[str]) -> list[Column]:
        """The columns named, all of numbers; without a name those of numbers but the target.

        Raises:
            UsageError: one is not there or holds no numbers; or there is none.
        """
        return self._of(named, NUMBERS, "numbers", spare_target=True)

    def texts(self, named: Sequence[str]) -> list[Column]:
        """The columns named, all of text; without a name every one of text."""
        return self._of(named, ("VARCHAR",), "text")

    def media(self, named: Sequence[str], kind: str) -> list[Column]:
        """The columns named, all of one medium; without a name every one of it."""
        found = [self.column(name) for name in named] or [
            c for c in self.columns if c.media == kind
        ]
        for column in found:
            if column.media != kind:
                raise UsageError(f'column "{column.name}" holds no {_media_word(kind)}')
        if not found:
            raise UsageError(f"there is no column of {_media_word(kind)}")
        return found

    def _of(
        self, named: Sequence[str], types: Sequence[str], word: str, *, spare_target: bool = False
    ) -> list[Column]:
        if named:
            found = [self.column(name) for name in dict.fromkeys(named)]
            for column in found:
                if column.type not in types:
                    raise UsageError(
                        f'column "{column.name}" holds no {word}',
                        hint=f'It is of type {column.type.lower()}; the step "cast" changes that.',
                    )
            return found
        spared = {SPLIT, self.target} if spare_target else {SPLIT}
        found = [c for c in self.columns if c.type in types and c.name not in spared]
        if not found:
            raise UsageError(f"there is no column of {word}")
        return found

    def pick(self, named: Sequence[str]) -> list[Column]:
        """The columns named; without a name all but the split."""
        if named:
            return [self.column(name) for name in dict.fromkeys(named)]
        return [column for column in self.columns if column.name != SPLIT]

    def part(self, source: str) -> str:
        """`FILTER` for the rows to learn from: "" for all of them, "train" for that split.

        Raises:
            UsageError: the rows are not split.
        """
        if source != "train":
            return ""
        if SPLIT not in self.names:
            raise UsageError(
                "the rows are not split, so there is nothing to learn from alone",
                hint='Split them first (lepton data split), leave from = "train" out, or take what'
                " was learned from others: --as-learned DATASET",
            )
        return f" FILTER (WHERE {SPLIT} = 'train')"

    # -- asking -------------------------------------------------------------------------------

    def ask(self, wanted: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One pass over the rows for the aggregates wanted, and for every count that waits.

        The counts of dropped rows and changed cells are found along with what a later step asks,
        so that most recipes need no pass for them alone.
        """
        asked = dict(wanted or {})
        waiting, self._waiting = self._waiting, {}
        for name in waiting:
            asked[name] = f"coalesce(sum(CAST({quoted(name)} AS BIGINT)), 0)"
        if self.rows is None:
            asked[HIDDEN + "rows"] = "count(*)"
        if not asked:
            return {}
        every, row = list(asked.values()), list[Any]()
        # Of a wide table in several passes, for DuckDB cannot take all of it in one.
        for at in range(0, len(every), MOST_ASKED):
            self.stop_if_asked()
            listed = ", ".join(every[at : at + MOST_ASKED])
            row += self.connection.execute(f"SELECT {listed} FROM {self.relation}").fetchone() or ()
        found = dict(zip(asked, row, strict=True))
        for name, (did, key) in waiting.items():
            did[key] = did.get(key, 0) + int(found.pop(name))
        if self.rows is None:
            self.rows = int(found.pop(HIDDEN + "rows"))
            if self._before is not None:
                did, before = self._before
                did["rows dropped"] = before - self.rows
                self._before = None
        return found

    def groups(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query that must be few.

        Raises:
            LeptonError: there are more than can be kept with a version.
        """
        found: list[tuple[Any, ...]] = self.connection.execute(
            f"{query} LIMIT {GROUPS + 1}"
        ).fetchall()
        if len(found) > GROUPS:
            raise LeptonError(
                f"there are more than {GROUPS:,} different values to remember",
                hint="Name a column with fewer.",
            )
        return found

    # -- changing -----------------------------------------------------------------------------

    def change(
        self,
        cells: Mapping[str, str],
        *,
        counts: Mapping[str, str] | None = None,
        join: str = "",
        media: Mapping[str, str | None] | None = None,
    ) -> None:
        """Give columns new values, or add columns: the SQL of each over the columns as they are.

        `counts` are conditions to count, by what to call them. `join` brings a table of the step's
        own; it must not change which rows there are.
        """
        known = {name.lower() for name in self.names}
        changed = {name.lower(): sql for name, sql in cells.items()}
        # All are listed: what DuckDB needs for r.* REPLACE (…) grows with the square of them.
        parts = [
            f"({changed[name.lower()]}) AS {quoted(name)}"
            if name.lower() in changed.keys() & known
            else f"r.{quoted(name)}"
            for name in self._every
        ]
        parts += [f"({sql}) AS {quoted(n)}" for n, sql in cells.items() if n.lower() not in known]
        for key, condition in (counts or {}).items():
            name = self.hidden("count")
            self._waiting[name] = (self.did, key)
            self.did.setdefault(key, 0)
            parts.append(f"coalesce({condition}, false) AS {quoted(name)}")
        self.touched |= set(cells)
        self._become(f"SELECT {', '.join(parts)} FROM {self.relation} r{join}", media)

    def keep(self, condition: str) -> None:
        """Keep the rows for which the condition is true."""
        if self._waiting or self.rows is None:
            self.ask()
        self._before = (self.did, self.rows or 0)
        self._become(f"SELECT * FROM {self.relation} WHERE {condition}")
        self.rows, self.rows_dropped = None, True

    def drop(self, table: str) -> None:
        """Drop the rows whose ids are in a table of the step's own."""
        if self._waiting or self.rows is None:
            self.ask()
        ((gone, first, last),) = self.connection.execute(
            f"SELECT count(*), min({ROW_ID}), max({ROW_ID}) FROM {table}"
        ).fetchall()
        self.did["rows dropped"] = gone
        self.rows = (self.rows or 0) - gone
        if not gone:
            return
        self.rows_dropped = True
        if last < MOST_BITS:
            # One bit for each id: unlike a join, this keeps DuckDB's rows in their order. In a
            # variable, for a subquery is joined to every row.
            bits = self.table(f"SELECT bitstring_agg({ROW_ID}, 0, {last + 1}) AS gone FROM {table}")
            variable = f"{HIDDEN}gone_{len(self._variables)}"
            self._variables[variable] = f"(SELECT gone FROM {bits})"
            self._set_variables(self.connection)
            place = f"CAST(least({ROW_ID}, {last + 1}) AS INTEGER)"
            kept = f"{ROW_ID} < {first} OR get_bit(getvariable('{variable}'), {place}) = 0"
            self._become(f"SELECT * FROM {self.relation} WHERE {kept}")
        else:
            self._become(f"SELECT r.* FROM {self.relation} r ANTI JOIN {table} USING ({ROW_ID})")
            self.in_order = False

    def drop_columns(self, names: Iterable[str]) -> None:
        """Leave columns out, and out of the task that they were meant for."""
        gone = set(names)
        listed = ", ".join(map(quoted, sorted(gone)))
        self._become(f"SELECT * EXCLUDE ({listed}) FROM {self.relation}")
        self.touched -= gone
        if self.target in gone:
            self.target = self.task = None
        if self.inputs is not None:
            self.inputs = tuple(n for n in self.inputs if n not in gone) or None

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename columns, and in the task that they are meant for."""
        listed = ", ".join(f"{quoted(old)} AS {quoted(new)}" for old, new in names.items())
        media = {new: self.column(old).media for old, new in names.items()}
        self._become(f"SELECT * RENAME ({listed}) FROM {self.relation}", media)
        self.touched = {names.get(name, name) for name in self.touched}
        self.target = names.get(self.target or "", self.target)
        if self.inputs is not None:
            self.inputs = tuple(names.get(name, name) for name in self.inputs)

    def replace_input(self, name: str, by: Sequence[str]) -> None:
        """Let other columns stand where one was an input."""
        if self.inputs is not None and name in self.inputs:
            at = self.inputs.index(name)
            self.inputs = (*self.inputs[:at], *by, *self.inputs[at + 1 :])

    def table(self, query: str) -> str:
        """Keep the answer of a query as a table of the step's own."""
        name = self.hidden("table")
        # Not a temporary one: another connection to this DuckDB has to see it.
        self.connection.execute(f"CREATE TABLE {quoted(name)} AS {query}")
        self.tables.append(name)
        return quoted(name)

    def values(self, heads: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> str:
        """Keep rows of the step's own as a table; `heads` are its columns and their types."""
        name = self.hidden("table")
        listed = ", ".join(f"{quoted(head)} {kind}" for head, kind in heads.items())
        self.connection.execute(f"CREATE TABLE {quoted(name)} ({listed})")
        self.tables.append(name)
        if rows:
            import pyarrow as pa

            cells = zip(*rows, strict=True)
            arrived = pa.table({str(i): pa.array(each) for i, each in enumerate(cells)})
            self.connection.register(HIDDEN + "batch", arrived)
            self.connection.execute(f"INSERT INTO {quoted(name)} SELECT * FROM {HIDDEN}batch")
            self.connection.unregister(HIDDEN + "batch")
        return quoted(name)

    def rewrite(
        self,
        column: Column,
        where: str,
        made: Callable[[list[Any]], list[Any]],
        *,
        at_once: int = 4096,
    ) -> int:
        """Give the cells of a column for which a condition holds what `made` makes of them.

        `made` gets a batch of cells and gives as many; equal ones stay. For what SQL cannot do.

        Raises:
            Cancelled: somebody wants no more of it.
        """
        import pyarrow as pa

        name = quoted(column.name)
        table = self.values({HIDDEN + "id": "BIGINT", HIDDEN + "cell": column.type}, [])
        kind = pa.large_binary() if column.type == "BLOB" else pa.large_string()
        changed = 0
        with self.beside() as beside:
            scan = beside.sql(f"SELECT {ROW_ID}, {name} FROM {self.relation} WHERE {where}")
            for batch in scan.to_arrow_reader(at_once):
                self.stop_if_asked()
                ids, cells = batch.column(0).to_pylist(), batch.column(1).to_pylist()
                new = made(cells)
                at = [i for i, (a, b) in enumerate(zip(cells, new, strict=True)) if a != b]
                if not at:
                    continue
                changed += len(at)
                arrived = pa.table(
                    {"id": [ids[i] for i in at], "cell": pa.array([new[i] for i in at], kind)}
                )
                self.connection.register(HIDDEN + "batch", arrived)
                self.connection.execute(f"INSERT INTO {table} SELECT * FROM {HIDDEN}batch")
                self.connection.unregister(HIDDEN + "batch")
        if changed:
            cell = f"CASE WHEN g.{HIDDEN}id IS NULL THEN r.{name} ELSE g.{HIDDEN}cell END"
            self.change(
                {column.name: cell}, join=f" LEFT JOIN {table} g ON r.{ROW_ID} = g.{HIDDEN}id"
            )
        return changed

    @contextmanager
    def beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Another connection to the same DuckDB, to read the rows while this one writes."""
        with self.connection.cursor() as beside:
            self._set_variables(beside)
            yield beside

    def _set_variables(self, connection: duckdb.DuckDBPyConnection) -> None:
        for name, value in self._variables.items():
            connection.execute(f"SET VARIABLE {name} = {value}")

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Cancelled("the cleaning was cancelled; nothing was changed")

    def query(self) -> str:
        """The rows as they now are, `_rid` first."""
        listed = ", ".join(quoted(name) for name in (ROW_ID, *self.names))
        return f"SELECT {listed} FROM {self.relation}"

    def forget(self) -> None:
        """Drop the tables that the steps made."""
        for name in self.tables:
            self.connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
        self.tables = []

    def hidden(self, kind: str) -> str:
        """A new name for a table or a column of the work in progress."""
        return f"{HIDDEN}{kind}_{next(_NUMBERS)}"

    def _become(self, query: str, media: Mapping[str, str | None] | None = None) -> None:
        relation = f"({query})"
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        known = {column.name: column.media for column in self.columns} | dict(media or {})
        self.relation = relation
        self._every = [name for name, *_ in described]
        self.columns = tuple(
            Column(name, kind, known.get(name) if kind == "BLOB" else None)
            for name, kind, *_ in described
            if name != ROW_ID and not name.startswith(HIDDEN)
        )


def _media_word(kind: str) -> str:
    return "images" if kind == "image" else "sound"
