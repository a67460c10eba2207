"""Training runs in real processes: killed anywhere and resumed, they end with the same bits."""

import contextlib
import os
import random
import shutil
import signal

import pytest

from core.errors import UsageError
from core.models.registry import Models
from core.runs.history import history
from core.runs.store import Runs
from core.training.checkpoint import Checkpoints
from tests.disks import small_disk

DEADLINE = 300


@pytest.fixture
def train(workspace):
    def make(dataset, **settings):
        spec = {"dataset": dataset, "device": "cpu", "threads": 1, **settings}
        return Runs(workspace).create("train", spec)

    return make


def finish(run, workspace):
    """Run it to its end; the weights' bytes and the metrics of each epoch."""
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail() or state.error
    (result,) = [event for event in run.events() if event["event"] == "result"]
    model = Models(workspace).get(result["model"])
    assert model.info["run"] == run.id
    epochs = {
        event["epoch"]: event["metrics"] for event in run.events() if event["event"] == "epoch"
    }
    return model.weights.read_bytes(), epochs, model.info["metrics"]


def after(run, name, least=1, says=""):
    """Wait for an event of this process that is at `least` this step."""
    for event in run.events(follow=True):
        fits = event.get("step", least) >= least and says in event.get("text", says)
        if event["event"] == name and fits:
            return event
    raise AssertionError(f"the run ended before {name}: {run.log_tail()} {run.state().error}")


def kill(run):
    os.kill(run.state().pid, signal.SIGKILL)
    assert run.wait(DEADLINE).state == "interrupted"


def kill_in_the_middle_of_a_save(run):
    """Hold the process still while its staged folder is there, then kill it."""
    pid = run.state().pid
    while True:
        if any(path.name.startswith(".saving-") for path in run.checkpoints.iterdir()):
            os.kill(pid, signal.SIGSTOP)
            if any(path.name.startswith(".saving-") for path in run.checkpoints.iterdir()):
                break
            os.kill(pid, signal.SIGCONT)
    kill(run)


