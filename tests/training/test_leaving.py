"""Processes that trained together leave together, and none of them waits for one that is dead."""

import os
import time
from datetime import timedelta

import pytest
import torch
from torch import distributed, multiprocessing

from core.training import group

DEADLINE = 120


def leaves(rank, port, ends, within):
    """Join a group of two, tell of it, and do what is said: die, or leave and tell when."""
    group._LEAVES_WITHIN = timedelta(seconds=within)
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "TORCHELASTIC_RESTART_COUNT": "0"}
    torch.set_num_threads(1)
    together = group.Together(torch.device("cpu"))
    end = ends[rank]
    end.send(together.agreed(True))
    if end.recv() == "die":
        os._exit(1)
    asked = time.monotonic()
    together.leave()
    end.send((asked, time.monotonic()))
    assert end.recv() == "end"
    os._exit(0)


@pytest.fixture
def two():
    """Two processes that are together, and what each is told by; `within` bounds their waiting."""
    # torch's own launcher holds the store: no process of the group does.
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    context, made = multiprocessing.get_context("spawn"), []

    def begin(within):
        pipes = [context.Pipe() for _ in range(2)]
        ends = [theirs for _, theirs in pipes]
        for rank in range(2):
            made.append(context.Process(target=leaves, args=(rank, store.port, ends, within)))
            made[-1].start()
        for ours, _ in pipes:
            assert ours.poll(DEADLINE)
            assert ours.recv() == (True,)
        return made, [ours for ours, _ in pipes]

    yield begin
    for each in made:
        each.kill()
        each.join()


def said(pipe):
    assert pipe.poll(DEADLINE)
    return pipe.recv()


@pytest.mark.slow
def test_they_leave_together(two):
    processes, pipes = two(within=DEADLINE)
    pipes[0].send("leave")
    # Left alone it would be gone by then.
    assert not pipes[0].poll(0.5)
    pipes[1].send("leave")
    (_, first_left), (second_asked, _) = map(said, pipes)
    assert first_left > second_asked
    for process, pipe in zip(processes, pipes, strict=True):
        pipe.send("end")
        process.join(DEADLINE)
        assert process.exitcode == 0


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_is_dead_is_not_waited_for(two, rank):
    processes, pipes = two(within=10 * DEADLINE)
    pipes[1 - rank].send("die")
    processes[1 - rank].join(DEADLINE)
    pipes[rank].send("leave")
    assert said(pipes[rank])
    pipes[rank].send("end")
    processes[rank].join(DEADLINE)
    assert processes[rank].exitcode == 0


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_hangs_is_waited_for_a_while(two, rank):
    processes, pipes = two(within=0.5)
    pipes[rank].send("leave")
    asked, left = said(pipes[rank])
    assert left - asked < DEADLINE
    pipes[rank].send("end")
    processes[rank].join(DEADLINE)
    assert processes[rank].exitcode == 0
