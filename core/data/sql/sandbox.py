"""A DuckDB for what a person types: it reads a few versions of the lake and nothing else.

What a statement *is* says little about what it does, so the walls stand around the connection: its
only files are those of `LakeFiles`, which cannot be written; every other file, the network,
extensions and Python's variables are shut off; and the settings are locked. Memory, scratch space
and time have limits.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from core.data.engine import connect, interrupt
from core.data.lake.layout import Layout, literal, quoted
from core.data.lake.version import DataFile, Version
from core.errors import Cancelled, LeptonError, UsageError
from core.growth import growth_bounded
from core.memory import parse
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = "1GB"
SECONDS = 30.0
SCRATCH = "10GB"
BESIDE = 2 * 1024**3
"""For what DuckDB does not count against its limit: batches of the answer, its threads."""
BATCH = 2048

_SHUT_OFF = re.compile(r"required extension|external extensions|Secret Storage|temp_directory")


@dataclass(frozen=True)
class Stream:
    """An answer as it comes: its columns with their DuckDB types, and its rows in batches."""

    columns: tuple[tuple[str, str], ...]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class Sandbox:
    """Versions by the names that a statement calls them. Use it from one thread at a time.

    Only `interrupt` may be called from another.
    """

    def __init__(
        self,
        workspace: Workspace,
        tables: Mapping[str, Version],
        *,
        memory: str = MEMORY,
        seconds: float | None = SECONDS,
    ) -> None:
        """Open and lock the connection.

        Raises:
            UsageError: `memory` is no size, such as 500MB or 2GB.
            LeptonError: a file of a version is missing.
        """
        try:
            most = parse(memory)
        except ValueError:
            raise UsageError(
                f'"{memory}" is no amount of memory', hint="Write 500MB or 2GB."
            ) from None
        self.seconds = seconds
        self._most = most
        self._cancelled = False
        self._scratch = workspace.tmp / f"{os.getpid()}-sql-{uuid4().hex[:8]}"
        files = {
            file.name: workspace.data / file.name
            for version in tables.values()
            for file in version.files
        }
        for path in files.values():
            if not path.exists():
                raise LeptonError(
                    "a data file is missing",
                    where=str(path),
                    hint="Restore the file, or import the data set again.",
                )
        self._connection = connect(workspace, most=most)
        try:
            self._lock(tables, files)
        except BaseException:
            self.close()
            raise

    def _lock(self, tables: Mapping[str, Version], files: Mapping[str, Any]) -> None:
        from core.data.sql.lake_files import SCHEME, LakeFiles

        con = self._connection
        con.register_filesystem(LakeFiles(files))
        for setting, value in {
            "temp_directory": literal(str(self._scratch)),
            "max_temp_directory_size": literal(SCRATCH),
            "allowed_directories": f"[{literal(SCHEME)}]",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }.items():
            con.execute(f"SET {setting} = {value}")

        def place(file: DataFile) -> str:
            return SCHEME + file.name

        for name, version in tables.items():
            con.execute(f"CREATE VIEW {quoted(name)} AS {Layout(version, place).joined()}")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def interrupt(self) -> None:
        """Stop what another thread waits for here; it raises `Cancelled` there."""
        self._cancelled = True
        interrupt(self._connection)

    @contextmanager
    def stream(self, query: str) -> Iterator[Stream]:
        """Run one statement; its answer is read inside the `with`, within the time limit.

        Raises:
            UsageError: the statement is wrong, or asks for what it may not have.
            LeptonError: it took too long, or more memory or scratch space than it may.
            Cancelled: somebody called `interrupt`.
        """

        until = None if self.seconds is None else time.monotonic() + self.seconds
        done = threading.Event()
        if until is not None:
            clock = threading.Thread(target=self._stop_late, args=(done,), daemon=True)
            clock.start()
        try:
            # A list as long as the table in every row is in no table or sort that DuckDB counts.
            with growth_bounded(self._most + BESIDE):
                yield self._opened(query, until)
        except MemoryError as error:
            raise told(error) from error
        finally:
            done.set()
            self._cancelled = False

    def _opened(self, query: str, until: float | None) -> Stream:
        with self._told(until):
            relation = self._connection.sql(query)
            if relation is None:
                return Stream((), _no_columns(), iter(()))
            columns = tuple(zip(relation.columns, map(str, relation.types), strict=True))
            reader = relation.to_arrow_reader(BATCH)
            return Stream(columns, reader.schema, self._watched(reader, until))

    def _watched(self, reader: Any, until: float | None) -> Iterator[pa.RecordBatch]:
        while True:
            with self._told(until):
                batch = next(reader, None)
            if batch is None:
                return
            self._check(until)
            yield batch

    @contextmanager
    def _told(self, until: float | None) -> Iterator[None]:
        """DuckDB's errors in our words; Arrow hands them on as errors of its own."""
        import duckdb

        try:
            yield
        except (duckdb.Error, RuntimeError, OSError, ValueError, MemoryError) as error:
            self._check(until)
            raise told(error) from error

    def _check(self, until: float | None) -> None:
        if self._cancelled:
            raise Cancelled("the statement was cancelled")
        if until is not None and time.monotonic() >= until:
            raise LeptonError(
                f"the statement took longer than {self.seconds:g} s",
                hint="Allow it more time, or ask for less: a LIMIT, fewer columns, a sample.",
            )

    def _stop_late(self, done: threading.Event) -> None:
        wait = self.seconds
        # An interrupt between two queries is lost, so it is repeated until the work has ended.
        while not done.wait(wait):
            interrupt(self._connection)
            wait = 0.1


def _no_columns() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([])


_NO_COLUMN = re.compile(r"referenced column (\S+) not found in FROM clause!")


def told(error: Exception) -> LeptonError:
    """DuckDB's complaint in one line, and whose fault it was."""
    import duckdb

    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    first = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    first = re.sub(r"^([A-Z][A-Za-z ]+ Error|[A-Za-z]*Exception|PermissionError): ", "", first)
    what = (first[:1].lower() + first[1:])[:300]
    if (
        isinstance(error, duckdb.OutOfMemoryException | MemoryError)
        or "Out of Memory" in text
        or "bad allocation" in text
    ):
        return LeptonError(
            "the statement needs more memory or scratch space than it may have",
            hint="Allow it more memory, or ask for less: a LIMIT, fewer columns, a sample.",
        )
    if (
        isinstance(error, duckdb.PermissionException)
        or "PermissionError" in text
        or "configuration has been locked" in text
        or _SHUT_OFF.search(text)
    ):
        return UsageError(
            "a statement reads the data sets of the lake and nothing else",
            hint="Files, the network and settings are out of its reach. See: lepton data ls",
        )
    for line in lines[1:]:
        if line.startswith("Candidate bindings:"):
            what = _NO_COLUMN.sub(r"no column \1", what)
            there = line.removeprefix("Candidate bindings:").strip()[:200]
            # The row's id is near to words that mean anything else.
            asked = "" if there == '"_rid"' else f"Did you mean {there}? "
            # Who writes a text as it is gets it taken for a column's name.
            missed = re.fullmatch(r'no column "(.*)"', what)
            quotes = f"A text stands in single quotes: {literal(missed[1])}" if missed else ""
            return UsageError(what, hint=f"{asked}{quotes}".strip())
    return UsageError(what, hint=next((ln for ln in lines if ln.startswith("Did you mean")), ""))
