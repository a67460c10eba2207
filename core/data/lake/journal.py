"""The journal of labels in the catalogue: only ever added to, by as many as there are.

An undo is an event as well, so nothing that somebody said is rewritten or lost. What holds for a
cell is the last thing a person said of it; where none did, the last that a rule or a model said.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

from core.data.lake.version import Version
from core.errors import UsageError

Source = Literal["human", "model", "rule"]
SOURCES: tuple[str, ...] = get_args(Source)

_EVENT = "id, row, column, value, author, source, score, time"
_STANDING = (
    "FROM label e WHERE dataset = (SELECT id FROM dataset WHERE name = :name) AND origin = :origin"
    " AND undoes IS NULL AND NOT EXISTS (SELECT 1 FROM label u WHERE u.undoes = e.id)"
)
# What holds for each cell of a column, if it is newer than what is published. SQLite takes the
# other fields of a group from the event that has the maximum.
_HOLDING = (
    f"FROM (SELECT {_EVENT}, max((source = 'human') << 62 | id) {_STANDING} AND column = :column"
    " AND (:published = 0 OR row IN (SELECT row FROM label WHERE column = :column"
    " AND dataset = (SELECT id FROM dataset WHERE name = :name) AND origin = :origin"
    " AND id > :published)) GROUP BY row) WHERE id > :published"
)


class Label(NamedTuple):
    """What was said of one cell; a `value` of None takes the label of the row away."""

    id: int
    row: int
    column: str
    value: str | None
    author: str
    source: Source
    score: float | None
    time: str

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


class Entry(NamedTuple):
    """A label to be added: the row's `_rid`, the value as text, how sure its source is (0 to 1)."""

    row: int
    value: str | None
    score: float | None = None


@dataclass(frozen=True)
class Waiting:
    """Labels that wait to be published, and the last event of each column when they were read."""

    labels: list[Label]
    upto: dict[str, int]


def append(
    db: sqlite3.Connection,
    version: Version,
    column: str,
    entries: Iterable[Entry],
    *,
    author: str,
    source: Source,
) -> None:
    """Write labels down, inside the caller's transaction.

    Raises:
        UsageError: no version has these rows any more.
    """
    dataset = db.execute(
        "SELECT d.id FROM dataset d JOIN version v ON v.dataset = d.id"
        " WHERE d.name = ? AND v.origin = ? LIMIT 1",
        (version.dataset, version.origin),
    ).fetchone()
    if dataset is None:
        raise UsageError(
            f"{version.ref} was removed in the meantime", hint="See what there is: lepton data ls"
        )
    db.executemany(
        "INSERT INTO label (dataset, origin, column, row, value, score, author, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((*dataset, version.origin, column, *entry, author, source) for entry in entries),
    )


def undo(
    db: sqlite3.Connection,
    version: Version,
    count: int,
    *,
    column: str | None,
    author: str,
    source: Source,
) -> list[Label]:
    """Take back the last labels of this author that no version holds yet; newest first."""
    newest = db.execute(
        "SELECT labelled FROM version WHERE origin = :origin"
        " AND dataset = (SELECT id FROM dataset WHERE name = :name) ORDER BY n DESC LIMIT 1",
        _of(version),
    ).fetchone()
    published = json.loads(newest[0]) if newest else {}
    given = db.execute(
        f"SELECT {_EVENT} {_STANDING} AND author = :author AND source = :source"
        " AND (:column IS NULL OR column = :column) ORDER BY id DESC",
        _of(version) | {"author": author, "source": source, "column": column},
    )
    waits = (
        label for label in map(Label._make, given) if label.id > published.get(label.column, 0)
    )
    last = list(islice(waits, count))
    db.executemany(
        "INSERT INTO label (dataset, origin, column, row, author, source, undoes)"
        " SELECT dataset, origin, column, row, author, source, id FROM label WHERE id = ?",
        [(label.id,) for label in last],
    )
    return last


def waiting(db: sqlite3.Connection, version: Version, column: str | None = None) -> Waiting:
    """What holds for a version's rows and is not in it yet, by column and row."""
    labels: list[Label] = []
    upto: dict[str, int] = {}
    # One transaction, so that the labels are those up to the ids.
    db.execute("BEGIN")
    for name, said in _columns(db, version, column):
        found = db.execute(f"SELECT {_EVENT} {_HOLDING} ORDER BY row", said).fetchall()
        if found:
            labels += map(Label._make, found)
            (upto[name],) = db.execute(
                "SELECT max(id) FROM label WHERE origin = :origin AND column = :column"
                " AND dataset = (SELECT id FROM dataset WHERE name = :name)",
                said,
            ).fetchone()
    db.execute("COMMIT")
    return Waiting(labels, upto)


def counts(db: sqlite3.Connection, version: Version) -> dict[str, int]:
    """How many labels wait for each column; those that have none are left out."""
    found = {
        name: int(db.execute(f"SELECT count(*) {_HOLDING}", said).fetchone()[0])
        for name, said in _columns(db, version, None)
    }
    return {name: count for name, count in found.items() if count}


def values(db: sqlite3.Connection, version: Version, column: str) -> set[str]:
    """The different labels that wait for a column."""
    return {
        value
        for _, said in _columns(db, version, column)
        for (value,) in db.execute(f"SELECT DISTINCT value {_HOLDING}", said)
        if value is not None
    }


def taken_back(db: sqlite3.Connection, version: Version, upto: Mapping[str, int]) -> bool:
    """Whether one of the labels up to these ids was taken back after they were read."""
    return any(
        db.execute(
            "SELECT 1 FROM label WHERE origin = ?1 AND column = ?2 AND id > ?3 AND undoes <= ?3"
            " AND dataset = (SELECT id FROM dataset WHERE name = ?4) LIMIT 1",
            (version.origin, column, last, version.dataset),
        ).fetchone()
        for column, last in upto.items()
    )


def _columns(
    db: sqlite3.Connection, version: Version, column: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """The columns that were labelled (or the one that is named), and what `_HOLDING` asks for."""
    names = db.execute(
        "SELECT DISTINCT column FROM label WHERE origin = :origin"
        " AND dataset = (SELECT id FROM dataset WHERE name = :name) ORDER BY 1",
        _of(version),
    ).fetchall()
    return [
        (name, _of(version) | {"column": name, "published": version.labelled.get(name, 0)})
        for (name,) in names
        if column in (None, name)
    ]


def _of(version: Version) -> dict[str, Any]:
    return {"name": version.dataset, "origin": version.origin}
