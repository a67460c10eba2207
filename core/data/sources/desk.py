"""The desk an import works on: its scratch files and DuckDB, what it set aside, what it noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.data.view import literal
from core.errors import LeptonError
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` in bytes, rows or files; the total is 0 while not known."""

REJECTS_SHOWN = 100
REJECTS_STORED = 20
LONGEST_VALUE = 200


@dataclass(frozen=True)
class Reject:
    """One row or file of the source that was left out: where it stands and what was wrong."""

    where: str
    what: str
    column: str | None = None
    value: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Arrived:
    """What a reader hands over: rows for the lake, and which columns hold images.

    `rows` is a query for the desk's DuckDB, or a stream of Arrow batches.
    """

    rows: str | pa.RecordBatchReader
    columns: tuple[str, ...]
    media: dict[str, str] = field(default_factory=dict)


class Desk:
    """Use as a context manager: whatever happens, no scratch file outlives it."""

    def __init__(
        self, workspace: Workspace, source: Path, progress: Progress | None = None
    ) -> None:
        self.workspace = workspace
        self.source = source
        self.progress: Progress = progress or (lambda done, total: None)
        self.rejects: list[Reject] = []
        self.rejected = 0
        self.notes: list[str] = []
        self.failure: LeptonError | None = None
        self._scratch: list[Path] = []
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        for path in self._scratch:
            path.unlink(missing_ok=True)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB that spills into the workspace."""
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect()
            self._connection.execute("SET enable_progress_bar = false")
            self._connection.execute(f"SET temp_directory = {literal(str(self.workspace.tmp))}")
        return self._connection

    def scratch(self, suffix: str) -> Path:
        """A name for a temporary file; the lake sweeps it should this process be killed."""
        path = self.workspace.tmp / f"{os.getpid()}-{uuid4().hex}{suffix}"
        self._scratch.append(path)
        return path

    def note(self, text: str) -> None:
        self.notes.append(text)

    def reject(
        self, where: str, what: str, *, column: str | None = None, value: str | None = None
    ) -> None:
        """Count a row or file as left out; the first hundred are kept to be shown."""
        self.rejected += 1
        if len(self.rejects) < REJECTS_SHOWN:
            shown = None if value is None else value[:LONGEST_VALUE]
            self.rejects.append(Reject(where, what, column, shown))

    def judge(self, kept: int, unit: str) -> None:
        """Refuse a source of which less than half could be used.

        Raises:
            LeptonError: more was left out than kept.
        """
        if self.rejected <= kept:
            return
        first = self.rejects[0]
        column = f", column {first.column}" if first.column else ""
        raise self.fail(
            f"{self.rejected:,} of {self.rejected + kept:,} {unit} cannot be read;"
            f" the first is {first.where}{column}: {first.what}",
            hint="Correct the source, or check that it is what its name says.",
        )

    def fail(self, what: str, *, hint: str) -> LeptonError:
        """The error that ends this import; remembered, for streams hide what is raised in them."""
        self.failure = LeptonError(what, where=str(self.source), hint=hint)
        return self.failure
