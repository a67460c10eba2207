"""What events amount to."""

from core.runs.history import RunHistory, history


def curve(told: RunHistory, name: str) -> tuple[list[float], list[float]]:
    points = told.series[name].points()
    return points.steps.tolist(), points.mean.tolist()


def at(step: int, **fields: object) -> dict:
    return {"time": float(step), "event": "step", "step": step, "epoch": 1, **fields}


def epoch(step: int, number: int, accuracy: float) -> dict:
    metrics = {"train/loss": 1.0 / step, "val/accuracy": accuracy}
    return {"time": 9.0, "event": "epoch", "step": step, "epoch": number, "metrics": metrics}


def test_curves_come_from_steps_and_epochs() -> None:
    told = history(
        [
            {"time": 1.0, "event": "state", "state": "queued", "log": 0},
            {"time": 2.0, "event": "state", "state": "running", "pid": 1},
            {"time": 3.0, "event": "plan", "steps": 4, "epochs": 2},
            at(1, loss=0.9, lr=0.1, examples_per_second=10.0),
            at(2, loss=0.8, lr=0.2, examples_per_second=20.0),
            epoch(2, 1, 0.5),
            {"time": 4.0, "event": "checkpoint", "step": 2, "path": "checkpoints/2", "best": True},
            {"time": 5.0, "event": "log", "text": "warm"},
            {"time": 5.0, "event": "from a later version"},
        ]
    )
    assert curve(told, "loss") == ([1, 2], [0.9, 0.8])
    assert curve(told, "lr") == ([1, 2], [0.1, 0.2])
    assert curve(told, "val/accuracy") == ([2], [0.5])
    assert (told.state, told.step, told.epoch, told.started) == ("running", 2, 1, 2.0)
    assert (told.plan["steps"], told.examples_per_second, told.logs) == (4, 20.0, ["warm"])
    assert told.metrics == {"train/loss": 0.5, "val/accuracy": 0.5}
    assert told.checkpoints[0]["best"] is True


def test_a_resumed_run_takes_back_what_came_after_its_step() -> None:
    told = history([at(step, loss=float(step)) for step in range(1, 8)])
    for event in (epoch(3, 1, 0.3), epoch(6, 2, 0.6)):
        told.feed(event)
    told.feed({"time": 1.0, "event": "checkpoint", "step": 6, "path": "x", "best": True})
    told.feed({"time": 1.0, "event": "resumed", "step": 4, "epoch": 2})
    assert curve(told, "loss")[0] == [1, 2, 3, 4]
    assert curve(told, "val/accuracy") == ([3], [0.3])
    assert (told.step, told.epoch, told.checkpoints) == (4, 2, [])
    assert told.metrics["val/accuracy"] == 0.3
    told.feed(at(5, loss=50.0))
    assert curve(told, "loss") == ([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 50.0])


def test_the_end_and_its_reason() -> None:
    told = RunHistory()
    error = {"what": "w", "where": "", "hint": "h"}
    told.feed({"time": 7.0, "event": "state", "state": "failed", "error": error})
    assert (told.state, told.error, told.ended) == ("failed", error, 7.0)
    told.feed({"time": 8.0, "event": "state", "state": "queued", "log": 9})
    told.feed({"time": 9.0, "event": "state", "state": "running", "pid": 2})
    assert (told.state, told.error, told.ended) == ("running", None, None)
    told.feed({"time": 10.0, "event": "state", "state": "stopping"})
    assert (told.state, told.stopping) == ("running", True)
    told.feed({"time": 11.0, "event": "result", "metrics": {"accuracy": 1.0}})
    told.feed({"time": 12.0, "event": "state", "state": "finished"})
    assert (told.state, told.stopping, told.metrics) == ("finished", False, {"accuracy": 1.0})


def test_work_is_counted_from_process_to_process_and_what_is_left_at_the_newest_pace() -> None:
    told = history(
        [
            {"time": 10.0, "event": "state", "state": "queued", "log": 0},
            {"time": 20.0, "event": "state", "state": "running", "pid": 1},
            {"time": 20.0, "event": "plan", "steps": 100},
            {**at(1), "time": 21.0},
            {**at(11), "time": 26.0},
            # Killed here; resumed much later.
            {"time": 500.0, "event": "state", "state": "queued", "log": 0},
            {"time": 500.0, "event": "state", "state": "running", "pid": 2},
            {"time": 501.0, "event": "resumed", "step": 10, "epoch": 1},
            {**at(20), "time": 502.0},
        ]
    )
    assert told.elapsed() == 6.0 + 2.0
    assert told.elapsed(now=510.0) == 6.0 + 10.0
    assert told.remaining() is None
    told.feed({**at(30), "time": 503.0})
    assert told.remaining() == 70 / 10
    told.feed({"time": 504.0, "event": "state", "state": "stopped"})
    assert told.elapsed(now=999.0) == 6.0 + 4.0


def test_a_run_that_tells_much_is_remembered_by_its_end() -> None:
    told = RunHistory()
    for step in range(2500):
        told.feed({"time": 1.0, "event": "log", "text": str(step)})
    assert 1000 <= len(told.logs) <= 2000
    assert told.logs[-1] == "2499"
