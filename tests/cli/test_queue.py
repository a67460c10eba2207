"""The queue from a shell: trainings that wait for a device that another run has."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.data.builtin.samples import sample_data
from core.runs.queue import Queue
from core.runs.queue_devices import Devices
from core.runs.store import Runs
from core.workspace import Workspace
from tests.cli.conftest import SCRIPT, Shell
from tests.runs.conftest import until

BRIEF = ("--epochs", "1", "--device", "cpu", "--queue")


@pytest.fixture
def penguins(lepton: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lepton.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    source = sample_data() / "tabular" / "penguins.csv"
    assert lepton("data", "import", source, "--target", "species").code == 0
    yield lepton
    for run in Runs(Workspace(lepton.home)).all():
        if run.state().pid:
            run.stop(now=True)


@pytest.mark.slow
def test_trainings_wait_are_moved_lose_their_process_and_run_in_order(penguins: Shell) -> None:
    runs = Runs(Workspace(penguins.home))
    taken = Devices().take("cpu", runs.workspace.runs / "another")
    assert taken is not None
    first = penguins("train", "penguins", "--name", "first", *BRIEF, "-d", "--json").json
    assert (first["state"], first["place"]) == ("queued", 1)
    said = penguins("train", "penguins", "--name", "second", *BRIEF, "-d").out
    second = next(runs.newest("train"))
    assert said.splitlines()[0] == f"Queued {second.id}: number 2 in the queue for cpu."
    with subprocess.Popen(
        [SCRIPT, "train", "penguins", "--name", "third", *BRIEF],
        env=penguins.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as followed:
        line = followed.stdout.readline()
        assert line == "Waiting: number 3 in the queue for cpu.\n"
        third = next(runs.newest("train"))
        assert "place    3 in the queue" in penguins("runs", "show", third.id).out

        assert "at place 1" in penguins("runs", "queue", "move", third.id[-4:], "first").err
        listed = penguins("runs", "queue", "--json").json
        assert [each["id"] for each in listed] == [third.id, first["id"], second.id]
        assert list(listed[0]) == [
            *("place", "devices", "behind", "elsewhere", "together"),
            *("id", "kind", "dataset", "model", "pid", "created"),
        ]
        assert listed[1]["devices"] == ["cpu"]

        os.kill(second.state().pid, signal.SIGKILL)
        until(lambda: second.state().pid is None)
        again = penguins("runs", "queue")
        assert again.err == f"{second.id} had lost its process, and waits again.\n"
        assert again.out.splitlines()[3].split()[:2] == ["3", second.id[-4:]]

        os.close(taken)
        told = followed.communicate(timeout=120)[0]
    assert "Made the model third@1" in told
    ended = [run.wait(120) for run in (third, runs.get(first["id"]), second)]
    assert [each.state for each in ended] == ["finished"] * 3
    assert sorted(ended, key=lambda each: each.started) == ended
    empty = penguins("runs", "queue")
    assert (empty.out, empty.err) == ("", "No run waits.\n")


def test_only_who_waits_can_be_moved(lepton: Shell) -> None:
    runs = Runs(Workspace.open(lepton.home))
    waiting, over = (runs.create("train", {}) for _ in range(2))
    none = lepton("runs", "queue", "move", over.id, "first")
    assert (none.code, "No run waits." in none.err) == (2, True)
    Queue(runs.workspace).enter(waiting.id, ["cuda:1"])
    wrong = lepton("runs", "queue", "move", over.id[-4:], "first")
    assert wrong.code == 2
    assert f'no run "{over.id[-4:]}" waits' in wrong.err
    assert waiting.id in wrong.err
    assert over.id not in wrong.err


def test_the_list_says_for_what_each_run_waits(lepton: Shell, tmp_path: Path) -> None:
    lepton.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    runs, queue = Runs(Workspace.open(lepton.home)), Queue(Workspace.open(lepton.home))
    each = [runs.create("train", {}, dataset="d@1", model="m") for _ in range(4)]
    with ExitStack() as held:
        for run in each:
            held.enter_context(run._locked())
        queue.enter(each[0].id, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"], 4)
        queue.enter(each[1].id, ["cuda:0", "cuda:1"], 2)
        queue.enter(each[2].id, ["cuda:0", "cuda:1"])
        queue.enter(each[3].id, [])
        told = lepton("runs", "queue", "ls").out.splitlines()
    assert [line[line.index("m  ") + 3 :].rpartition("  ")[0].strip() for line in told[1:]] == [
        *("cuda:0 to cuda:3", "cuda:0 and cuda:1", "cuda:0 or cuda:1", "a device"),
    ]


def test_a_place_that_is_none_is_refused(lepton: Shell) -> None:
    for place in ("0", "-1", "top"):
        said = lepton("runs", "queue", "move", "--", "x", place)
        assert said.code == 2
        assert "first, last, or a number" in said.err
