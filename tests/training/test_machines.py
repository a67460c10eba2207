"""Training by several machines: the weights of one, whichever process or machine is lost."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
import torch

from core.ingest import ingest
from core.models.registry import Models
from core.runs.run import Run
from core.runs.store import Runs
from core.training.config import TrainConfig
from core.workspace import Workspace
from tests.training.conftest import SAMPLES
from tests.training.test_group import DEADLINE, STEADY, after, member, published, train, weights

__all__ = ["train"]


def loopback(folder):
    """Two machines that are both this one: the address where they meet, and how each starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield f"127.0.0.1:{port}", (Run.launch, Run.launch)


def namespaces(folder):
    """Two machines with networks of their own and a cable between them."""
    names = [f"lepton-{os.getpid()}-{number}" for number in (0, 1)]

    def ip(*words):
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def starts(name):
        code = "import sys; from core.runs.store import *; from core.workspace import *"
        code += "; Runs(Workspace.open(sys.argv[1])).get(sys.argv[2]).launch()"

        def start(run, hides=None):
            here = [sys.executable, "-c", code, str(run.workspace.home), run.id]
            if hides is not None:
                # What `ip netns exec` starts has mounts of its own too.
                here = ["sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hides), *here]
            ip("netns", "exec", name, *here)

        return start

    try:
        for name in names:
            ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system gives no network namespaces to this person")
    try:
        ends = [f"lep{os.getpid()}{side}" for side in "ab"]
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            for each in (end, "lo"):
                ip("-n", name, "link", "set", each, "up")
        yield "10.77.0.1:29500", [starts(name) for name in names]
    finally:
        for name in names:
            ip("netns", "del", name)


@pytest.fixture(params=[loopback, namespaces])
def machines(request, tmp_path):
    """The runs of two machines with homes of their own, and how each is started."""
    made = request.param(tmp_path)
    meeting, starts = next(made)
    yield lambda **settings: [host(tmp_path, at, meeting, **settings) for at in (0, 1)], starts
    next(made, None)


def host(folder, number, meeting, **settings):
    """A run in a home of its own, into which the same rows were brought."""
    home = Workspace.open(folder / f"host{number}")
    ingest(home, str(SAMPLES / "tabular" / "penguins.csv"), "penguins", target="species")
    settings |= {"nodes": 2, "node_rank": number, "rendezvous": meeting, "name": "together"}
    config = TrainConfig.from_mapping(
        {"dataset": "penguins", "device": "cpu", "threads": 1, **STEADY, **settings}
    )
    return Runs(home).create("train", config.to_json())


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True], ids=["whole", "in-parts"])
def test_two_machines_end_with_the_weights_of_one(train, penguins, machines, shard):
    """Stopped by a word to the second, they both go on."""
    expected = weights(train("penguins", name="alone", **STEADY))
    made, starts = machines
    first, second = made(shard=shard)
    for run, start in zip((first, second), starts, strict=True):
        start(run)
    after(first, "checkpoint", 40)
    second.stop(wait=0)
    assert [run.wait(DEADLINE).state for run in (first, second)] == ["stopped", "stopped"]
    # The disk of the first is one that both see, and each has written its parts there.
    parts = {path.name.split("_")[2] for path in first.checkpoints.glob("*/shards/*.distcp")}
    assert parts == ({"0", "1"} if shard else set())
    assert not [*second.checkpoints.iterdir(), *first.checkpoints.glob(".seen*")]
    starts[1](second)
    starts[0](first)
    assert second.wait(DEADLINE).state == "finished", second.log_tail()
    torch.testing.assert_close(published(first), expected, rtol=1e-2, atol=1e-3)
    assert any(event["event"] == "resumed" for event in first.events())
    # The first keeps the record and the model.
    assert not any(event["event"] == "step" for event in second.events())
    assert not Models(second.workspace).list()


@pytest.mark.slow
def test_machines_without_a_disk_in_common_say_so(tmp_path):
    """The second machine has a disk of its own where the first one keeps its checkpoints."""
    made = namespaces(tmp_path)
    meeting, starts = next(made)
    first, second = (host(tmp_path, number, meeting, shard=True) for number in (0, 1))
    starts[0](first)
    starts[1](second, hides=first.workspace.home)
    for run in (first, second):
        state = run.wait(DEADLINE)
        assert state.state == "failed"
        assert "the parts of the model have no place in common" in state.error["what"]
        assert state.error["where"] == str(first.checkpoints)
    assert not [*first.checkpoints.iterdir()]
    next(made, None)


def start(runs, starts):
    for run, launch in zip(runs, starts, strict=True):
        launch(run)


def kill(run):
    os.kill(run.state().pid, signal.SIGKILL)
    assert run.wait(DEADLINE).state == "interrupted"


@pytest.mark.slow
def test_processes_killed_on_either_machine_put_their_parts_together_again(
    train, penguins, machines
):
    expected = weights(train("penguins", name="alone", **STEADY))
    made, starts = machines
    first, second = runs = made(shard=True)
    start(runs, starts)
    kept = after(first, "checkpoint", 40)["step"]
    member(second, 1).send_signal(signal.SIGKILL)
    resumed = after(first, "resumed")["step"]
    assert resumed >= kept
    assert after(first, "log", says="once every machine is there (1 of 3 times)")
    kept = after(first, "checkpoint", resumed + 40)["step"]
    member(first, 0).send_signal(signal.SIGKILL)
    assert after(first, "resumed", kept)
    assert second.wait(DEADLINE).state == "finished", second.log_tail()
    torch.testing.assert_close(published(first), expected, rtol=1e-2, atol=1e-3)


@pytest.fixture
def two(tmp_path):
    """Runs of two machines that are both this one; what starts them."""
    ((meeting, starts),) = loopback(tmp_path)
    return lambda **settings: [host(tmp_path, at, meeting, **settings) for at in (0, 1)], starts


@pytest.mark.slow
def test_a_machine_that_is_lost_is_waited_for_and_told(train, penguins, two):
    expected = weights(train("penguins", name="alone", **STEADY))
    made, starts = two
    first, second = runs = made(shard=True)
    start(runs, starts)
    after(first, "checkpoint", 40)
    kill(second)
    after(first, "log", says="once every machine is there (1 of 3 times)")
    # It comes back, and they go on.
    starts[1](second)
    kept = after(first, "checkpoint", after(first, "resumed")["step"] + 40)["step"]
    # It does not, and the other one is stopped while it waits.
    kill(second)
    after(first, "log", says="(2 of 3 times)")
    assert first.stop(wait=DEADLINE).state == "stopped", first.log_tail()
    start(runs, starts)
    kept = after(first, "resumed", kept)["step"]
    # The one that keeps the record is lost.
    after(first, "checkpoint", kept + 40)
    kill(first)
    state = second.wait(DEADLINE)
    assert state.state == "failed"
    assert "machine 0 of the training is gone" in state.error["what"]
    assert "every machine" in state.error["hint"]
    start(runs, starts)
    assert second.wait(DEADLINE).state == "finished", second.log_tail()
    torch.testing.assert_close(published(first), expected, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_a_process_killed_before_all_are_together_is_survived(two):
    """Else its machine would wait at another start than the other one."""
    made, starts = two
    first, second = runs = made(epochs=1)
    start(runs, starts)
    while not (found := psutil.Process(second.state().pid).children()):
        time.sleep(0.02)
    found[0].send_signal(signal.SIGKILL)
    assert first.wait(DEADLINE).state == "finished", first.log_tail()
    assert second.wait(DEADLINE).state == "finished", second.log_tail()
