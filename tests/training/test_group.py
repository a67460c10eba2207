"""Training by several processes: the weights of one, whatever stops or kills them on the way."""

import json
import os
import shutil
import signal

import psutil
import pytest
import torch
from safetensors.torch import load
from torch import distributed, nn

from core.devices.facts import Device
from core.errors import UsageError
from core.ingest import ingest
from core.models.architectures import TYPICAL, build
from core.models.registry import Models
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.queue_devices import Devices
from core.runs.requests import ask
from core.runs.run import Run
from core.runs.store import Runs
from core.training import launching, sharding
from core.training.averaging import Average, judged
from core.training.checkpoint import Checkpoints
from core.training.config import OPTIMIZERS, TrainConfig
from core.training.group import pieces
from core.training.launching import MEMBER
from core.training.optimizer import Optimizer
from core.training.snapshot import copied
from core.training.start import change_devices, start_training
from core.training.synced import SyncedBatchNorm, synced
from tests.disks import small_disk
from tests.models import bases
from tests.training.conftest import SAMPLES

CPU = torch.device("cpu")
DEADLINE = 200


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_together_they_have_each_row_once_and_as_many_pieces(rows, parts, size):
    each = [pieces(rows, parts, rank, size) for rank in range(size)]
    had = [at for own in each for piece in own if piece.weight for at in piece.rows]
    assert sorted(had) == list(range(rows))
    assert len({len(own) for own in each}) == 1
    assert sum(piece.weight for own in each for piece in own) == pytest.approx(1)
    assert all(piece.rows for own in each for piece in own)


@pytest.fixture
def train(workspace):
    def make(dataset, **settings):
        config = TrainConfig.from_mapping(
            {"dataset": dataset, "device": "cpu", "threads": 1, "epochs": 2, **settings}
        )
        return Runs(workspace).create("train", config.to_json())

    return make


def weights(run):
    """Of the model, once the run was launched and has ended."""
    run.launch()
    return published(run)


def published(run):
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail() or state.error
    tensors = load(Models(run.workspace).get(state.model).weights.read_bytes())
    return torch.cat([each.flatten().double() for _, each in sorted(tensors.items())])


def member(run, rank):
    """A process of the group, by its rank."""
    for process in psutil.Process(run.state().pid).children():
        if MEMBER in process.cmdline() and process.environ().get("RANK") == str(rank):
            return process
    raise AssertionError(f"no process has rank {rank}: {run.log_tail()}")


def after(run, name, least=1, says=""):
    for event in run.events(follow=True):
        known = event["event"] == name and event.get("step", least) >= least
        if known and says in event.get("text", ""):
            return event
    raise AssertionError(f"the run ended before {name}: {run.log_tail()} {run.state().error}")


