"""Imports under the worst: kill -9 at any moment, a disk that takes no more, a stop."""

from __future__ import annotations

import multiprocessing as mp
import os
import random
import resource
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.sources import import_source, renew_source
from core.errors import LeptonError
from core.runs.store import Runs
from core.workspace import Workspace
from tests.data.conftest import state
from tests.killing import kill_amid, spawn

KILLS = 50
ROWS = 20_000


def write_csv(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("id,word,number\n")
        file.writelines(f"{i},word {i % 97},{i / 7:.5f}\n" for i in range(rows))


def import_for_ever(home: Path, folder: Path, ready: Event) -> None:
    lake = Lake(Workspace.open(home))
    import_source(lake, folder, "victim")
    day = 0
    ready.set()
    while True:
        day += 1
        write_csv(folder / f"{os.getpid()}-{day}.csv", ROWS)
        renew_source(lake, "victim")
        import_source(lake, folder / "first.csv", "other")


@pytest.mark.slow
def test_fifty_kills_in_the_middle_of_imports(tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    write_csv(folder / "first.csv", ROWS)
    lake = Lake(Workspace.open(tmp_path / "home"))
    moments = random.Random(3)
    for _ in range(KILLS):
        ready, given = spawn.Event(), (lake.workspace.home, folder)
        kill_amid(import_for_ever, *given, ready, after=ready, seconds=moments.uniform(0, 0.3))
        for version in (
            each for newest in lake.datasets() for each in lake.versions(newest.dataset)
        ):
            with lake.open(version) as view:
                found = view.sql("SELECT count(*), count(DISTINCT _rid), max(_rid) FROM rows")
            assert found == [(version.rows, version.rows, version.rows - 1)]
            assert version.rows % ROWS == 0, "no file is half in a version"
        for path in folder.glob("*-*.csv"):
            path.unlink()
        lake.verify("victim")
    lake.remove("other")
    import_source(lake, folder / "first.csv", "other")
    assert list(lake.workspace.tmp.iterdir()) == [], "what killed imports left is swept"


def import_on_a_full_disk(home: Path, source: Path, pipe: mp.connection.Connection) -> None:
    lake = Lake(Workspace.open(home))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        import_source(lake, source, "full")
    except LeptonError as error:
        pipe.send((error.what, error.hint))
    else:
        pipe.send(None)


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    write_csv(source, 100_000)
    lake = Lake(Workspace.open(tmp_path / "home"))
    import_source(lake, source, "there")
    before = state(lake)
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=import_on_a_full_disk, args=(lake.workspace.home, source, theirs)
    )
    process.start()
    assert ours.poll(120), "it neither hangs nor dies without a word"
    said = ours.recv()
    process.join()
    assert said is not None, "the limit was not met"
    what, hint = said
    assert "could not be written" in what
    assert "room" in hint
    assert state(lake) == before


def test_an_import_run_is_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    write_csv(source, 1_500_000)
    workspace = Workspace.open(tmp_path / "home")
    lake = Lake(workspace)
    before = state(lake)
    run = Runs(workspace).create("import", {"source": str(source), "name": "big"}, dataset="big")
    run.launch()
    for event in run.events(follow=True):
        if event["event"] == "step":
            break
    assert run.stop(wait=60).state == "stopped"
    assert state(lake) == before
