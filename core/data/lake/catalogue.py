"""The lake's catalogue: a small SQLite file that says which Parquet files make which version.

Every write is one short `BEGIN IMMEDIATE` transaction, so writers queue for milliseconds and
readers are never blocked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.data.lake.schema import create, make_current
from core.data.lake.version import Column, DataFile, QualityNote, Version
from core.errors import LeptonError


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
                create(self.path)
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                make_current(connection, self.path)
                yield connection
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise LeptonError(
                f"the catalogue cannot be used: {error}",
                where=str(self.path),
                hint="Check that the disk has room and can be written: lepton doctor",
            ) from error

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
            rejects: dict[int, DataFile] = {}
            for row in db.execute(
                "SELECT f.* FROM file f JOIN version v ON v.id = f.version"
                " JOIN dataset d ON d.id = v.dataset WHERE (?1 IS NULL OR d.name = ?1)"
                " ORDER BY f.version, f.position",
                (dataset,),
            ):
                provides = json.loads(row["provides"]) if row["provides"] else None
                file = DataFile(
                    row["sha256"],
                    row["bytes"],
                    tuple(provides) if provides else None,
                    row["first"],
                )
                if row["role"] == "rejects":
                    rejects[row["version"]] = file
                else:
                    files.setdefault(row["version"], []).append(file)
            tags: dict[int, list[str]] = {}
            for version, name in db.execute("SELECT version, name FROM tag ORDER BY name"):
                tags.setdefault(version, []).append(name)
        return [
            replace(
                _version(row, tuple(files.get(row["id"], ()))),
                rejects=rejects.get(row["id"]),
                tags=tuple(tags.get(row["id"], ())),
            )
            for row in found
        ]

    def names(self) -> list[str]:
        with self.read() as db:
            return [row[0] for row in db.execute("SELECT name FROM dataset ORDER BY name")]

    @staticmethod
    def newest(db: sqlite3.Connection, dataset: str) -> int | None:
        """The number of the newest version there is, inside the caller's transaction."""
        (n,) = db.execute(
            "SELECT max(v.n) FROM version v JOIN dataset d ON d.id = v.dataset WHERE d.name = ?",
            (dataset,),
        ).fetchone()
        return None if n is None else int(n)

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
        origin, labelled = _line(db, dataset, version)
        row = db.execute(
            "INSERT INTO version (dataset, n, op, params, parents, rows, columns, task, target,"
            " inputs, author, origin, labelled)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
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
                version.author,
                origin,
                json.dumps(labelled),
            ),
        ).fetchone()
        files = [("rows", file) for file in version.files]
        files += [("rejects", version.rejects)] if version.rejects else []
        db.executemany(
            "INSERT INTO file (version, position, sha256, bytes, provides, role, first)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    row[0],
                    i,
                    f.sha256,
                    f.bytes,
                    None if f.provides is None else json.dumps(f.provides),
                    role,
                    f.first,
                )
                for i, (role, f) in enumerate(files)
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
        # Labels of rows that no version has any more.
        db.execute(
            "DELETE FROM label WHERE dataset = (SELECT id FROM dataset WHERE name = ?) AND origin"
            " NOT IN (SELECT v.origin FROM version v WHERE v.dataset = label.dataset)",
            (dataset,),
        )
        db.execute(
            "DELETE FROM dataset WHERE name = ? AND id NOT IN (SELECT dataset FROM version)",
            (dataset,),
        )

    @staticmethod
    def tag(db: sqlite3.Connection, version: Version, name: str) -> None:
        """Give a version a name of its own; a version that had it loses it."""
        db.execute(
            "INSERT OR REPLACE INTO tag (dataset, name, version) SELECT v.dataset, ?, v.id"
            " FROM version v JOIN dataset d ON d.id = v.dataset WHERE d.name = ? AND v.n = ?",
            (name, version.dataset, version.n),
        )

    @staticmethod
    def untag(db: sqlite3.Connection, dataset: str, name: str) -> None:
        db.execute(
            "DELETE FROM tag WHERE name = ? AND dataset = (SELECT id FROM dataset WHERE name = ?)",
            (name, dataset),
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

    @staticmethod
    def note_quality(db: sqlite3.Connection, version: Version, note: QualityNote) -> None:
        """Add to the history of a data set, unless the version is gone by now."""
        db.execute(
            "INSERT INTO quality (dataset, n, kind, score, findings)"
            " SELECT v.dataset, v.n, ?, ?, ?"
            " FROM version v JOIN dataset d ON d.id = v.dataset WHERE d.name = ? AND v.n = ?",
            (note.kind, note.score, json.dumps(note.findings), version.dataset, version.n),
        )

    def quality(self, dataset: str, limit: int) -> list[QualityNote]:
        """The newest entries of the history of a data set, newest first."""
        with self.read() as db:
            found = db.execute(
                "SELECT q.n, q.time, q.kind, q.score, q.findings, v.id IS NULL FROM quality q"
                " JOIN dataset d ON d.id = q.dataset"
                " LEFT JOIN version v ON v.dataset = q.dataset AND v.n = q.n"
                " WHERE d.name = ? ORDER BY q.id DESC LIMIT ?",
                (dataset, limit),
            ).fetchall()
        return [
            QualityNote(
                f"{dataset}@{n}", time, kind, score, tuple(json.loads(findings)), bool(gone)
            )
            for n, time, kind, score, findings, gone in found
        ]

    @staticmethod
    def forget_quality(db: sqlite3.Connection, dataset: str, n: int) -> None:
        """Take one version out of the history of its data set."""
        db.execute(
            "DELETE FROM quality WHERE n = ? AND dataset = (SELECT id FROM dataset WHERE name = ?)",
            (n, dataset),
        )

    @staticmethod
    def shorten_quality(db: sqlite3.Connection, most: int) -> None:
        """Of versions that are gone, keep what is among the newest `most` entries of a data set."""
        db.execute(
            "DELETE FROM quality WHERE id IN (SELECT id FROM (SELECT q.id, v.id AS version,"
            " row_number() OVER (PARTITION BY q.dataset ORDER BY q.id DESC) AS place FROM quality q"
            " LEFT JOIN version v ON v.dataset = q.dataset AND v.n = q.n)"
            " WHERE version IS NULL AND place > ?)",
            (most,),
        )


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
        author=row["author"],
        origin=row["origin"],
        labelled=json.loads(row["labelled"]),
    )


def _line(db: sqlite3.Connection, dataset: int, version: Version) -> tuple[str, dict[str, int]]:
    """What numbered the rows of a new version, and the labels it holds: as its parent's, if any."""
    if version.origin:
        return version.origin, version.labelled
    for parent in version.parents:
        name, _, n = parent.partition("@")
        if name == version.dataset and (
            found := db.execute(
                "SELECT origin, labelled FROM version WHERE dataset = ? AND n = ?", (dataset, n)
            ).fetchone()
        ):
            return found[0], json.loads(found[1])
    return version.files[0].sha256, {}
