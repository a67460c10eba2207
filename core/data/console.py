"""SQL that a person types over the lake's data sets: run, export, complete, remember."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.atomic import sync_path, write_text
from core.data.lake import Lake
from core.data.layout import ROW_ID, quoted
from core.data.sandbox import MEMORY, SECONDS, Sandbox, Stream
from core.data.statement import named, readable
from core.errors import LeptonError, UsageError, nearest

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
        with self._sandbox(statement) as (sandbox, query), sandbox.stream(query) as answer:
            for batch in answer.batches:
                rows += as_rows(batch.slice(0, limit + 1 - len(rows)))
                if len(rows) > limit:
                    break
        return Answer(answer.columns, rows[:limit], len(rows) > limit, perf_counter() - began)

    def export(self, statement: str, destination: Path, *, replace: bool = False) -> int:
        """Write the whole answer to a file, by its ending: CSV, TSV, Parquet, JSON Lines, Arrow.

        The file is there whole or not at all; how many rows it holds.

        Raises:
            UsageError: as `run`; the ending tells no format; or something is there already.
            LeptonError: as `run`; or the file cannot be written.
        """
        from core.data.export import SUFFIXES, write_batches

        kind = SUFFIXES.get(destination.suffix.lower())
        if kind is None:
            raise UsageError(
                "the ending does not tell the format",
                where=str(destination),
                hint=f"Let it end in {', '.join(SUFFIXES)}.",
            )
        if not destination.parent.is_dir():
            raise UsageError("no such folder", where=str(destination.parent), hint="Make it first.")
        if destination.is_dir() or (destination.exists() and not replace):
            hint = "Name another file." if destination.is_dir() else "--force replaces it."
            raise UsageError("something is there already", where=str(destination), hint=hint)
        beside = destination.with_name(f".{destination.name}.{uuid4().hex[:8]}")
        written, failure = 0, None

        def counted(answer: Stream) -> Iterator[pa.RecordBatch]:
            nonlocal written, failure
            try:
                for batch in answer.batches:
                    written += batch.num_rows
                    yield batch
            except LeptonError as error:
                # What reads the batches would tell of it in words of its own.
                failure = error
                raise

        try:
            with self._sandbox(statement) as (sandbox, query), sandbox.stream(query) as answer:
                write_batches(beside, kind, answer.schema, counted(answer))
            sync_path(beside)
            beside.replace(destination)
            sync_path(destination.parent)
        except OSError as error:
            raise LeptonError(
                f"it cannot be written: {error.strerror or error}",
                where=str(destination),
                hint="Check the disk's room and the folder's permissions.",
            ) from error
        except LeptonError as error:
            raise failure or error from error.__cause__
        finally:
            beside.unlink(missing_ok=True)
        return written

    def interrupt(self) -> None:
        """Stop the statement that another thread waits for."""
        if (running := self._running) is not None:
            running.interrupt()

    def _sandbox(self, statement: str) -> _Opened:
        return _Opened(self, statement)


class _Opened:
    """The sandbox of one statement, with the statement as DuckDB is to have it."""

    def __init__(self, console: Console, statement: str) -> None:
        self._console = console
        self._statement = statement

    def __enter__(self) -> tuple[Sandbox, str]:
        console = self._console
        query, tables = named(console.lake, self._statement)
        try:
            query = readable(query)
        except UsageError as error:
            self._explain(error)
            raise
        sandbox = Sandbox(
            console.lake.workspace, tables, memory=console.memory, seconds=console.seconds
        )
        console._running = self._sandbox = sandbox
        return sandbox, query

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._console._running = None
        self._sandbox.close()
        if isinstance(error, UsageError):
            self._explain(error)

    def _explain(self, error: UsageError) -> None:
        """Name the data set that was probably meant."""
        names = [version.dataset for version in self._console.lake.datasets()]
        typed = self._statement.lower()
        dashed = [name for name in names if not name.isidentifier() and name in typed]
        if dashed and "syntax" in error.what:
            error.hint = f"A name with dashes or dots stands in quotes: {quoted(dashed[0])}."
        elif missing := _NO_TABLE.search(error.what):
            raise UsageError(
                f'no data set "{missing.group(1)}"', hint=nearest(missing.group(1), names)
            ) from error


def as_rows(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    """The rows of a batch in Python's types; two columns may have the same name."""
    columns = [column.to_pylist() for column in batch.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * batch.num_rows


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
