"""The lake under several processes: racing writers, readers beside them, and kill -9."""

from __future__ import annotations

import random
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pyarrow as pa

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.killing import kill_amid, spawn

COMMITS = 12


def write(home: Path, writer: int, start: Barrier) -> None:
    lake = Lake(Workspace.open(home))
    start.wait()
    for i in range(COMMITS):
        rows = pa.table({"writer": [writer] * 100, "commit": [i] * 100})
        lake.commit("shared", rows, op=f"writer {writer}")


def read(home: Path, done: Event, start: Barrier) -> None:
    lake = Lake(Workspace.open(home))
    start.wait()
    newest = 0
    while not done.is_set():
        if not lake.datasets():
            continue
        version = lake.version("shared")
        assert version.n >= newest, "a reader went back in time"
        newest = version.n
        with lake.open(version) as view:
            ((rows, makers),) = view.sql("SELECT count(*), count(DISTINCT writer) FROM rows")
        assert (rows, makers) == (100, 1), "a reader saw a version in parts"


def test_four_writers_and_two_readers_at_the_same_moment(tmp_path: Path) -> None:
    start, done = spawn.Barrier(6), spawn.Event()
    writers = [spawn.Process(target=write, args=(tmp_path, w, start)) for w in range(4)]
    readers = [spawn.Process(target=read, args=(tmp_path, done, start)) for _ in range(2)]
    for process in (*writers, *readers):
        process.start()
    for process in writers:
        process.join(120)
    done.set()
    for process in readers:
        process.join(60)
    assert [p.exitcode for p in (*writers, *readers)] == [0] * 6
    versions = Lake(Workspace.open(tmp_path)).versions("shared")
    assert [v.n for v in versions] == list(range(4 * COMMITS, 0, -1))
    assert {v.op for v in versions} == {f"writer {w}" for w in range(4)}


def commit_for_ever(home: Path, ready: Event) -> None:
    lake = Lake(Workspace.open(home))
    size = 1000
    while True:
        size += 1
        lake.commit("victim", pa.table({"x": list(range(size))}), op="import")
        ready.set()


def test_kill_9_at_any_moment_leaves_the_last_version_whole(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path))
    moments = random.Random(7)
    for _ in range(6):
        ready = spawn.Event()
        kill_amid(commit_for_ever, tmp_path, ready, after=ready, seconds=moments.uniform(0, 0.08))
        for version in lake.versions("victim"):
            lake.verify(version)
            with lake.open(version) as view:
                assert view.sql("SELECT count(*), max(x) FROM rows") == [
                    (version.rows, version.rows - 1)
                ]
    lake.commit("victim", pa.table({"x": [1]}), op="import")
    assert list(lake.workspace.tmp.iterdir()) == [], "what killed writers left is swept"


def first_touch(home: Path, start: Barrier) -> None:
    start.wait()
    Lake(Workspace.open(home)).datasets()


def test_four_processes_may_create_the_catalogue_together(tmp_path: Path) -> None:
    for attempt in range(5):
        home = tmp_path / str(attempt)
        Workspace.open(home)
        start = spawn.Barrier(4)
        processes = [spawn.Process(target=first_touch, args=(home, start)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [p.exitcode for p in processes] == [0] * 4
