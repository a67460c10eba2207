"""The desk an import works on: its scratch files and DuckDB, what it set aside, what it noticed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from core.data.engine import connect
from core.data.lake.rejected import REJECT_COLUMNS
from core.data.lake.rows_file import copy_rows
from core.data.lake.view import quoted
from core.data.sources.prints import Seen
from core.errors import Cancelled, LeptonError, UsageError
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` in bytes, rows or files; the total is 0 while not known."""


class Interruptible(Protocol):
    """A connection whose query under way can be ended from another thread."""

    def interrupt(self) -> None: ...


HELD = "held"
"""The table of rows that a recipe is to read."""
REJECTS_SHOWN = 100
LONGEST_VALUE = 200
WATCH_SECONDS = 0.1
PROGRESS_STEP = 20
_ROWS_AT_ONCE = 10_000


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
class Options:
    """What a person may say about a source beyond its format; each reader knows its own.

    `types` sets columns' types (`integer`, `number`, `text`, `date`, `timestamp`, `boolean`).
    `table` names a sheet of a workbook or a table of a database. `text_by` is `line`, `paragraph`
    or `file`. `labels` names a file that labels the files of a folder. `records` is where the JSON
    answers of an API hold theirs, and `next_page` how to get from one to the next. `most_bytes`
    bounds what is downloaded or unpacked.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    text_by: str = "line"
    labels: str | None = None
    records: str | None = None
    next_page: str | None = None
    most_bytes: int = 64 << 30

    def kept(self) -> dict[str, str]:
        """What the version must remember, so that the same source is read in the same way later."""
        return {name: getattr(self, name) for name in KEPT if getattr(self, name) != UNSAID[name]}

    def remembering(self, kept: Mapping[str, str]) -> Options:
        """These options, and what was said of the source before where nothing is said now."""
        before: dict[str, Any] = {
            name: kept[name] for name in KEPT if name in kept and name not in self.kept()
        }
        return replace(self, **before)


KEPT = ("table", "text_by", "labels", "records", "next_page")
UNSAID = {each.name: each.default for each in fields(Options)}


@dataclass(frozen=True)
class Arrived:
    """What a reader hands over: rows for the lake, and which columns hold media.

    `rows` is a query for the desk's DuckDB, a stream of Arrow batches, or a file that
    `Desk.write` has made. `media` says "image" or "audio" of a column of bytes. `in_order` says of
    rows that have a `_rid` that they come by it.
    """

    rows: str | pa.RecordBatchReader | Path
    columns: tuple[str, ...]
    media: dict[str, str] = field(default_factory=dict)
    in_order: bool = False


class NoRecordsError(UsageError):
    """The source is there, and holds no record now; where new ones are looked for, that is fine."""


class UnchangedError(LeptonError):
    """All files of the source lie as they came; nothing was fetched."""


class Desk:
    """Use as a context manager: whatever happens, no scratch file outlives it.

    `should_stop` is asked ten times a second; when it says yes, the query under way is interrupted
    and the next word of progress raises `Cancelled`. `read_often` says that a recipe will read the
    rows many times before they are kept. Files that are `seen` need not be fetched again.
    """

    def __init__(
        self,
        workspace: Workspace,
        source: Path | str,
        progress: Progress | None = None,
        *,
        options: Options | None = None,
        should_stop: Callable[[], bool] | None = None,
        read_often: bool = False,
        seen: Seen | None = None,
    ) -> None:
        self.workspace = workspace
        self.source = source
        self.options = options or Options()
        self.seen = seen or Seen()
        self.rejects: list[Reject] = []
        self.rejected = 0
        self.notes: list[str] = []
        self.failure: LeptonError | None = None
        self._tell: Progress = progress or (lambda done, total: None)
        self.should_stop = should_stop or (lambda: False)
        self.unpacked = 0
        self._read_often = read_often
        self._scratch: list[Path] = []
        self._names: dict[Path, str] = {}
        self._watched: list[Interruptible] = []
        self._interrupting = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._waiting: list[tuple[str, str, str, str | None, str | None]] = []
        self._closed = threading.Event()

    def __enter__(self) -> Desk:
        threading.Thread(target=self._watch, name="import", daemon=True).start()
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        self._closed.set()
        if isinstance(error, LeptonError):
            for path, name in self._names.items():
                error.place(error.where.replace(str(path), name))
        if self._connection is not None:
            with self._interrupting:
                self._connection.close()
        for path in self._scratch:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB that spills into the workspace."""
        if self._connection is None:
            self._connection = connect(self.workspace)
            # Watched for its progress, which is never printed.
            self._connection.execute("SET enable_progress_bar = true")
            self._connection.execute("SET enable_progress_bar_print = false")
            columns = ", ".join(f'"{name}" VARCHAR' for name in REJECT_COLUMNS)
            self._connection.execute(f"CREATE TABLE rejects ({columns})")
        return self._connection

    def write(self, query: str) -> tuple[Path, int]:
        """The rows of a query as a file of the lake that no version has yet, and their number."""
        path = self.scratch(".parquet")
        return path, copy_rows(self.connection, query, path)

    def read_once(self, query: str) -> tuple[Path | str, int]:
        """The rows of a query that is dear to run, as `Arrived` takes them, and their number."""
        if not self._read_often:
            return self.write(query)
        self.table(query)
        ((count,),) = self.connection.execute(f"SELECT count(*) FROM {HELD}").fetchall()
        return f"FROM {HELD}", count

    def table(self, query: str) -> str:
        """A table of the rows of a query, in DuckDB's memory; their places are its `rowid`.

        There is one such table: it holds what was asked for last.
        """
        if query != f"FROM {HELD}":
            # Not a temporary one: cursors of the connection have to see it.
            self.connection.execute(f"CREATE OR REPLACE TABLE {HELD} AS {query}")
        return HELD

    def clear(self) -> None:
        """Forget the tables of a file that was read beside the source."""
        made = self.connection.execute(
            "SELECT 'TABLE', table_name FROM duckdb_tables() WHERE temporary UNION ALL"
            " SELECT 'VIEW', view_name FROM duckdb_views() WHERE temporary AND NOT internal"
        ).fetchall()
        for kind, name in made:
            self.connection.execute(f"DROP {kind} {quoted(name)}")

    def scratch(self, suffix: str) -> Path:
        """A name for a temporary file; the lake sweeps it should this process be killed."""
        path = self.workspace.tmp / f"{os.getpid()}-{uuid4().hex}{suffix}"
        self._scratch.append(path)
        return path

    def scratch_folder(self) -> Path:
        """An empty temporary folder, swept in the same way."""
        folder = self.scratch("")
        folder.mkdir()
        return folder

    def stand_for(self, path: Path, name: str) -> None:
        """Let a scratch file or folder be called `name` in messages: what it was unpacked from."""
        self._names[path] = name

    def stands_in(self, path: Path) -> bool:
        """Whether a path is, or lies in, such a scratch file or folder."""
        return any(place in self._names for place in (path, *path.parents))

    def called(self, path: Path) -> str:
        """What a person calls a file: its path, or its place in the archive it came from."""
        for place in (path, *path.parents) if self._names else ():
            if name := self._names.get(place):
                return name if place == path else f"{name}/{path.relative_to(place)}"
        # A name that is no UTF-8 can be neither shown nor kept.
        return str(path).encode(errors="surrogateescape").decode(errors="replace")

    @contextmanager
    def watching(self, connection: Interruptible) -> Iterator[None]:
        """While it is in use, interrupt this connection too should the import be cancelled."""
        self._watched.append(connection)
        try:
            yield
        finally:
            with self._interrupting:
                self._watched.remove(connection)

    def progress(self, done: int, total: int) -> None:
        """Say how far the reading has come.

        Raises:
            Cancelled: somebody wants no more of it.
        """
        self.check()
        self._tell(done, total)

    def check(self) -> None:
        """Go on only if the import is still wanted.

        Raises:
            Cancelled: it is not.
        """
        if self.should_stop():
            self.failure = Cancelled("the import was cancelled; nothing was changed")
            raise self.failure

    def _watch(self) -> None:
        """Ask whether to stop, and tell how far DuckDB has come, in thousandths."""
        told = 0
        while not self._closed.wait(WATCH_SECONDS):
            if self._connection is not None:
                with self._interrupting:
                    if self._closed.is_set():
                        return
                    share = round(self._connection.query_progress() * 10)
                if 0 < share < 1000 and abs(share - told) >= PROGRESS_STEP:
                    told = share
                    self._tell(share, 1000)
            if self.should_stop():
                with self._interrupting:
                    if self._closed.is_set():
                        return
                    for connection in (self._connection, *self._watched):
                        if connection is not None:
                            connection.interrupt()

    def note(self, text: str) -> None:
        """Say something once, however many files it holds for."""
        if text not in self.notes:
            self.notes.append(text)

    def reject(
        self,
        where: str,
        what: str,
        *,
        column: str | None = None,
        value: str | None = None,
        file: Path | str | None = None,
    ) -> None:
        """Leave a row or file out: it is counted and goes into the table of rejects.

        `where` is its place in the file, such as `line 7`; `file` names one of several files.
        """
        shown = None if value is None else value[:LONGEST_VALUE]
        self._show(Reject(f"{file}, {where}" if file else where, what, column, shown))
        self.rejected += 1
        self._waiting.append((str(file or self.source), where, what, column, shown))
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._keep_waiting()

    def _show(self, reject: Reject) -> None:
        if len(self.rejects) < REJECTS_SHOWN:
            self.rejects.append(reject)

    def _keep_waiting(self) -> None:
        import pyarrow as pa

        if not self._waiting:
            return
        columns = zip(*self._waiting, strict=True)
        table = pa.table(
            {
                name: pa.array(values, pa.string())
                for name, values in zip(REJECT_COLUMNS, columns, strict=True)
            }
        )
        self._waiting = []
        # A cursor: the connection itself may be in the middle of a stream.
        with self.connection.cursor() as beside:
            beside.register("waiting", table)
            beside.execute("INSERT INTO rejects SELECT * FROM waiting")

    def rejected_rows(self) -> pa.Table | None:
        """Everything that was left out, as (file, position, reason, column, value); None: nothing.

        The table of rejects goes beside the version, so a person can look at it in peace.
        """
        if not self.rejected:
            return None
        self._keep_waiting()
        return self.connection.sql("SELECT * FROM rejects").to_arrow_table()

    def judge(self, kept: int, unit: str, earlier: int = 0) -> None:
        """Refuse a source of which less than half could be used.

        Of what was left out, the `earlier` ones were something else and do not count.

        Raises:
            LeptonError: more was left out than kept.
        """
        rejected = self.rejected - earlier
        if rejected <= kept:
            return
        first = self.rejects[min(earlier, len(self.rejects) - 1)]
        column = f", column {first.column}" if first.column else ""
        raise self.fail(
            f"{rejected:,} of {rejected + kept:,} {unit} cannot be read;"
            f" the first is {first.where}{column}: {first.what}",
            hint="Correct the source, or check that it is what its name says.",
        )

    def fail(self, what: str, *, hint: str, where: Sequence[str] = ()) -> LeptonError:
        """The error that ends this import; remembered, for streams hide what is raised in them."""
        place = ", ".join((str(self.source), *where))
        self.failure = LeptonError(what, where=place, hint=hint)
        return self.failure
