"""What events amount to."""

from core.runs.history import RunHistory, history


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
    assert told.series["loss"] == ([1, 2], [0.9, 0.8])
    assert told.series["lr"] == ([1, 2], [0.1, 0.2])
    assert told.series["val/accuracy"] == ([2], [0.5])
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
    assert told.series["loss"].steps == [1, 2, 3, 4]
    assert told.series["val/accuracy"] == ([3], [0.3])
    assert (told.step, told.epoch, told.checkpoints) == (4, 2, [])
    assert told.metrics["val/accuracy"] == 0.3
    told.feed(at(5, loss=50.0))
    assert told.series["loss"] == ([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 50.0])


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
