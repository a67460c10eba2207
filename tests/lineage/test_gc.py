"""Garbage collection: what is referred to stays, whoever else is at work and whenever it dies."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pyarrow as pa
import pytest

from core.atomic import write_json
from core.data.lake.lake import Lake
from core.data.splitting.split import split
from core.errors import UsageError
from core.lineage.removal import age_of, collect_garbage
from core.runs.store import Runs
from core.workspace import Workspace
from tests.killing import kill_amid, spawn
from tests.lineage.conftest import model_of, run_of, versions

DAY = 24 * 3600


def left(lake: Lake, name: str = "things") -> list[int]:
    return [version.n for version in lake.versions(name)]


def whole(lake: Lake) -> None:
    """Every version there is can be read, and no file lies about that none uses."""
    used = set()
    for newest in lake.datasets():
        for version in lake.versions(newest.dataset):
            lake.verify(version)
            used |= {file.name for file in version.every_file}
    assert {path.name for path in lake.workspace.data.iterdir()} == used


def test_only_what_nothing_refers_to_goes(lake: Lake) -> None:
    made = versions(lake, 9)
    run_of(lake, made[0].ref, "running", "finished", settled=made[1].ref)
    run_of(lake, "things@3", "running", "failed")
    run_of(lake, "things@4", "running", "finished", kind="evaluate", dataset="things@4")
    run_of(lake, "things", "running", "finished", kind="import", dataset="things@6")
    model_of(lake, made[4])
    lake.tag(made[6], "best")
    planned = collect_garbage(lake.workspace, dry_run=True)
    assert left(lake) == list(range(9, 0, -1)), "a dry run removes nothing"
    freed = collect_garbage(lake.workspace)
    assert [v.ref for v in freed.versions] == ["things@8", "things@6"]
    assert freed == planned
    assert (freed.files, freed.bytes) == (2, made[7].bytes + made[5].bytes)
    assert left(lake) == [9, 7, 5, 4, 3, 2, 1]
    whole(lake)


def test_what_checks_found_outlives_the_versions(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, version in enumerate(versions(lake, 4)):
        lake.quality.note(version, "check", 90.0 + number, [{"severity": "error"}])
    lake.quality.note(lake.version("things"), "import", None, [])

    def told() -> list[tuple[str, float | None, bool]]:
        return [(each.ref, each.score, each.gone) for each in lake.quality.history("things")]

    newest = [("things@4", None, False), ("things@4", 93.0, False)]
    collect_garbage(lake.workspace, keep=2, dry_run=True)
    assert not any(gone for *_, gone in told())
    collect_garbage(lake.workspace, keep=2)
    gone = [("things@2", 91.0, True), ("things@1", 90.0, True)]
    assert told() == [*newest, ("things@3", 92.0, False), *gone]
    monkeypatch.setattr("core.data.lake.garbage.LONGEST_HISTORY", 4)
    collect_garbage(lake.workspace, keep=2)
    assert told() == [*newest, ("things@3", 92.0, False), gone[0]]
    monkeypatch.setattr("core.data.lake.garbage.LONGEST_HISTORY", 1)
    collect_garbage(lake.workspace, keep=2)
    assert told() == [*newest, ("things@3", 92.0, False)], "a version that is there keeps its own"
    lake.remove("things@3")
    assert told() == newest, "what a person removes is not spoken of any more"
    lake.remove("things")
    versions(lake, 1)
    assert told() == []


def test_keep_and_older_spare_versions(lake: Lake) -> None:
    versions(lake, 4)
    assert collect_garbage(lake.workspace, older=timedelta(hours=1)).versions == ()
    assert [v.n for v in collect_garbage(lake.workspace, keep=3).versions] == [1]
    assert left(lake) == [4, 3, 2]
    with pytest.raises(UsageError, match="0 versions cannot be kept"):
        collect_garbage(lake.workspace, keep=0)


def test_files_that_others_share_stay(lake: Lake) -> None:
    base = versions(lake, 1)[0]
    first = split(lake, base, seed=1)
    second = split(lake, first, seed=2)
    freed = collect_garbage(lake.workspace)
    assert [v.n for v in freed.versions] == [2, 1]
    assert freed.files == 0, "the newest reads the rows of the first and the overlay of the second"
    whole(lake)
    with lake.open(second) as view:
        assert view.splits() == second.params["rows"]


def test_a_living_run_keeps_what_it_may_have_made(lake: Lake) -> None:
    """Between the moment it splits and the moment it says so."""
    base = versions(lake, 1)[0]
    process = spawn.Process(
        target=hold_a_run, args=(lake.workspace.home, base.ref, ready := spawn.Event())
    )
    process.start()
    try:
        assert ready.wait(60)
        made = split(lake, base)
        lake.commit("things", pa.table({"x": [1]}), op="import")
        assert collect_garbage(lake.workspace).versions == ()
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    assert [v.ref for v in collect_garbage(lake.workspace).versions] == [made.ref]


def hold_a_run(home: Path, ref: str, ready: Event) -> None:
    from core.runs import lock
    from core.runs.events import EventWriter

    run = Runs(Workspace.open(home)).create("train", {"dataset": ref}, dataset=ref)
    held = lock.take(run.lock_path)
    assert held is not None
    lock.write_pid(held, os.getpid())
    with EventWriter(run.events_path) as events:
        events.write("state", state="running")
        ready.set()
        signal.pause()


def test_orphans_scratch_and_caches_go_when_they_are_nobodys(lake: Lake) -> None:
    workspace = lake.workspace
    kept = versions(lake, 1)[0]
    old, fresh = workspace.data / f"{'a' * 64}.parquet", workspace.data / f"{'b' * 64}.parquet"
    dead = spawn.Process(target=int)
    dead.start()
    dead.join()
    of_dead = workspace.tmp / f"{dead.pid}-x.compiling"
    of_dead.mkdir()
    (of_dead / "x.npy").write_bytes(b"12345")
    mine, stale = workspace.tmp / f"{os.getpid()}-y.parquet", workspace.tmp / "run.12345678"
    for path in (old, fresh, mine, stale):
        path.write_bytes(b"1234567890")
    for path in (old, stale):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    for name, ref in (("good", kept.ref), ("gone", "things@7"), ("unsaid", None)):
        (workspace.compiled / name).mkdir()
        of = {"version": ref, "files": [file.sha256 for file in kept.files]}
        meta = {"files": {}} | ({"of": of} if ref else {})
        (workspace.compiled / name / "meta.json").write_text(json.dumps(meta))
    planned = collect_garbage(workspace, dry_run=True)
    freed = collect_garbage(workspace)
    assert (freed.files, freed.scratch, freed.caches) == (1, 2, 2)
    assert freed == planned
    assert not old.exists()
    assert {path.name for path in workspace.tmp.iterdir()} == {mine.name}
    assert [path.name for path in workspace.compiled.iterdir()] == ["good"]
    assert fresh.exists(), "it may wait for its version to be entered"


def commit_the_same(home: Path, writer: int, start: Barrier) -> None:
    """The same bytes come and go: a file must not be removed just as it comes again."""
    lake = Lake(Workspace.open(home))
    start.wait()
    for i in range(25):
        rows = pa.table({"x": list(range(i % 3, i % 3 + 50))})
        made = lake.commit(f"of-{writer}", rows, op="import")
        lake.verify(made)
        with lake.open(made) as view:
            assert view.sql("SELECT count(*) FROM rows") == [(50,)]


def refer(home: Path, start: Barrier) -> None:
    """Write runs down for versions that are about to be removed."""
    lake = Lake(Workspace.open(home))
    start.wait()
    for i in range(20):
        made = lake.commit("wanted", pa.table({"x": [i]}), op="import")
        lake.commit("wanted", pa.table({"x": [-i - 1]}), op="import")
        try:
            with lake.held(made):
                run = Runs(lake.workspace).create("train", {}, dataset=made.ref)
                write_json(run.artifacts / "config.json", {"dataset": made.ref})
        except UsageError:
            continue


def collect(home: Path, done: Event, start: Barrier) -> None:
    workspace = Workspace.open(home)
    start.wait()
    while not done.is_set():
        collect_garbage(workspace)


@pytest.mark.slow
def test_collectors_beside_writers_lose_nothing(tmp_path: Path) -> None:
    start, done = spawn.Barrier(5), spawn.Event()
    writers = [spawn.Process(target=commit_the_same, args=(tmp_path, w, start)) for w in range(2)]
    writers.append(spawn.Process(target=refer, args=(tmp_path, start)))
    collectors = [spawn.Process(target=collect, args=(tmp_path, done, start)) for _ in range(2)]
    for process in (*writers, *collectors):
        process.start()
    for process in writers:
        process.join(300)
    done.set()
    for process in collectors:
        process.join(60)
    assert [p.exitcode for p in (*writers, *collectors)] == [0] * 5
    lake = Lake(Workspace.open(tmp_path))
    for run in Runs(lake.workspace).all():
        lake.verify(run.info["dataset"])
    collect_garbage(lake.workspace)
    assert (len(left(lake, "of-0")), len(left(lake, "of-1"))) == (1, 1)
    whole(lake)


def make_and_collect(home: Path, ready: Event) -> None:
    lake = Lake(Workspace.open(home))
    size = 100
    while True:
        size += 1
        lake.commit("victim", pa.table({"x": list(range(size))}), op="import")
        collect_garbage(lake.workspace)
        ready.set()


def test_kill_9_amid_a_collection_leaves_every_version_whole(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path))
    moments = random.Random(11)
    for _ in range(6):
        ready = spawn.Event()
        kill_amid(make_and_collect, tmp_path, ready, after=ready, seconds=moments.uniform(0, 0.1))
        for version in lake.versions("victim"):
            lake.verify(version)
    for path in lake.workspace.data.iterdir():
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    collect_garbage(lake.workspace)
    assert len(left(lake, "victim")) == 1
    whole(lake)
    assert list(lake.workspace.tmp.iterdir()) == []


def test_an_age_is_read_as_it_is_written() -> None:
    assert age_of("12h") == timedelta(hours=12)
    assert age_of("8w") == timedelta(weeks=8)
    for wrong in ("soon", "0d", "-3d", "999999999999w"):
        with pytest.raises(UsageError):
            age_of(wrong)
