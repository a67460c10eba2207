"""What a person asks of a training while it runs."""

import pytest

from core.errors import UsageError
from core.runs.events import EventWriter
from core.runs.requests import Requests, ask
from core.runs.store import Runs
from core.training.start import start_training

DEADLINE = 300


def wait_for(run, name, **wanted):
    for event in run.events(follow=True):
        if event["event"] == name and wanted.items() <= event.items():
            return event
    raise AssertionError(run.log_tail())


def test_a_running_training_takes_another_rate_and_saves_when_asked(workspace, penguins):
    run = start_training(
        workspace,
        {
            "dataset": "penguins",
            "epochs": 100_000,
            "schedule": "constant",
            "warmup": 0,
            "threads": 1,
        },
    )
    wait_for(run, "step")
    ask(run, lr=1e-4)
    ask(run, checkpoint=True)
    changed = wait_for(run, "obeyed", request=0)
    assert changed["lr"] == 1e-4
    saved = wait_for(run, "obeyed", request=1)
    assert wait_for(run, "checkpoint", step=saved["step"])
    assert wait_for(run, "step", lr=1e-4)["step"] > changed["step"]
    run.stop(wait=DEADLINE)
    # It keeps to that after a pause, and asks nothing twice.
    run.launch()
    resumed = wait_for(run, "resumed")
    events = iter(run.events(follow=True))
    later = next(e for e in events if e["event"] == "step" and e["step"] > resumed["step"])
    assert later["lr"] == 1e-4
    run.stop(wait=DEADLINE)
    assert len([event for event in run.events() if event["event"] == "obeyed"]) == 2


def test_only_a_training_that_runs_takes_requests(workspace, penguins):
    stopped = Runs(workspace).create("train", {"dataset": "penguins"})
    with pytest.raises(UsageError, match="is queued"):
        ask(stopped, lr=1.0)
    other = Runs(workspace).create("import", {})
    with pytest.raises(UsageError, match="is no training"):
        ask(other, checkpoint=True)


def test_a_line_that_is_not_whole_yet_waits_and_a_broken_one_is_left_out(tmp_path):
    requests = Requests(tmp_path)
    assert requests.new() == []
    file = tmp_path / "requests.jsonl"
    file.write_bytes(b'{"lr": 0.1}\nnonsense\n{"checkpo')
    assert requests.new() == [(0, {"lr": 0.1})]
    file.write_bytes(b'{"lr": 0.1}\nnonsense\n{"checkpoint": true}\n')
    assert requests.new() == [(2, {"checkpoint": True})]
    assert requests.new() == []


def test_what_was_met_is_known_from_the_events(tmp_path):
    with EventWriter(tmp_path / "events.jsonl") as events:
        events.write("obeyed", request=0, step=40, lr=0.5)
    (tmp_path / "requests.jsonl").write_bytes(b'{"lr": 0.5}\n{"lr": 0.25}\n')
    known = [{"event": "obeyed", "request": 0, "step": 40, "lr": 0.5}]
    requests = Requests(tmp_path, known)
    assert requests.rates == {40: 0.5}
    assert requests.new() == [(1, {"lr": 0.25})]


def test_a_rate_holds_from_its_step_on_wherever_training_begins_again(penguins, trainer, tmp_path):
    settings = {"epochs": 2, "batch_size": 32, "schedule": "constant", "warmup": 0, "lr": 1e-3}
    met = [{"event": "obeyed", "request": 0, "step": 7, "lr": 1e-4}]
    it = trainer("penguins", requests=Requests(tmp_path, met), **settings)
    rates = []
    step = it.stepper.optimizer.step
    it.stepper.optimizer.step = lambda: (rates.append(it.stepper.optimizer.groups[0]["lr"]), step())
    assert it.fit()
    assert rates[:7] == [1e-3] * 7
    assert set(rates[7:]) == {1e-4}
    again = trainer("penguins", requests=Requests(tmp_path, met), **settings)
    again.restore(again.checkpoints.latest()[0])
    assert again.rates.peak == 1e-4