CASES = {
    "mlp": (
        "penguins",
        {
            "model": "mlp",
            "batch_size": 4,
            "epochs": 25,
            "checkpoint_every": 37,
            "options": {"dropout": 0.3},
        },
    ),
    "cnn": (
        "digits",
        {
            "model": "cnn",
            "batch_size": 4,
            "epochs": 8,
            "checkpoint_every": 13,
            "options": {"width": 8},
        },
    ),
    "augmented": (
        "digits",
        {
            "model": "cnn",
            "batch_size": 4,
            "epochs": 8,
            "checkpoint_every": 13,
            "options": {"width": 8},
            "augment": ["crop", "flip", "rotate=15", "mixup"],
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_and_resumed_the_weights_are_the_same(case, train, workspace, request):
    dataset, settings = CASES[case]
    request.getfixturevalue(dataset)
    # The split is made by whichever run comes first, so both are named the same version.
    expected = finish(train(dataset, name="whole", **settings), workspace)

    run = train(dataset, name="killed", **settings)
    run.launch()
    kept = after(run, "checkpoint", 100)["step"]
    kill(run)
    run.launch()
    resumed = after(run, "resumed")["step"]
    assert resumed >= kept
    # In the middle of an epoch, between two checkpoints.
    after(run, "checkpoint", resumed + 30)
    after(run, "step", resumed + 30)
    kill_in_the_middle_of_a_save(run)
    assert any(path.name.startswith(".saving-") for path in run.checkpoints.iterdir())
    assert finish(run, workspace) == expected
    assert run.state().metrics == expected[2]
    assert not any(path.name.startswith(".saving-") for path in run.checkpoints.iterdir())


KILLS = 25


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_killed_at_200_random_moments_the_weights_are_the_same(seed, train, workspace, penguins):
    """25 kills a seed, while it starts, trains, judges or saves.

    A machine may be so quick that a run ends before it had all of them; then another run has the
    others.
    """
    settings = {
        "batch_size": 8,
        "epochs": 300,
        "checkpoint_every": 20,
        "options": {"dropout": 0.3},
        "ema": 0.9,
        "seed": seed,
    }
    expected = finish(train("penguins", name="whole", **settings), workspace)
    draw = random.Random(seed)
    kills = 0
    while kills < KILLS:
        run = train("penguins", name=f"killed-{kills}", **settings)
        state = run.state().state
        while kills < KILLS and state != "finished":
            run.launch()
            state = run.wait(draw.uniform(0.5, 3.0)).state
            pid = run.state().pid
            if state != "finished" and pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                state = run.wait(DEADLINE).state
                kills += 1
        if state == "finished":
            weights = Models(workspace).get(run.state().model).weights.read_bytes()
        else:
            weights = finish(run, workspace)[0]
        assert weights == expected[0]


@pytest.mark.slow
def test_stopped_and_resumed_the_weights_are_the_same(train, workspace, penguins):
    settings = {"batch_size": 4, "epochs": 25, "options": {"dropout": 0.3}}
    expected = finish(train("penguins", name="whole", **settings), workspace)
    run = train("penguins", name="stopped", **settings)
    run.launch()
    after(run, "step", 50)
    assert run.stop(wait=DEADLINE).state == "stopped"
    stopped_at = max(e["step"] for e in run.events() if e["event"] == "checkpoint")
    checkpoint, notes = Checkpoints(run.checkpoints).latest()
    assert (checkpoint.step, notes) == (stopped_at, [])
    assert finish(run, workspace) == expected
    assert after(run, "resumed")["step"] == stopped_at


@pytest.mark.slow
def test_killed_before_its_first_checkpoint_it_starts_again(train, workspace, penguins):
    settings = {"batch_size": 8, "epochs": 30}
    run = train("penguins", name="killed", **settings)
    run.launch()
    after(run, "plan")
    kill(run)
    whole = finish(train("penguins", name="whole", **settings), workspace)
    assert finish(run, workspace) == whole


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_used(train, workspace, penguins):
    settings = {"batch_size": 4, "epochs": 25, "checkpoint_every": 20}
    expected = finish(train("penguins", name="whole", **settings), workspace)
    run = train("penguins", name="damaged", **settings)
    run.launch()
    after(run, "checkpoint", 180)
    kill(run)
    # A kill may come before the oldest of three is dropped.
    newest, before, *_ = Checkpoints(run.checkpoints).paths()
    (newest / "tensors.safetensors").write_bytes(b"")
    assert finish(run, workspace) == expected
    texts = [event["text"] for event in run.events() if event["event"] == "log"]
    assert any(newest.name in text and "damaged" in text for text in texts)
    assert after(run, "resumed")["step"] == int(before.name.removeprefix("step-"))


@pytest.mark.slow
def test_a_run_killed_between_publishing_and_its_last_word_does_not_publish_twice(
    train, workspace, penguins
):
    run = train("penguins", name="once", batch_size=32, epochs=2)
    finish(run, workspace)
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    run.events_path.write_bytes(b"".join(lines[:-2]))
    assert run.state().state == "interrupted"
    finish(run, workspace)
    assert [folder.version for folder in Models(workspace).list()] == [1]


def test_wrong_names_fail_the_run_with_words(train, penguins):
    run = train("penguins", options={"dropuot": 0.1})
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    assert 'neither mlp nor tabular-classification has an option "dropuot"' in state.error["what"]
    assert 'Did you mean "dropout"?' in state.error["hint"]
    assert not run.artifacts.joinpath("task.json").exists()


def test_the_settings_of_a_first_start_outlive_changes_of_the_data(workspace, penguins):
    from core.data.lake.lake import Lake
    from core.training.config import TrainConfig
    from core.training.setup import decide, load

    config = TrainConfig.from_mapping({"dataset": "penguins"})
    setup = decide(workspace, config, device="cpu", precision="fp32", threads=3)
    assert (setup.config.batch_size, setup.config.lr, setup.config.threads) == (64, 2e-3, 3)
    assert setup.config.name == "penguins_mlp"
    folder = workspace.home / "artifacts"
    assert load(workspace, folder) is None
    setup.save(folder)
    lake = Lake(workspace)
    with lake.open("penguins") as view:
        batches = [batch.slice(0, 9) for batch in view.batches(["species"])]
    import pyarrow as pa

    lake.commit("penguins", pa.Table.from_batches(batches), op="cut")
    again = load(workspace, folder)
    assert again.config == setup.config
    assert again.version == setup.version
    assert again.task.to_json() == setup.task.to_json()
    lake.remove("penguins")
    with pytest.raises(UsageError, match="penguins"):
        load(workspace, folder)


@pytest.mark.slow
def test_a_full_disk_pauses_the_run_and_it_goes_on_when_there_is_room(train, penguins, workspace):
    asked = {"epochs": 4, "checkpoint_every": 5}
    undisturbed = finish(train("penguins", **asked), workspace)
    run = train("penguins@2", **asked)
    # A checkpoint takes 300 kB: the third has no room.
    with small_disk(run.checkpoints, "700k") as grow:
        run.launch()
        told = after(run, "log", says="paused: a checkpoint could not be saved")
        assert "No space left" in told["text"]
        state = run.state()
        assert (state.state, state.standing, state.remaining) == ("running", "paused", None)
        assert "No space left" in state.paused
        assert history(run.events()).paused == state.paused
        assert [path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")] == []
        grow("64m")
        after(run, "log", says="there is room again")
        assert run.state().paused is None
        assert run.wait(DEADLINE).state == "finished"
        assert history(run.events()).paused is None
        (result,) = [event for event in run.events() if event["event"] == "result"]
        weights = Models(workspace).get(result["model"]).weights.read_bytes()
    assert weights == undisturbed[0]


def test_a_run_that_waits_for_room_can_be_stopped(train, penguins):
    run = train("penguins", epochs=400, checkpoint_every=5)
    with small_disk(run.checkpoints, "700k"):
        run.launch()
        after(run, "log", says="paused: a checkpoint could not be saved")
        state = run.stop(wait=None)
        assert state.state == "failed"
        assert "No space left" in state.error["what"]
        assert Checkpoints(run.checkpoints).latest()[0] is not None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch needs a C++ compiler to compile")
def test_compiled_it_learns_the_same(train, penguins, workspace):
    asked = {"epochs": 3, "options": {"dropout": 0.0}}
    _, epochs, metrics = finish(train("penguins", **asked), workspace)
    _, compiled, found = finish(train("penguins@2", compile=True, **asked), workspace)
    assert found == pytest.approx(metrics, rel=1e-3)
    for epoch, known in epochs.items():
        assert compiled[epoch] == pytest.approx(known, rel=1e-3)


@pytest.mark.slow
def test_without_a_compiler_compile_says_what_is_missing(train, penguins, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    run = train("penguins", epochs=1, compile=True)
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    assert state.error["what"].startswith("torch cannot compile this model here")
    assert "No working C++ compiler" in state.error["what"]
    assert "Train without compile" in state.error["hint"]
