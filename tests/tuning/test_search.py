"""Searches in real processes: each trial a run, none lost and none done twice."""

import os
import signal
import tomllib

import pytest

from core.data.lake.lake import Lake
from core.errors import UsageError
from core.ingest import ingest
from core.models.registry import Models
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.notes import read_notes
from core.runs.store import Runs
from core.training.start import start_training
from core.tuning import worker as tuning
from core.tuning.asked import Asked, start_search
from core.tuning.outcome import BEST, Outcome, Trial
from core.tuning.space import read_space
from core.tuning.study import Study
from core.workspace import Workspace
from tests.runs.conftest import saw, stop_all, until
from tests.training.conftest import SAMPLES

DEADLINE = 300


@pytest.fixture
def workspace(tmp_path):
    found = Workspace.open(tmp_path / "home")
    ingest(found, SAMPLES / "tabular" / "penguins.csv", name="penguins", target="species")
    yield found
    stop_all(Runs(found).all())


def asked(**changes):
    settings = {"dataset": "penguins", "epochs": 2, "width": 16, "threads": 1}
    return {"settings": settings, "search": {"lr": "1e-4..1e-1"}, "trials": 3} | changes


def trials_of(workspace, search):
    """The runs of a search's trials by number; each number once."""
    own = [run for run in Runs(workspace).newest("train") if run.info["parent"]]
    numbers = [int(run.info["parent"].removeprefix(f"{search.id}/")) for run in own]
    assert len(numbers) == len(set(numbers)), "a trial was done twice"
    return dict(zip(numbers, own, strict=True))


@pytest.mark.slow
def test_a_search_tries_keeps_the_best_and_says_what_mattered(workspace):
    search = start_search(workspace, asked(trials=4))
    assert search.wait(DEADLINE).state == "finished"
    runs = trials_of(workspace, search)
    assert runs.keys() == {0, 1, 2, 3}
    assert runs[0].spec["lr"] == 2e-3, "the first trial is what nobody would have tuned"
    assert {run.info["dataset"] for run in runs.values()} == {"penguins@2"}, "split once for all"
    assert [version.n for version in Lake(workspace).versions("penguins")] == [2, 1]

    found = Outcome.load(search.artifacts)
    assert {trial.number for trial in found.trials} == runs.keys()
    values = [trial.value for trial in found.trials]
    assert found.best.value == max(values) == search.state().metrics["val/accuracy"]
    assert found.importance.keys() == ({"lr"} if len(set(values)) > 1 else set())

    (kept,) = Models(workspace).list()
    assert kept.ref == found.model == search.state().model
    assert kept.info["run"] == found.best.run
    assert not [*runs[1].checkpoints.iterdir()], "no trial leaves its checkpoints"

    settings = tomllib.loads((search.artifacts / BEST).read_text())
    assert settings["lr"] == found.best.params["lr"]
    assert (settings["width"], settings["dataset"]) == (16, "penguins@2")
    notes = read_notes(runs[1].path)
    assert notes.note.startswith("trial 1: lr=")
    assert notes.tags == (f"tune-{search.id[-4:]}",)


def test_a_killed_search_finds_its_trials_again(workspace):
    search = start_search(workspace, asked(trials=3, parallel=2))
    saw(search, "trial", number=1, state="begun")
    os.kill(search.state().pid, signal.SIGKILL)
    until(lambda: search.state().state == "interrupted")
    before = trials_of(workspace, search)
    search.launch()
    assert search.wait(DEADLINE).state == "finished"
    after = trials_of(workspace, search)
    assert after.keys() == {0, 1, 2}
    assert all(after[number].id == run.id for number, run in before.items())
    assert {trial.number for trial in Outcome.load(search.artifacts).trials} == {0, 1, 2}


def test_a_stopped_search_stops_its_trial_and_goes_on_with_it(workspace):
    given = asked(trials=1)
    given["settings"]["epochs"] = 2000
    search = start_search(workspace, given)
    begun = saw(search, "trial", number=0, state="begun")
    trial = Runs(workspace).get(begun["run"])
    saw(trial, "epoch")
    assert search.stop(wait=None).state == "stopped"
    assert trial.state().state == "stopped"
    assert Outcome.load(search.artifacts) is None
    search.launch()
    until(lambda: trial.state().state == "running")
    saw(trial, "resumed")
    trial.stop(wait=None)
    state = search.wait(DEADLINE)
    assert (state.state, state.error["what"]) == ("failed", "no trial came to its end")


