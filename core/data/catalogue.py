"""The lake's catalogue: a small SQLite file that says which Parquet files make which version.

Every write is one short `BEGIN IMMEDIATE` transaction, so writers queue for milliseconds and
readers are never blocked.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.atomic import sync_path
from core.errors import LeptonError, UsageError, nearest

SCHEMA = """
CREATE TABLE dataset (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    op TEXT NOT NULL,
    params TEXT NOT NULL,
    parents TEXT NOT NULL,
    rows INTEGER NOT NULL,
    columns TEXT NOT NULL,
    task TEXT, target TEXT, inputs TEXT,
    UNIQUE (dataset, n)
);
CREATE TABLE file (
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    provides TEXT,
    PRIMARY KEY (version, position)
);
CREATE INDEX file_sha256 ON file(sha256);
PRAGMA user_version = 1;
"""
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what its bytes are when they are media ("image")."""

    name: str
    type: str
    media: str | None = None


@dataclass(frozen=True)
class DataFile:
    """One immutable Parquet file: rows, or (`provides`) columns laid over them by `_rid`."""

    sha256: str
    bytes: int
    provides: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return f"{self.sha256}.parquet"


@dataclass(frozen=True)
class Version:
    """A numbered, immutable state of a data set, with the step that made it."""

    dataset: str
    n: int
    rows: int
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    op: str
    params: dict[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    created: str = ""
    task: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None

    @property
    def ref(self) -> str:
        return f"{self.dataset}@{self.n}"

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            UsageError: there is none; the hint names the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(
            f'no column "{name}"', where=self.ref, hint=nearest(name, self.column_names)
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.dataset,
            "version": self.n,
            "rows": self.rows,
            "columns": [column.name for column in self.columns],
            "bytes": self.bytes,
            "task": self.task,
            "target": self.target,
            "op": self.op,
            "params": self.params,
            "parents": list(self.parents),
            "created": self.created,
        }


class Catalogue:
    """Reads and writes the catalogue file; each call opens it briefly (0.2 ms)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed when the block ends well, else rolled back."""
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                _create(self.path)
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                self._refuse_other(connection)
                yield connection
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise LeptonError(
                f"the catalogue cannot be used: {error}",
                where=str(self.path),
                hint="Check that the disk has room and can be written: lepton doctor",
            ) from error

    def _refuse_other(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > SCHEMA_VERSION:
            raise LeptonError(
                f"the catalogue is of a newer Lepton (format {found}; this one reads "
                f"{SCHEMA_VERSION})",
                where=str(self.path),
                hint="Install that version, or name another workspace with --home.",
            )
        if found < SCHEMA_VERSION:
            raise LeptonError(
                "this is not a catalogue of Lepton, or it was cut short",
                where=str(self.path),
                hint="Restore it from a copy; without one, move it away and import again.",
            )

    def versions(self, dataset: str | None = None, *, n: int | None = None) -> list[Version]:
        """Versions by data set name, newest first; of every data set when none is named."""
        query = "SELECT v.*, d.name FROM version v JOIN dataset d ON d.id = v.dataset"
        with self.read() as db:
            db.row_factory = sqlite3.Row
            found = db.execute(
                query + " WHERE (?1 IS NULL OR d.name = ?1) AND (?2 IS NULL OR v.n = ?2)"
                " ORDER BY d.name, v.n DESC",
                (dataset, n),
            ).fetchall()
            files: dict[int, list[DataFile]] = {}
            for row in db.execute(
                "SELECT f.* FROM file f JOIN version v ON v.id = f.version"
                " JOIN dataset d ON d.id = v.dataset WHERE (?1 IS NULL OR d.name = ?1)"
                " ORDER BY f.version, f.position",
                (dataset,),
            ):
                provides = json.loads(row["provides"]) if row["provides"] else None
                files.setdefault(row["version"], []).append(
                    DataFile(row["sha256"], row["bytes"], tuple(provides) if provides else None)
                )
        return [_version(row, tuple(files.get(row["id"], ()))) for row in found]

    def names(self) -> list[str]:
        with self.read() as db:
            return [row[0] for row in db.execute("SELECT name FROM dataset ORDER BY name")]

    @staticmethod
    def insert(db: sqlite3.Connection, version: Version) -> int:
        """Give the version the next number of its data set, inside the caller's transaction."""
        db.execute("INSERT OR IGNORE INTO dataset (name) VALUES (?)", (version.dataset,))
        # A number is never given twice, so "name@3" in a run's record always means the same rows.
        dataset, n = db.execute(
            "UPDATE dataset SET last = last + 1 WHERE name = ? RETURNING id, last",
            (version.dataset,),
        ).fetchone()
        columns = [[column.name, column.type, column.media] for column in version.columns]
        row = db.execute(
            "INSERT INTO version"
            " (dataset, n, op, params, parents, rows, columns, task, target, inputs)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                dataset,
                n,
                version.op,
                json.dumps(version.params),
                json.dumps(version.parents),
                version.rows,
                json.dumps(columns),
                version.task,
                version.target,
                None if version.inputs is None else json.dumps(version.inputs),
            ),
        ).fetchone()
        db.executemany(
            "INSERT INTO file (version, position, sha256, bytes, provides) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    row[0],
                    i,
                    f.sha256,
                    f.bytes,
                    None if f.provides is None else json.dumps(f.provides),
                )
                for i, f in enumerate(version.files)
            ],
        )
        return int(n)

    @staticmethod
    def delete(db: sqlite3.Connection, dataset: str, n: int | None) -> None:
        """Forget one version, or the data set when `n` is None or no version is left."""
        db.execute(
            "DELETE FROM version WHERE (?2 IS NULL OR n = ?2)"
            " AND dataset = (SELECT id FROM dataset WHERE name = ?1)",
            (dataset, n),
        )
        db.execute(
            "DELETE FROM dataset WHERE name = ? AND id NOT IN (SELECT dataset FROM version)",
            (dataset,),
        )

    @staticmethod
    def note_task(db: sqlite3.Connection, version: Version) -> None:
        """Set what a version is for, inside the caller's transaction."""
        db.execute(
            "UPDATE version SET task = ?, target = ?, inputs = ? WHERE n = ?"
            " AND dataset = (SELECT id FROM dataset WHERE name = ?)",
            (
                version.task,
                version.target,
                None if version.inputs is None else json.dumps(version.inputs),
                version.n,
                version.dataset,
            ),
        )


def _create(path: Path) -> None:
    """Make the catalogue beside and rename it, one process at a time.

    SQLite does not wait for others when it turns to WAL (it answers "database is locked" at once),
    so nobody may open the file before it has.
    """
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            # WAL lets readers and a writer work at once; where the file system cannot do it, SQLite
            # says so by keeping its old mode, which is slower but as safe.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
        finally:
            connection.close()
        sync_path(beside)
        beside.rename(path)
        sync_path(path.parent)


def _version(row: sqlite3.Row, files: tuple[DataFile, ...]) -> Version:
    return Version(
        dataset=row["name"],
        n=row["n"],
        rows=row["rows"],
        columns=tuple(Column(*column) for column in json.loads(row["columns"])),
        files=files,
        op=row["op"],
        params=json.loads(row["params"]),
        parents=tuple(json.loads(row["parents"])),
        created=row["created"],
        task=row["task"],
        target=row["target"],
        inputs=None if row["inputs"] is None else tuple(json.loads(row["inputs"])),
    )
