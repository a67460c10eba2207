"""Pretrained models of series, sounds and pictures with objects are gone on from."""

import json

import pytest

from core.data.lake.lake import Lake
from core.errors import UsageError
from core.inference.forward import naive
from core.ingest import ingest
from core.training.choice import choose
from core.training.config import TrainConfig
from tests.models import bases
from tests.tasks.drawings import drawn
from tests.tasks.speaker import spoken

from .conftest import SAMPLES
from .test_loop import same

FORECAST = {"task": "time-series-forecasting", "target": "ridership", "batch_size": 64}


LISTEN = {"batch_size": 2, "lr": 2e-3}


@pytest.fixture
def words(workspace):
    table = spoken(("red", "blue", "seven", "open"), 150)
    return Lake(workspace).commit("words", table, op="test", media={"audio": "audio"})


@pytest.fixture
def drawings(workspace):
    return Lake(workspace).commit("drawings", drawn(300), op="test", media={"image": "image"})


@pytest.fixture
def riders(workspace):
    return ingest(workspace, str(SAMPLES / "series" / "chicago_ridership.csv"), "riders")


def baseline(trained):
    task, rows = trained.task, trained.judge.validation
    told = naive(task, rows.tensors, batch_size=task.at_once)
    return task.scores(told.found, rows.target)[task.metric]


def reached(trained):
    return trained.best.metrics[f"val/{trained.task.metric}"]


def resumed_like(trainer, dataset, **settings):
    """Whether a training that stops in between and is resumed ends with the same bits."""
    whole = trainer(dataset, "whole", **settings)
    assert whole.fit()
    trainer(dataset, "parts", stop_at=3, **settings).fit()
    last = trainer(dataset, "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    assert last.fit()
    return same(whole.module.state_dict(), last.module.state_dict())


def test_a_forecaster_goes_on_with_what_it_knows(workspace, riders, tmp_path, trainer):
    base = bases.patchtst(tmp_path / "base")
    first = trainer("riders", model=str(base), epochs=3, lr=5e-3, horizon=14, **FORECAST)
    assert first.task.context == 28
    assert first.fit()
    assert reached(first) < 0.95 * baseline(first)
    first.module.load_state_dict(first.best.weights)
    known = tmp_path / "known"
    first.module.model.save_pretrained(known)
    told = {}
    for tune in ("head", "lora"):
        more = trainer(
            "riders", tune, model=str(known), tune=tune, horizon=14, max_steps=8, **FORECAST
        )
        assert more.fit()
        told[tune] = reached(more)
        assert told[tune] < 0.95 * baseline(more)
    fresh = trainer("riders", "fresh", model=str(base), horizon=14, max_steps=8, **FORECAST)
    assert fresh.fit()
    assert reached(fresh) > 1.2 * max(told.values())
    with pytest.raises(UsageError, match="context=56 cannot be: the pretrained model reads 28"):
        trainer("riders", model=str(known), context=56, **FORECAST)


@pytest.mark.parametrize("tune", ["full", "head", "lora"])
def test_a_forecaster_is_resumed_exactly(riders, tmp_path, trainer, tune):
    base = bases.patchtst(tmp_path / "base")
    asked = {"model": str(base), "tune": tune, "max_steps": 6}
    assert resumed_like(trainer, "riders", **asked, **FORECAST)


@pytest.mark.slow
def test_a_listener_goes_on_with_its_own_letters(words, tmp_path, trainer):
    base = bases.wav2vec2(tmp_path / "base", "abdelnoprsuv")
    first = trainer("words", model=str(base), epochs=12, **LISTEN)
    assert first.task.transcribing.letters.known == tuple(" abdelnoprsuv")
    assert first.fit()
    assert reached(first) < 0.4 < baseline(first)
    first.module.load_state_dict(first.best.weights)
    first.module.model.save_pretrained(base)
    for tune in ("head", "lora"):
        more = trainer("words", tune, model=str(base), tune=tune, max_steps=2, batch_size=4)
        assert more.fit()
        assert reached(more) < 0.5
    (base / "preprocessor_config.json").unlink()
    with pytest.raises(UsageError, match=r"has no preprocessor_config\.json"):
        trainer("words", model=str(base))


@pytest.mark.parametrize("tune", ["full", "head", "lora"])
def test_a_listener_is_resumed_exactly(words, tmp_path, trainer, tune):
    base = bases.wav2vec2(tmp_path / "base", "abc")
    asked = {"model": str(base), "tune": tune, "max_steps": 6}
    assert resumed_like(trainer, "words", **asked, **LISTEN)


def test_a_writer_goes_on_with_its_own_pieces(words, tmp_path, trainer):
    said = ["red", "blue", "seven", "open"]
    base = bases.whisper(tmp_path / "base", [f" {each}" for each in said], width=64)
    first = trainer("words", model=str(base), epochs=8, lr=1e-3, batch_size=4)
    assert first.fit()
    assert reached(first) < 0.2 < baseline(first)
    first.module.load_state_dict(first.best.weights)
    first.module.model.save_pretrained(base)
    for tune in ("head", "lora"):
        more = trainer("words", tune, model=str(base), tune=tune, max_steps=2, batch_size=4)
        assert more.fit()
        assert reached(more) < 0.3
    (base / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"has no tokenizer\.json, by which it would write"):
        trainer("words", model=str(base))


@pytest.mark.parametrize("tune", ["full", "head", "lora"])
def test_a_writer_is_resumed_exactly(words, tmp_path, trainer, tune):
    base = bases.whisper(tmp_path / "base", [" red", " blue"])
    asked = {"model": str(base), "tune": tune, "max_steps": 6}
    assert resumed_like(trainer, "words", **asked, **LISTEN)


@pytest.mark.slow
def test_a_finder_goes_on_with_what_it_knows(drawings, tmp_path, trainer):
    options = {"queries": 5, "width": 64, "layers": 2, "dropout": 0.0}
    settings = {"max_steps": 300, "lr": 2e-3, "batch_size": 8, "options": options}
    first = trainer("drawings", model="yolos", **settings)
    assert first.fit()
    first.module.load_state_dict(first.best.weights)
    known = tmp_path / "known"
    first.module.model.save_pretrained(known)
    mean, std = first.task.learnt.mean, first.task.learnt.std
    facts = {"image_mean": mean, "image_std": std, "size": {"height": 64, "width": 64}}
    (known / "preprocessor_config.json").write_text(json.dumps(facts))
    for tune in ("head", "lora"):
        more = trainer("drawings", tune, model=str(known), tune=tune, max_steps=2, batch_size=8)
        assert more.task.size == (64, 64)
        assert more.fit()
        assert reached(more) > 0.04 > 10 * baseline(more)
    (known / "preprocessor_config.json").unlink()
    with pytest.raises(UsageError, match=r"has no preprocessor_config\.json"):
        trainer("drawings", model=str(known))


@pytest.mark.parametrize("kind", ["detr", "yolos"])
@pytest.mark.parametrize("tune", ["full", "head", "lora"])
def test_a_finder_is_resumed_exactly(drawings, tmp_path, trainer, tune, kind):
    base = getattr(bases, kind)(tmp_path / kind)
    asked = {"model": str(base), "tune": tune, "max_steps": 6, "batch_size": 8}
    assert resumed_like(trainer, "drawings", **asked)


def test_a_model_of_another_kind_is_told_before_a_run_is_started(workspace, riders, tmp_path):
    settings = {"dataset": "riders", "model": str(bases.vit(tmp_path / "vit")), **FORECAST}
    with pytest.raises(UsageError, match="only patchtst is known here"):
        choose(workspace, TrainConfig.from_mapping(settings))
