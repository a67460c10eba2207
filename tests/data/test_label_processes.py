"""Labelling by several processes at once, and killed at any moment."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from contextlib import closing
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.labelling.labels import Labels, publish
from core.data.lake.journal import Entry
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import UsageError
from core.workspace import Workspace
from tests.killing import kill_amid, spawn

KILLS = 50
ROWS = 200
EACH = 60


def table() -> pa.Table:
    return pa.table({"x": list(range(ROWS)), "kind": ["none"] * ROWS})


def give_labels(home: Path, rows: range, author: str, start: Barrier) -> None:
    with Labels(Lake(Workspace.open(home)), "shared", "kind") as session:
        start.wait()
        for row in rows:
            session.add([Entry(row, f"{author} {row}")], author=author)


def label_before(home: Path, start: Barrier) -> None:
    """What a model says of all rows, in batches."""
    with Labels(Lake(Workspace.open(home)), "shared", "kind") as session:
        start.wait()
        for first in range(0, ROWS, 20):
            entries = [Entry(row, "guess", 0.5) for row in range(first, first + 20)]
            session.add(entries, source="model", author="net@1")


def publish_often(home: Path, done: Event, start: Barrier) -> None:
    lake = Lake(Workspace.open(home))
    start.wait()
    while not done.is_set():
        try:
            publish(lake, "shared")
        except UsageError:
            continue


def test_two_people_a_model_and_two_publishers_at_once(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path))
    lake.commit("shared", table(), op="import")
    start, done = spawn.Barrier(5), spawn.Event()
    labellers = [
        spawn.Process(target=give_labels, args=(tmp_path, range(EACH), "anna", start)),
        spawn.Process(target=give_labels, args=(tmp_path, range(EACH, 2 * EACH), "ben", start)),
        spawn.Process(target=label_before, args=(tmp_path, start)),
    ]
    publishers = [
        spawn.Process(target=publish_often, args=(tmp_path, done, start)) for _ in range(2)
    ]
    for process in (*labellers, *publishers):
        process.start()
    for process in labellers:
        process.join(120)
    done.set()
    for process in publishers:
        process.join(60)
    assert [each.exitcode for each in (*labellers, *publishers)] == [0] * 5
    if lake.labels.waiting(lake.version("shared")).labels:
        publish(lake, "shared")
    versions = lake.versions("shared")
    assert [each.n for each in versions] == list(range(len(versions), 0, -1))
    assert all(each.op == "label" and each.n > 1 for each in versions[:-1])
    people = [f"anna {row}" for row in range(EACH)] + [
        f"ben {row}" for row in range(EACH, 2 * EACH)
    ]
    assert cells(lake, versions[0]) == people + ["guess"] * (ROWS - 2 * EACH)


def cells(lake: Lake, version: Version) -> list[str]:
    with lake.open(version) as view:
        return [kind for (kind,) in view.sql("SELECT kind FROM rows ORDER BY _rid")]


def label_for_ever(home: Path, acknowledged: Path, ready: Event, published: Event) -> None:
    """A session as a person has it: labels, one or several at once; undo; now and then publish."""
    lake, dice = Lake(Workspace.open(home)), random.Random(os.getpid())
    number = 0
    with acknowledged.open("ab", buffering=0) as acks:
        while True:
            with Labels(lake, "victim", "kind") as session:
                for _ in range(4):
                    number += 1
                    rows = sorted(dice.sample(range(ROWS), dice.choice([1, 1, 12])))
                    value = f"{os.getpid()}.{number} of {len(rows)}"
                    session.add([Entry(row, value) for row in rows])
                    acks.write(json.dumps({"value": value, "rows": rows}).encode() + b"\n")
                    ready.set()
                undone = [label.id for label in lake.labels.undo(session.version, 2)]
                acks.write(json.dumps({"undone": undone}).encode() + b"\n")
            publish(lake, "victim")
            published.set()


def journal(lake: Lake) -> list[tuple[int, int, str | None, int | None]]:
    with closing(sqlite3.connect(lake.workspace.catalogue)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        return db.execute("SELECT id, row, value, undoes FROM label ORDER BY id").fetchall()


@pytest.mark.slow
def test_fifty_kills_in_the_middle_of_a_labelling_session(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path / "home"))
    lake.commit("victim", table(), op="import")
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    moments = random.Random(5)
    checked = undos = 0
    for kill in range(KILLS):
        ready, published = spawn.Event(), spawn.Event()
        # Every other session has published before it dies, however slow the machine is.
        kill_amid(
            label_for_ever,
            *(lake.workspace.home, acknowledged, ready, published),
            after=published if kill % 2 else ready,
            seconds=moments.uniform(0, 0.3),
        )
        events = journal(lake)
        said: dict[str, set[int]] = {}
        for _, row, value, undoes in events:
            if undoes is None:
                said.setdefault(str(value), set()).add(row)
        undone = {undoes for *_, undoes in events if undoes is not None}
        for line in acknowledged.read_text().splitlines():
            ack = json.loads(line)
            if "value" in ack:
                assert said[ack["value"]] == set(ack["rows"]), "what was acknowledged is there"
            else:
                assert undone >= set(ack["undone"])
                undos += len(ack["undone"])
        for value, rows in said.items():
            assert len(rows) == int(value.rpartition(" ")[2]), "labels given together are all there"
        standing = ["none"] * ROWS
        for number, row, value, undoes in events:
            if undoes is None and number not in undone:
                standing[row] = str(value)
        newest = lake.version("victim")
        shown = cells(lake, newest)
        for label in lake.labels.waiting(lake.version(newest)).labels:
            shown[label.row] = str(label.value)
        assert shown == standing, "published or waiting, each once"
        for version in lake.versions("victim"):
            if version.n > checked:
                lake.verify(version)
                assert version.rows == len(cells(lake, version)) == ROWS
        checked = newest.n
    assert checked > KILLS / 2, "a version for every other session at least"
    assert undos, "it was killed at its work, not before it"
    lake.commit("other", table(), op="import")
    assert list(lake.workspace.tmp.iterdir()) == [], "what killed sessions left is swept"
