"""SQL that a person types over the lake's data sets: run, export, complete, remember."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from core.atomic import write_text
from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID, quoted
from core.data.sql.answer_file import write_answer
from core.data.sql.sandbox import MEMORY, SECONDS, Sandbox, Stream
from core.data.sql.statement import named, readable
from core.errors import UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

LIMIT = 1000
_NO_TABLE = re.compile(r"able with name (\S+) does not exist")
REMEMBERED = 1000
KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "OFFSET", "DISTINCT"),
    *("JOIN", "LEFT JOIN", "ON", "USING", "UNION ALL", "WITH", "AS", "AND", "OR", "NOT", "IN"),
    *("IS NULL", "IS NOT NULL", "BETWEEN", "LIKE", "ILIKE", "CASE", "WHEN", "THEN", "ELSE", "END"),
    *("ASC", "DESC", "EXCLUDE", "REPLACE", "DESCRIBE", "SUMMARIZE", "PIVOT", "EXPLAIN", "CAST"),
    *("count(*)", "count(", "sum(", "avg(", "min(", "max(", "median(", "round(", "length("),
    *("lower(", "upper(", "coalesce(", "quantile_cont(", "date_trunc(", "strftime("),
)


@dataclass(frozen=True)
class Answer:
    """Rows of an answer: `columns` are (name, DuckDB type); `truncated` when there were more."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]
    truncated: bool
    seconds: float


class Console:
    """Runs statements one after another, each in a sandbox of its own."""

    def __init__(
        self, lake: Lake, *, memory: str = MEMORY, seconds: float | None = SECONDS
    ) -> None:
        self.lake = lake
        self.memory = memory
        self.seconds = seconds
        self._running: Sandbox | None = None

    def run(self, statement: str, limit: int = LIMIT) -> Answer:
        """Run one statement and take up to `limit` rows of its answer.

        Raises:
            UsageError: the statement is wrong, or asks for more than to read data sets.
            LeptonError: it took too long, or too much memory.
            Cancelled: somebody called `interrupt`.
        """
        began = perf_counter()
        rows: list[tuple[Any, ...]] = []
        with self.answer(statement) as answer:
            for batch in answer.batches:
                rows += as_rows(batch.slice(0, limit + 1 - len(rows)), answer.columns)
                if len(rows) > limit:
                    break
        return Answer(answer.columns, rows[:limit], len(rows) > limit, perf_counter() - began)

    def export(self, statement: str, destination: Path, *, replace: bool = False) -> int:
        """Write the whole answer to a file, by its ending; how many rows it holds.

        Raises:
            UsageError: as `run`; the ending tells no format; or something is there already.
            LeptonError: as `run`; or the file cannot be written.
        """
        return write_answer(lambda: self.answer(statement), destination, replace=replace)

    def interrupt(self) -> None:
        """Stop the statement that another thread waits for."""
        if (running := self._running) is not None:
            running.interrupt()

    @contextmanager
    def answer(self, statement: str) -> Iterator[Stream]:
        """Run one statement; its answer is read as it comes, inside the `with`.

        Raises:
            UsageError, LeptonError, Cancelled: as `run`.
        """
        query, tables = named(self.lake, statement)
        try:
            query = readable(query)
            with Sandbox(
                self.lake.workspace, tables, memory=self.memory, seconds=self.seconds
            ) as sandbox:
                self._running = sandbox
                with sandbox.stream(query) as answer:
                    yield answer
        except UsageError as error:
            raise self._explained(error, statement) from error
        finally:
            self._running = None

    def _explained(self, error: UsageError, statement: str) -> UsageError:
        """Name the data set that was probably meant."""
        names = [version.dataset for version in self.lake.datasets()]
        typed = statement.lower()
        dashed = [name for name in names if not name.isidentifier() and name in typed]
        if missing := _NO_TABLE.search(error.what):
            hint = nearest(missing.group(1), names)
            return UsageError(f'no data set "{missing.group(1)}"', hint=hint)
        if dashed and "syntax" in error.what:
            hint = f"A name with dashes or dots stands in quotes: {quoted(dashed[0])}."
            return UsageError(error.what, hint=hint)
        return error


def as_rows(batch: pa.RecordBatch, columns: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """The rows of a batch in Python's types; two columns may have the same name."""
    values = [column.to_pylist() for column in batch.columns]
    for at, (_, kind) in enumerate(columns):
        # Arrow has no integer so wide; a sum of integers is one.
        if kind in ("HUGEINT", "UHUGEINT"):
            values[at] = [None if each is None else int(each) for each in values[at]]
    return list(zip(*values, strict=True)) if values else [()] * batch.num_rows


def completions(lake: Lake, text: str, cursor: int) -> list[str]:
    """What the word at the cursor could become: columns of the data sets named, data sets, SQL.

    Each is the whole word, written as it must stand in a statement.
    """
    word = re.search(r'"?[\w.@-]*$', text[:cursor])
    typed = word.group() if word else ""
    start = typed.strip('"').lower()
    versions = {version.dataset: version for version in lake.datasets()}
    _, tables = named(lake, text[: cursor - len(typed)] + text[cursor:])
    before = text[: cursor - len(typed)]
    wants_table = re.search(
        r"\b(from|join|describe|summarize|pivot|table)\s+$", before, re.IGNORECASE
    )
    prefix, dot, rest = start.partition(".")
    if dot and prefix in {**tables, **versions}:
        of = {**versions, **tables}[prefix]
        found = [f"{prefix}.{_written(c)}" for c in of.column_names if c.lower().startswith(rest)]
        return sorted(found)
    if "@" in start and start.partition("@")[0] in versions:
        name = start.partition("@")[0]
        refs = [f"{name}@{end}" for v in lake.versions(name) for end in (str(v.n), *v.tags)]
        return [_written(ref) for ref in refs if ref.startswith(start)]
    names = sorted(_written(name) for name in versions if name.startswith(start))
    if wants_table:
        return names
    columns = dict.fromkeys(
        _written(column)
        for version in tables.values()
        for column in (*version.column_names, ROW_ID)
        if column.lower().startswith(start)
    )
    words = [word for word in KEYWORDS if start and word.lower().startswith(start)]
    return [*sorted(columns), *names, *words]


def _written(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted(name)


class History:
    """The statements that were run in a workspace, oldest first; the last thousand are kept."""

    def __init__(self, lake: Lake) -> None:
        self._path = lake.workspace.home / "sql_history"

    def read(self) -> list[str]:
        """Every statement remembered, as it was typed."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            # A line that was cut short by a full disk is passed over.
            with suppress(ValueError):
                found.append(str(json.loads(line)))
        return found[-REMEMBERED:]

    def add(self, statement: str) -> None:
        """Remember a statement; the same one twice in a row is remembered once."""
        statement = statement.strip()
        known = self.read()
        if not statement or (known and known[-1] == statement):
            return
        if len(known) >= REMEMBERED:
            kept = [*known[-(REMEMBERED // 2) :], statement]
            write_text(self._path, "".join(f"{json.dumps(each)}\n" for each in kept))
            return
        with self._path.open("a", encoding="utf-8") as out:
            out.write(f"{json.dumps(statement)}\n")
