"""A recipe made into one query over any rows of a DuckDB, with what was learned for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.cleaning.expression import lock
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.sheet import HIDDEN, Sheet
from core.data.cleaning.step import Learned
from core.data.lake.version import Column
from core.data.sql.sandbox import told
from core.errors import Cancelled, LeptonError, UsageError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Done:
    """One step that was compiled: what it learned, and what it did, in counts."""

    step: dict[str, Any]
    learned: Learned
    did: dict[str, int]
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {"step": self.step, "learned": self.learned, "did": self.did, "rows": self.rows}


@dataclass(frozen=True)
class Cleaned:
    """What a recipe makes of rows: the query that gives them, to be run once, and what is known.

    `touched` are the columns that have other values or are new. `in_order` says that the query
    gives the rows in the order of the ids, as far as DuckDB keeps it.
    """

    query: str
    columns: tuple[Column, ...]
    steps: tuple[Done, ...]
    rows: int
    task: str | None
    target: str | None
    inputs: tuple[str, ...] | None
    touched: frozenset[str]
    rows_dropped: bool
    in_order: bool
    tables: tuple[str, ...] = field(default=(), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def media(self) -> dict[str, str]:
        return {column.name: column.media for column in self.columns if column.media}

    def to_json(self) -> list[dict[str, Any]]:
        return [step.to_json() for step in self.steps]


def compile_recipe(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[Column],
    recipe: Recipe,
    *,
    learned: Sequence[Learned] | None = None,
    rows: int | None = None,
    task: str | None = None,
    target: str | None = None,
    inputs: Sequence[str] | None = None,
    readable: Sequence[Path] = (),
    writable: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Cleaned:
    """Learn what the steps need, and give the one query that does their work.

    `relation` is what stands after FROM (a table, a view, a query in brackets) and has the columns
    and `_rid`. It is read several times, so it should be cheap to read. `rows` is their number
    where it is known. With `learned`, one for each step, nothing is learned anew.

    With a person's SQL in the recipe the connection is locked, for good: it then reads no file but
    those in `readable` and writes none outside the folder `writable`.

    Raises:
        UsageError: a step does not suit the columns; the error says which.
        LeptonError: a step found values that it cannot take.
        Cancelled: the query under way was interrupted, or `should_stop` said so.
    """
    import duckdb

    for column in columns:
        if column.name.startswith(HIDDEN):
            raise UsageError(f'a column cannot be called "{column.name}" here')
    sheet = Sheet(
        connection=connection,
        relation=relation,
        columns=tuple(columns),
        rows=rows,
        task=task,
        target=target,
        inputs=None if inputs is None else tuple(inputs),
        should_stop=should_stop,
    )
    done: list[tuple[dict[str, Any], Learned, dict[str, int]]] = []
    counts: list[int | None] = []
    n = 0
    try:
        if recipe.typed_sql:
            lock(connection, readable, writable)
        for n, step in enumerate(recipe.steps, 1):
            sheet.stop_if_asked()
            sheet.did = {}
            known = learned[n - 1] if learned is not None else step.learn(sheet)
            step.run(sheet, known)
            done.append((step.to_json(), known, sheet.did))
            counts.append(sheet.rows)
        sheet.ask()
    except duckdb.InterruptException as error:
        sheet.forget()
        raise Cancelled("the cleaning was cancelled; nothing was changed") from error
    except Cancelled:
        sheet.forget()
        raise
    except (LeptonError, duckdb.Error) as error:
        sheet.forget()
        raise _named(error, n, recipe) from error
    return Cleaned(
        query=sheet.query(),
        columns=sheet.columns,
        steps=tuple(
            Done(step, known, did, rows) for (step, known, did), rows in _with_rows(done, sheet)
        ),
        rows=sheet.rows or 0,
        task=sheet.task,
        target=sheet.target,
        inputs=sheet.inputs,
        touched=frozenset(sheet.touched),
        rows_dropped=sheet.rows_dropped,
        in_order=sheet.in_order,
        tables=tuple(sheet.tables),
    )


def _with_rows(
    done: list[tuple[dict[str, Any], Learned, dict[str, int]]], sheet: Sheet
) -> list[tuple[tuple[dict[str, Any], Learned, dict[str, int]], int]]:
    """Each step with the rows that it left, reckoned back from the last."""
    rows = sheet.rows or 0
    found = []
    for each in reversed(done):
        found.append((each, rows))
        rows += each[2].get("rows dropped", 0)
    return found[::-1]


def as_error(error: duckdb.Error, what: str) -> LeptonError:
    """DuckDB's error in a line of a person's: their own call's fault where the SQL is wrong."""
    import duckdb

    found = told(error)
    wrong = isinstance(error, duckdb.BinderException | duckdb.ParserException)
    return (UsageError if wrong else LeptonError)(f"{what}: {found.what}", hint=found.hint)


def _named(error: Exception, n: int, recipe: Recipe) -> Exception:
    import duckdb

    where = f'step {n} ("{recipe.steps[n - 1].do}")'
    if isinstance(error, LeptonError):
        return type(error)(f"{where}: {error.what}", where=error.where, hint=error.hint)
    if isinstance(error, duckdb.Error):
        return as_error(error, where)
    return error