CASES = {
    # 239 rows: the last batch of an epoch is uneven. Sampling, averages, clipping, parts.
    "mlp": (
        "penguins",
        {
            "batch_size": 16,
            "accumulate": 3,
            "clip": 0.5,
            "ema": 0.9,
            "balance": "sampling",
            "options": {"dropout": 0.0},
        },
    ),
    # Normalised over the batch, its examples changed one by one and mixed in pairs. The last batch
    # of 200 rows is of two in two parts: a row for one process, and a stand-in for the other.
    "cnn": (
        "digits",
        {
            "batch_size": 22,
            "accumulate": 2,
            "augment": ["flip", "mixup"],
            "options": {"width": 8, "dropout": 0.0},
            # Normalised networks soon make much of a last digit.
            "optimizer": "sgd",
            "lr": 0.0005,
            "epochs": 1,
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(case, train, workspace, request):
    dataset, settings = CASES[case]
    request.getfixturevalue(dataset)
    runs = [train(dataset, name=f"on{n}", devices=n, **settings) for n in (1, 2)]
    one, two = (weights(run) for run in runs)
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    alone, together = ([e for e in run.events() if e["event"] == "epoch"] for run in runs)
    assert len(together) == len(alone)
    for a, b in zip(alone, together, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert (a["step"], a["best"]) == (b["step"], b["best"])
        assert a["metrics"] == pytest.approx(b["metrics"], rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_two_processes_judge_half_of_the_batches_each(train, workspace):
    """As many as 500 pictures are."""
    ingest(workspace, str(SAMPLES / "images" / "mnist5k"), "mnist")
    settings = {"options": {"width": 4, "dropout": 0.0}, "lr": 1e-5, "optimizer": "sgd"}
    settings |= {"max_steps": 2, "epochs": 1, "batch_size": 64}
    runs = [train("mnist", name=f"on{n}", devices=n, **settings) for n in (1, 2)]
    for run in runs:
        weights(run)
    plan, told = (
        [next(e for e in run.events() if e["event"] == name) for run in runs]
        for name in ("plan", "epoch")
    )
    assert plan[1]["validation_examples"] == plan[0]["validation_examples"] > 256
    assert told[1]["metrics"] == pytest.approx(told[0]["metrics"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True], ids=["whole", "in-parts"])
@pytest.mark.parametrize("tune", ["lora", "head"])
def test_what_is_tuned_by_two_is_what_one_tunes(train, reviews, tmp_path, tune, shard):
    """Of a pretrained model only some weights learn; the others stay as they were, to the bit."""
    base = bases.bert(tmp_path / "base", ["good and bad coffee, and a dog"] * 9)
    config = json.loads((base / "config.json").read_text())
    # What is dropped each process draws for itself.
    config |= dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    (base / "config.json").write_text(json.dumps(config))
    asked = {"model": str(base), "tune": tune, "batch_size": 8, "max_steps": 12, "epochs": 1}
    settings = {**asked, "lr": 1e-2, "options": {"length": 12}}
    alone = train("reviews", name="alone", **settings)
    together = train("reviews", name="together", devices=2, shard=shard, **settings)
    one, two = weights(alone), weights(together)
    torch.testing.assert_close(one, two, rtol=1e-2, atol=1e-4)
    facts = [next(e for e in run.events() if e["event"] == "plan") for run in (alone, together)]
    assert facts[0]["trained"] == facts[1]["trained"] < facts[0]["parameters"]


STEADY = {"batch_size": 8, "epochs": 30, "checkpoint_every": 40, "options": {"dropout": 0.0}}


@pytest.mark.slow
def test_stopped_killed_and_gone_on_with_by_others_the_weights_are_the_same(
    train, workspace, penguins
):
    """One of two is killed, then the run is stopped, and three go on."""
    expected = weights(train("penguins", name="alone", **STEADY))
    run = train("penguins", name="together", devices=2, **STEADY)
    run.launch()
    kept = after(run, "checkpoint", 40)["step"]
    member(run, 1).send_signal(signal.SIGKILL)
    resumed = after(run, "resumed")
    assert resumed["step"] >= kept
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert any("1 of 3 times" in text for text in told)
    after(run, "step", resumed["step"] + 1)
    pids = [process.pid for process in psutil.Process(run.state().pid).children()]
    assert run.stop(wait=DEADLINE).state == "stopped", run.log_tail()
    assert not any(map(psutil.pid_exists, pids))
    last = [event for event in run.events() if event["event"] in ("step", "checkpoint")][-1]
    assert last["event"] == "checkpoint"
    change_devices(run, devices=3)
    torch.testing.assert_close(weights(run), expected, rtol=1e-2, atol=1e-3)
    plans = [event["devices"] for event in run.events() if event["event"] == "plan"]
    assert plans == [2, 2, 3]


@pytest.mark.slow
def test_all_end_with_the_process_of_the_run_and_go_on_exactly(train, workspace, penguins):
    """Of the same number of processes, to the bit: each has random numbers of its own."""
    settings = {**STEADY, "options": {"dropout": 0.3}, "devices": 2}
    expected = weights(train("penguins", name="whole", **settings))
    run = train("penguins", name="killed", **settings)
    run.launch()
    after(run, "checkpoint", 40)
    members = psutil.Process(run.state().pid).children()
    os.kill(run.state().pid, signal.SIGKILL)
    assert not psutil.wait_procs(members, timeout=DEADLINE)[1]
    assert run.state().state == "interrupted"
    assert torch.equal(weights(run), expected)


@pytest.mark.slow
def test_what_is_asked_of_the_run_is_done_by_all(train, penguins):
    """Another rate and a checkpoint in flight, and an end for want of anything better."""
    settings = {"batch_size": 16, "epochs": 10**6, "patience": 100, "schedule": "constant"}
    run = train("penguins", devices=2, warmup=0, **settings)
    run.launch()
    after(run, "step")
    ask(run, lr=1e-9, checkpoint=True)
    obeyed = after(run, "obeyed")
    assert run.wait(DEADLINE).state == "finished", run.log_tail()
    events = list(run.events())
    steps = [event["step"] for event in events if event["event"] == "checkpoint"]
    assert obeyed["step"] in steps
    later = [e["lr"] for e in events if e["event"] == "step" and e["step"] > obeyed["step"] + 1]
    assert later
    assert max(later) <= 1e-9
    assert any("stopped early" in event.get("text", "") for event in events)


@pytest.mark.slow
def test_what_goes_wrong_in_one_process_is_said_once_and_not_tried_again(
    train, workspace, penguins
):
    run = train("penguins", devices=2, lr=1e30, clip=0, optimizer="sgd", batch_size=8)
    run.launch()
    assert run.wait(DEADLINE).state == "failed"
    assert "training has diverged" in run.state().error["what"]
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert sum("learning rate times" in text for text in told) == 3
    assert not any("of 3 times" in text for text in told)


def test_several_devices_must_all_be_there_and_are_all_held(workspace, monkeypatch):
    monkeypatch.setattr(launching, "devices", lambda: [Device(f"cuda:{n}", "", 0) for n in (0, 1)])
    mine = Runs(workspace).create("train", {})
    config = TrainConfig.from_mapping({"dataset": "plants", "devices": 2, "device": "cuda:0"})
    with EventWriter(mine.events_path) as events, mine._locked():
        job = Job(mine, events)
        with pytest.raises(UsageError, match="cuda:2"):
            launching.hold_devices(job, config.with_(devices=3))
        launching.hold_devices(job, config)
        assert [Devices().on(f"cuda:{at}") for at in range(2)] == [[mine.id]] * 2


def test_a_training_of_several_devices_says_how_many_it_waits_for(workspace, penguins, monkeypatch):
    """Its run is what the queue reads; the run is not launched."""
    monkeypatch.setattr("core.devices.facts.accelerators", lambda: ["cuda:0", "cuda:1"])
    monkeypatch.setattr(Run, "launch", lambda self: None)
    asked = {"dataset": penguins.ref, "devices": 2, "device": "cuda", "queue": True}
    run = start_training(workspace, asked)
    assert (run.info["queue"], run.together) == (True, 2)


@pytest.fixture
def lonely_group(tmp_path):
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def test_a_synced_normalisation_is_torchs_own(lonely_group):
    x = torch.randn(6, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    nets = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    synced(nets[1])
    assert isinstance(nets[1][1], SyncedBatchNorm)
    for net in nets:
        net(x).pow(3).mean().backward()
    for own, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        torch.testing.assert_close(own.grad, theirs.grad)
    torch.testing.assert_close(nets[1].state_dict(), nets[0].state_dict())
    torch.testing.assert_close(nets[1].eval()(x), nets[0].eval()(x))


def refused_when_damaged(checkpoints, copied):
    """A byte of a part is enough."""
    shutil.copytree(checkpoints, copied)
    newest, before = Checkpoints(copied).paths()
    part, *others = sorted((newest / "shards").glob("*.distcp"))
    assert others
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    found, notes = Checkpoints(copied).latest()
    assert found.path == before
    assert part.name in notes[0]


@pytest.mark.slow
def test_a_model_in_parts_ends_with_the_weights_of_one(train, penguins, tmp_path):
    """One of two is killed; it goes on in three parts, and as a whole."""
    settings = {**STEADY, "accumulate": 2, "clip": 0.5, "ema": 0.9}
    expected = weights(train("penguins", name="alone", **settings))
    run = train("penguins", name="parts", devices=2, shard=True, **settings)
    run.launch()
    after(run, "checkpoint", 40)
    member(run, 1).send_signal(signal.SIGKILL)
    after(run, "resumed")
    after(run, "checkpoint", 100)
    assert run.stop(wait=DEADLINE).state == "stopped", run.log_tail()
    refused_when_damaged(run.checkpoints, tmp_path / "copied")
    change_devices(run, devices=3)
    seen = len(list(run.events()))
    run.launch()
    events = enumerate(run.events(follow=True))
    assert any(at >= seen and event["event"] == "checkpoint" for at, event in events)
    assert run.stop(wait=DEADLINE).state == "stopped", run.log_tail()
    change_devices(run, devices=1, shard=False)
    run.launch()
    torch.testing.assert_close(published(run), expected, rtol=1e-2, atol=1e-3)
    plans = [event["devices"] for event in run.events() if event["event"] == "plan"]
    assert plans == [2, 2, 3, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "dataset", "rate"), [("sgd", "penguins", 0.01), ("muon", "digits", 0.0005)]
)
def test_a_model_in_parts_is_stepped_by_every_optimizer(train, request, optimizer, dataset, rate):
    """Stopped and gone on with as a whole: what is kept of a step fits there."""
    request.getfixturevalue(dataset)
    options = {"dropout": 0.0, **({"width": 8} if dataset == "digits" else {})}
    settings = {"batch_size": 20, "epochs": 3, "lr": rate, "optimizer": optimizer}
    settings |= {"options": options, "checkpoint_every": 10}
    expected = weights(train(dataset, name="alone", **settings))
    run = train(dataset, name="parts", devices=2, shard=True, **settings)
    run.launch()
    after(run, "checkpoint", 10)
    assert run.stop(wait=DEADLINE).state == "stopped", run.log_tail()
    change_devices(run, devices=1, shard=False)
    torch.testing.assert_close(weights(run), expected, rtol=1e-2, atol=1e-3)
    plans = [event["devices"] for event in run.events() if event["event"] == "plan"]
    assert plans == [2, 1]


def in_half_precision(rank, folder):
    """A gradient too large in one of two processes is too large for both."""
    place = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=2)
    torch.set_num_threads(1)
    for optimizer in OPTIMIZERS:
        config = TrainConfig("d", optimizer=optimizer, lr=1.0 if optimizer == "sgd" else 0.01)
        one, parts = halves(config, slice(8)), halves(config, slice(4 * rank, 4 + 4 * rank), size=2)
        for whole, part in zip(one, parts, strict=True):
            # What half precision rounds away, an orthogonal step may make large in a single place.
            assert (sharding.whole(part) - whole).abs().mean() < 5e-4, optimizer
    # Whoever leaves while the other still hears from it may be ended by gloo (SIGABRT).
    distributed.barrier()
    distributed.destroy_process_group()


def halves(config, rows, size=1):
    """Weights after four steps on those rows of each batch, the second of which overflows."""
    module = nn.Sequential(nn.Linear(40, 33), nn.ReLU(), nn.Linear(33, 17), nn.Linear(17, 3))
    for at, parameter in enumerate(module.parameters()):
        parameter.data.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(at))
    before = module[0].weight.detach().clone()
    if size > 1:
        sharding.shard(module, CPU, size)
    scaler, steps = torch.amp.GradScaler("cpu"), Optimizer(module, config, CPU)
    for step in range(4):
        x = torch.randn(8, 40, generator=torch.Generator().manual_seed(step))
        x[0] *= 1e6 if step == 1 else 1
        module.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = module(x[rows]).float().pow(2).mean()
        scaler.scale(loss).backward()
        steps.unscale(scaler)
        steps.step_scaled(scaler)
        scaler.update()
    assert scaler.get_scale() == 2.0**15, "one step of four is left out"
    assert (sharding.whole(module[0].weight) - before).abs().mean() > 2e-3
    return module.parameters()


@pytest.mark.slow
def test_a_model_in_parts_is_trained_in_half_precision(tmp_path):
    torch.multiprocessing.spawn(in_half_precision, (tmp_path,), nprocs=2)


@pytest.mark.slow
def test_a_full_disk_pauses_all_who_have_a_part(train, penguins):
    """And when there is room they go on; asked to stop meanwhile they all end."""
    settings = {**STEADY, "devices": 2, "shard": True, "epochs": 4, "checkpoint_every": 5}
    expected = weights(train("penguins", name="alone", **settings))
    run = train("penguins", name="full", **settings)
    with small_disk(run.checkpoints, "900k") as grow:
        run.launch()
        after(run, "log", says="paused: a checkpoint could not be saved")
        assert run.state().state == "running"
        grow("64m")
        after(run, "log", says="there is room again")
        assert torch.equal(published(run), expected)
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert sum("paused" in text for text in told) == 1
    run = train("penguins", name="stopped", **settings)
    with small_disk(run.checkpoints, "900k"):
        run.launch()
        after(run, "log", says="paused: a checkpoint could not be saved")
        state = run.stop(wait=DEADLINE)
        assert state.state == "failed"
        assert "No space left" in state.error["what"]


def test_a_writer_in_parts_writes_what_it_writes_whole(lonely_group):
    shape = {**TYPICAL["speech-seq2seq"], "seconds": 1, "outputs": 60}
    sounds = torch.randn(2, 9000), torch.tensor([9000, 4000])
    torch.manual_seed(0)
    model = build("whisper", shape, {"mels": 16, "width": 16, "layers": 2}).eval()
    with torch.inference_mode():
        expected = model.write(*sounds)
    sharding.shard(model, torch.device("cpu"), 1)
    model(*sounds, torch.tensor([[0, 7], [0, 9]])).square().mean().backward()
    with torch.inference_mode():
        assert torch.equal(model.write(*sounds), expected)
    assert expected.shape[1] > 1


@pytest.mark.parametrize("way", [{"ema": 0.9}, {"swa": 0.5}])
def test_what_is_averaged_in_parts_is_what_is_averaged_whole(lonely_group, way):
    modules = [nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)) for _ in range(2)]
    modules[1].load_state_dict(modules[0].state_dict())
    sharding.shard(modules[1], torch.device("cpu"), 1)
    averages = [Average(each, TrainConfig("d", **way), 6) for each in modules]
    rows = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(1))
    for module, average in zip(modules, averages, strict=True):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for step, x in enumerate(rows, 1):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
            average.after(step, module)
    assert sharding.is_part(averages[1].tensors()["module.0.weight"])
    own, answers = [copied(each) for each in modules], []
    for module, average in zip(modules, averages, strict=True):
        with judged(module, average):
            answers.append(module.eval()(rows[0]))
    torch.testing.assert_close(*answers)
    assert not torch.allclose(answers[0], modules[0](rows[0]))
    # A pass with the averages leaves nothing behind.
    for module, before in zip(modules, own, strict=True):
        torch.testing.assert_close(copied(module), before, rtol=0, atol=0)
        module.train()(rows[0])
    torch.testing.assert_close(*(module.eval()(rows[0]) for module in modules))
    fresh = Average(modules[1], TrainConfig("d", **way), 6)
    fresh.restore(averages[1].tensors())
    for name, each in averages[0].tensors().items():
        torch.testing.assert_close(sharding.whole(fresh.tensors()[name]), each)