@pytest.mark.slow
def test_a_search_in_which_nothing_works_gives_up_and_says_why(workspace):
    own = start_training(workspace, {"dataset": "penguins", "epochs": 1, "width": 16})
    mine = own.wait(DEADLINE).model
    given = asked(trials=50)
    given["settings"]["precision"] = "fp16"
    search = start_search(workspace, given)
    state = search.wait(DEADLINE)
    assert state.state == "failed"
    assert "the first 3 trials have failed" in state.error["what"]
    assert "fp16 needs a GPU" in state.error["what"]
    assert len(trials_of(workspace, search)) == 3
    assert [model.ref for model in Models(workspace).list()] == [mine], "it is not the search's"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"search": {"lr": "1e-3..1", "dropout": "0.1,7"}}, "dropout=7 cannot be"),
        ({"search": {"dropuot": "0..1"}}, "dropout"),
        ({"search": {"epochs": "1..3"}}, "a value and a range too"),
        ({"search": {"name": "a,b"}}, "the same in all trials"),
        ({"trials": 0}, "trials must be a whole number"),
        ({"max_time": "soon"}, "max_time must be a time"),
        ({"settings": {"dataset": "nothing"}}, "nothing"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(workspace, changes, says):
    with pytest.raises(UsageError) as caught:
        start_search(workspace, asked(**changes))
    assert says in f"{caught.value.what} {caught.value.hint}"
    assert [*Runs(workspace).newest("tune")] == []


def test_mistakes_of_settings_and_ranges_are_said_together(workspace):
    settings = {"dataset": "nothing", "epoch": 3}
    with pytest.raises(UsageError) as caught:
        start_search(workspace, asked(settings=settings, search={"dropuot": "0..1"}))
    assert [each.what.partition(".")[0] for each in caught.value.several] == [
        'there is no setting "epoch"',
        'no data set "nothing"',
        'there is no setting "dropuot"',
    ]


@pytest.mark.slow
def test_time_that_is_up_ends_the_trials_too(workspace):
    given = asked(trials=100, parallel=2, max_time=3)
    given["settings"]["epochs"] = 100_000
    search = start_search(workspace, given)
    state = search.wait(DEADLINE)
    assert state.error["what"] == "no trial came to its end"
    assert [trial.state for trial in Outcome.load(search.artifacts).trials] == ["pruned"] * 2
    runs = trials_of(workspace, search)
    assert [run.state().state for run in runs.values()] == ["stopped"] * 2


def test_what_ended_it_before_its_last_trial_is_told(workspace):
    spec = Asked.from_mapping(asked(trials=100, max_time=1e-9)).to_json()
    run = Runs(workspace).create("tune", spec, dataset="penguins@1")
    done = Trial(0, "train-x", "complete", 0.9, {"lr": 0.01})
    Outcome("val/accuracy", True, (done,)).save(run.artifacts, None)
    with EventWriter(run.events_path) as events:
        tuning.run(Job(run, events))
    told = {event["event"]: event for event in run.events()}
    assert told["log"]["text"] == "ended after 1 of 100 trials: max_time, 1e-09 s, is over"
    assert told["result"]["ended_by"] == run.state().ended_by == "max_time"


def study(folder, **changes):
    given = {"higher_is_better": True, "seed": 0, "prune": True} | changes
    return Study(folder, read_space({"lr": "0.001..1:log"}), **given)


def test_a_trial_worse_than_most_is_to_end(tmp_path):
    search = study(tmp_path)
    for value in (0.5, 0.6, 0.7, 0.8):
        number, _ = search.ask()
        assert not any(search.report(number, epoch, value) for epoch in (1, 2, 3))
        search.tell(number, "complete", value)
    bad, _ = search.ask()
    assert not search.report(bad, 1, 0.1), "the first epoch is too early to tell"
    assert search.report(bad, 2, 0.1)
    good, _ = search.ask()
    assert not any(search.report(good, epoch, 0.9) for epoch in (1, 2, 3))
    lenient, _ = study(tmp_path, prune=False).ask()
    assert not any(study(tmp_path, prune=False).report(lenient, epoch, 0.0) for epoch in (1, 2, 3))


def test_a_study_that_was_killed_while_writing_goes_on(tmp_path):
    search = study(tmp_path)
    search.begin_with({"lr": 0.01})
    assert search.ask() == (0, {"lr": 0.01})
    with (tmp_path / "study.journal").open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id"')
    again = study(tmp_path)
    assert again.begun() == [(0, {"lr": 0.01})]
    again.begin_with({"lr": 0.5})
    number, params = again.ask()
    assert number == 1
    assert params != {"lr": 0.5}, "it has begun already"
    assert [number for number, _ in study(tmp_path).begun()] == [0, 1]
