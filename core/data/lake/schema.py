"""The catalogue's tables, and what brings a file of an earlier format up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from core.atomic import sync_path
from core.errors import LeptonError
from core.flock import alone

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
    author TEXT NOT NULL DEFAULT '',
    origin TEXT NOT NULL DEFAULT '',
    labelled TEXT NOT NULL DEFAULT '{}',
    UNIQUE (dataset, n)
);
CREATE TABLE file (
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    provides TEXT,
    role TEXT NOT NULL DEFAULT 'rows',
    first INTEGER,
    PRIMARY KEY (version, position)
);
CREATE INDEX file_sha256 ON file(sha256);
"""
# What each later format of the catalogue added; an older one is brought up to date in place.
TAGS = """
CREATE TABLE tag (
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    PRIMARY KEY (dataset, name)
);
"""
CHECKS_OF_VERSIONS = """
CREATE TABLE quality (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    kind TEXT NOT NULL,
    score REAL,
    findings TEXT NOT NULL
);
CREATE INDEX quality_version ON quality(version);
"""
# Of a data set and not of its versions: the history outlives those that are collected as garbage.
CHECKS = """
CREATE TABLE quality (
    id INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    kind TEXT NOT NULL,
    score REAL,
    findings TEXT NOT NULL
);
CREATE INDEX quality_dataset ON quality(dataset);
"""
CHECKS_OUTLIVE_VERSIONS = f"""
ALTER TABLE quality RENAME TO quality_of_versions;
DROP INDEX quality_version;
{CHECKS}
INSERT INTO quality (id, dataset, n, time, kind, score, findings)
    SELECT q.id, v.dataset, v.n, q.time, q.kind, q.score, q.findings
    FROM quality_of_versions q JOIN version v ON v.id = q.version;
DROP TABLE quality_of_versions;
"""
# `origin` is what numbered a version's rows: the first file of the version its line began with.
# `labelled` says how far the journal of each column was laid over them: {column: id of a label}.
LABELS = """
CREATE TABLE label (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    origin TEXT NOT NULL,
    column TEXT NOT NULL,
    row INTEGER NOT NULL,
    value TEXT,
    author TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('human', 'model', 'rule')),
    score REAL,
    time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    undoes INTEGER REFERENCES label(id) ON DELETE CASCADE
);
CREATE INDEX label_cell ON label(dataset, origin, column, row);
CREATE UNIQUE INDEX label_undoes ON label(undoes) WHERE undoes IS NOT NULL;
"""
ORIGINS = """
ALTER TABLE version ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE version ADD COLUMN labelled TEXT NOT NULL DEFAULT '{}';
WITH RECURSIVE
named(id, dataset, ref, parents, sha256) AS (
    SELECT v.id, v.dataset, d.name || '@' || v.n, v.parents, f.sha256
    FROM version v JOIN dataset d ON d.id = v.dataset
    JOIN file f ON f.version = v.id AND f.position = 0
),
line(id, dataset, ref, origin) AS (
    SELECT id, dataset, ref, sha256 FROM named v WHERE NOT EXISTS (
        SELECT 1 FROM json_each(v.parents) p JOIN named q ON q.ref = p.value
        WHERE q.dataset = v.dataset)
    UNION
    SELECT v.id, v.dataset, v.ref, line.origin FROM line JOIN named v
    ON v.dataset = line.dataset AND line.ref IN (SELECT value FROM json_each(v.parents))
)
UPDATE version SET origin = (SELECT origin FROM line WHERE line.id = version.id);
"""
UPGRADES = {
    1: "ALTER TABLE version ADD COLUMN author TEXT NOT NULL DEFAULT '';"
    " ALTER TABLE file ADD COLUMN role TEXT NOT NULL DEFAULT 'rows';" + TAGS + CHECKS_OF_VERSIONS,
    2: "ALTER TABLE file ADD COLUMN first INTEGER;",
    3: ORIGINS + LABELS,
    4: CHECKS_OUTLIVE_VERSIONS,
}
SCHEMA_VERSION = 5


def make_current(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an earlier format up to date, in one transaction.

    Raises:
        LeptonError: the file is of a newer Lepton, or none of ours.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == SCHEMA_VERSION:
        return
    if found > SCHEMA_VERSION:
        raise LeptonError(
            f"the catalogue is of a newer Lepton (format {found}; this one reads {SCHEMA_VERSION})",
            where=str(path),
            hint="Install that version, or name another workspace with --home.",
        )
    if found not in UPGRADES:
        raise LeptonError(
            "this is not a catalogue of Lepton, or it was cut short",
            where=str(path),
            hint="Restore it from a copy; without one, move it away and import again.",
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been quicker, while we waited for the lock.
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        for step in range(found, SCHEMA_VERSION):
            for statement in filter(str.strip, UPGRADES[step].split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def create(path: Path) -> None:
    """Make the catalogue beside and rename it, one process at a time.

    SQLite does not wait for others when it turns to WAL (it answers "database is locked" at once),
    so nobody may open the file before it has.
    """
    with alone(path.with_suffix(".lock"), 0o666):
        if path.exists():
            return
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            # WAL lets readers and a writer work at once; where the file system cannot do it, SQLite
            # says so by keeping its old mode, which is slower but as safe.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA + TAGS + CHECKS + LABELS)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        finally:
            connection.close()
        sync_path(beside)
        beside.rename(path)
        sync_path(path.parent)
