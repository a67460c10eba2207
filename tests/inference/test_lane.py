"""The line before a model: what waits is answered together, fairly, and within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Event, get_ident

import pytest

from core.errors import LeptonError, UsageError
from core.inference import lane as lane_module
from core.inference.faults import Busy
from core.inference.lane import Lane

PATIENCE = 30.0


class Model:
    """Doubles numbers; holds each batch until it is let go, and remembers what each had."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = Event()
        self.go = Event()

    def __call__(self, rows: Sequence[int]) -> list[int]:
        self.batches.append(list(rows))
        self.began.set()
        assert self.go.wait(PATIENCE)
        if -1 in rows:
            raise LeptonError("minus one")
        return [2 * row for row in rows]


@pytest.fixture
def model() -> Model:
    return Model()


def held(model: Model, lane: Lane[int, int]) -> Future[list[int]]:
    """A request that is at work: what comes after it waits."""
    first = lane.ask([0])
    assert model.began.wait(PATIENCE)
    return first


def test_what_waits_is_one_batch_and_each_gets_its_own(model: Model) -> None:
    lane = Lane(model, lambda: 8)
    asked = [held(model, lane), lane.ask([1, 2]), lane.ask([]), lane.ask([3])]
    assert lane.waiting == 3
    model.go.set()
    assert [each.result(PATIENCE) for each in asked] == [[0], [2, 4], [], [6]]
    assert model.batches == [[0], [1, 2, 3]]


def test_a_request_of_many_rows_lets_others_through(model: Model) -> None:
    lane = Lane(model, lambda: 4)
    held(model, lane)
    many, few = lane.ask(range(100, 110)), lane.ask([1])
    model.go.set()
    assert few.result(PATIENCE) == [2]
    assert many.result(PATIENCE) == [2 * row for row in range(100, 110)]
    assert model.batches[1:] == [[100, 101, 102, 103], [1, 104, 105, 106], [107, 108, 109]]


def test_who_takes_it_back_leaves_the_line_at_once(model: Model) -> None:
    lane = Lane(model, lambda: 8)
    first, gone, last = held(model, lane), lane.ask([1]), lane.ask([2])
    assert gone.cancel()
    assert first.cancel(), "even one that is at work"
    assert lane.waiting == 1
    model.go.set()
    assert last.result(PATIENCE) == [4]
    assert model.batches == [[0], [2]]


def test_a_full_line_says_so_and_one_that_leaves_makes_room(model: Model) -> None:
    lane = Lane(model, lambda: 8, bound=2)
    held(model, lane)
    waiting = lane.ask([1, 2])
    with pytest.raises(Busy, match="2 rows wait already") as caught:
        lane.ask([3])
    assert caught.value.seconds >= 1
    with pytest.raises(UsageError, match="3 rows at once"):
        lane.ask([1, 2, 3])
    waiting.cancel()
    later = lane.ask([4])
    model.go.set()
    assert later.result(PATIENCE) == [8]


def test_a_batch_that_fails_fails_its_own_requests_alone(model: Model) -> None:
    lane = Lane(model, lambda: 2)
    held(model, lane)
    bad, good = lane.ask([-1, 5, 6, 7]), lane.ask([1])
    model.go.set()
    assert good.result(PATIENCE) == [2]
    with pytest.raises(LeptonError, match="minus one"):
        bad.result(PATIENCE)
    assert lane.ask([9]).result(PATIENCE) == [18]


def test_the_thread_that_left_comes_back(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "IDLE_SECONDS", 0.0)
    model.go.set()
    lane = Lane(model, lambda: 8)
    for row in range(50):
        assert lane.ask([row]).result(PATIENCE) == [2 * row]


def test_an_idle_lane_whose_batches_are_quick_answers_on_the_spot() -> None:
    where: list[int] = []
    after: list[int] = []
    free = Event()

    def done() -> None:
        after.append(get_ident())
        free.set()

    def model(rows: Sequence[int]) -> list[int]:
        where.append(get_ident())
        return [2 * row for row in rows]

    lane = Lane(model, lambda: 8, after=done)
    assert lane.ask([1, 2], here=True).result(PATIENCE) == [2, 4]
    assert where[-1] != get_ident(), "nobody knows yet how long it takes"
    assert free.wait(PATIENCE)
    asked = lane.ask([3], here=True)
    assert asked.done()
    assert asked.result() == [6]
    assert where[-1] == get_ident()
    assert get_ident() not in after, "what comes after a batch may take a while"
    assert lane.ask([3], here=False).result(PATIENCE) == [6]
    assert where[-1] != get_ident()
    assert lane.ask([1, 2, 3], here=True).result(PATIENCE) == [2, 4, 6]
    assert where[-1] != get_ident(), "more rows than ever were quick"


def test_who_asks_a_busy_or_slow_lane_does_not_answer(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Lane(model, lambda: 8)
    model.go.set()
    assert lane.ask([1]).result(PATIENCE) == [2]
    model.go.clear()
    model.began.clear()
    first = held(model, lane)
    # Would wait for itself if it took the turn.
    second = lane.ask([1], here=True)
    assert not second.done()
    model.go.set()
    assert [first.result(PATIENCE), second.result(PATIENCE)] == [[0], [2]]
    monkeypatch.setattr(lane_module, "HERE_SECONDS", -1.0)
    model.go.clear()
    slow = lane.ask([1], here=True)
    assert not slow.done()
    model.go.set()
    assert slow.result(PATIENCE) == [2]


def test_what_fails_on_the_spot_fails_alone_and_the_lane_goes_on(model: Model) -> None:
    lane = Lane(model, lambda: 8)
    model.go.set()
    assert lane.ask([1]).result(PATIENCE) == [2]
    with pytest.raises(LeptonError, match="minus one"):
        lane.ask([-1], here=True).result(PATIENCE)
    assert lane.ask([1], here=True).result(PATIENCE) == [2]
    assert lane.ask([2]).result(PATIENCE) == [4]
