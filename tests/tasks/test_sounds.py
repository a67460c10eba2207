"""Classes of sounds: which data sets suit, what is heard of a sound, and that it is learnt."""

import json

import numpy as np
import pytest
import torch

from core.augmentation import written
from core.augmentation.augmenter import Augmenter
from core.augmentation.mixing import SHARE
from core.data.cleaning.steps import audio
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.ingest import ingest
from core.models.architectures import build
from core.tasks import facts, guess
from core.tasks.audio_classification import AudioClassification
from core.tasks.sounds import LEAST, RATE
from core.training.start import start_training
from core.workspace import Workspace

from .speaker import speaker

DEADLINE = 300
WORDS = ("red", "blue", "green", "seven")


def tone(seconds, pitch=400, rate=8000):
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * pitch / rate)
    return audio.encode(wave[:, None], rate)


@pytest.fixture
def heard(opened):
    """Tones of other lengths and rates in two classes, and one of no class."""
    sounds = [tone(0.5), tone(1, 900, 44_100), tone(0.01), tone(2, 900), tone(1)]
    columns = {"audio": sounds, "label": ["low", "high", "low", "high", None]}
    return opened(columns, media={"audio": "audio"})


def learn(view, **options):
    fit = guess(facts(view))
    assert fit.task == "audio-classification"
    return AudioClassification.for_fit(fit).learn(fit, view, "train", options)


def batch_of(task, view):
    (made,) = task.examples(task.read(view, "train", 64))
    rows = torch.from_numpy(made.pop("_rid"))
    return made, {**run(as_tensors(made), 0, len(rows)), "_rid": rows}


def test_what_is_said_is_written_down_and_what_repeats_is_a_class(opened):
    sounds = {"audio": [b"a"] * 6}
    said = ["open the red door", "close the red door", "a b c", "d e f", "g h i", "j k l"]
    classes = ["cat", "dog"] * 3

    def task(target=None, **columns):
        view = opened({**sounds, **columns}, media={"audio": "audio"})
        return guess(facts(view), target).task

    assert task(label=classes) == "audio-classification"
    assert task(transcript=said) == "automatic-speech-recognition"
    assert task(transcript=classes) == "automatic-speech-recognition"
    assert task(transcript=said, label=classes) == "automatic-speech-recognition"
    assert task("label", transcript=said, label=classes) == "audio-classification"


def test_who_has_no_sounds_hears_how_they_come_in(opened):
    with pytest.raises(UsageError, match="a column of sounds and a column of classes") as told:
        guess(facts(opened({"label": ["a", "b"]})), task="audio-classification")
    assert "a folder in it for each class" in told.value.hint


def test_sounds_become_samples_of_one_rate_up_to_so_many_seconds(heard):
    task = learn(heard, seconds=1)
    made, _ = batch_of(task, heard)
    assert made["audio"].lengths.tolist() == [RATE // 2, RATE, LEAST, RATE]
    assert made["audio"].values.dtype == np.int16
    assert made["target"].tolist() == [1, 0, 1, 0]
    assert any("1 sound is longer than 1 s" in note for note in task.notes)
    slower, _ = batch_of(learn(heard, rate=8000), heard)
    assert slower["audio"].lengths.tolist() == [4000, 8000, LEAST, 16_000]


def test_what_is_no_sound_is_named(opened):
    view = opened(
        {"audio": [tone(1), b"noise"], "label": ["a", "b"], "path": ["a.wav", "b.wav"]},
        media={"audio": "audio"},
    )
    with pytest.raises(LeptonError, match="the sound cannot be read") as caught:
        learn(view)
    assert caught.value.where == "column audio, b.wav"


def test_the_codec_stands_alone(heard, opened):
    task = learn(heard, rate=8000, seconds=2)
    back = AudioClassification.from_json(json.loads(json.dumps(task.to_json())))
    assert back.to_json() == task.to_json()
    assert back.shape == {"kind": "sound", "rate": 8000, "outputs": 2}
    several = {"audio": [tone(1)] * 4, "label": ["a;b", "b", "a", "b;a"]}
    many = learn(opened(several, media={"audio": "audio"}))
    assert many.labels == ("a", "b")
    assert many.gives == AudioClassification.from_json(many.to_json()).gives == "labels"


def test_padding_and_the_sounds_beside_it_change_no_answer(heard):
    task = learn(heard)
    made, _ = batch_of(task, heard)
    tensors = as_tensors(made)
    torch.manual_seed(0)
    # As in training: nothing of it is reckoned over a batch.
    model = build("sound-cnn", task.shape, {"width": 8, "dropout": 0.0})
    together = model(*task.inputs(run(tensors, 0, 4)))
    for at in range(4):
        alone = model(*task.inputs(run(tensors, at, at + 1)))
        assert torch.allclose(alone[0], together[at], atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_a_click_is_heard_at_every_rate(heard, rate):
    task = learn(heard, rate=rate)
    encoded = as_tensors(task.encode([{"audio": tone(0.001)}], target=False))
    model = build("sound-cnn", task.shape, {"width": 8}).eval()
    assert torch.isfinite(model(*task.inputs(run(encoded, 0, 1)))).all()


def test_a_tone_that_hums_on_is_told_from_another_by_its_pitch(heard):
    task = learn(heard)
    _, batch = batch_of(task, heard)
    torch.manual_seed(0)
    model = build("sound-cnn", task.shape, {"width": 8})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        task.loss(model(*task.inputs(batch)), batch).backward()
        optimizer.step()
    model.eval()
    low, high = ([{"audio": tone(0.8, pitch)}] for pitch in (400, 900))
    said = [
        task.answers(
            model(*task.inputs(run(as_tensors(task.encode(each, target=False)), 0, 1)))
            .detach()
            .numpy()
        )[0]["label"]
        for each in (low, high)
    ]
    assert said == ["low", "high"]


@pytest.mark.parametrize("asked", ["noise=10:p=1", "shift", "masks", "mixup=1"])
def test_augmentations_change_the_sound_before_it_is_seen(heard, asked):
    task = learn(heard)
    augmentations = written.read([asked])
    written.check_task(augmentations, AudioClassification)
    _, batch = batch_of(task, heard)
    changed = Augmenter(augmentations, 0)(batch, 0)
    (before, _), (after, length) = task.inputs(batch), task.inputs(changed)
    assert not torch.allclose(before, after)
    # Sounds are from -1 to 1 before and after, and behind their end there is nothing.
    assert before.abs().max() < 0.5
    assert after.abs().max() < 1
    there = torch.arange(after.shape[1]) < length[:, None]
    assert not (after * ~there).any()


def test_a_mixed_sound_is_as_long_as_the_longer_of_the_two(heard):
    task = learn(heard)
    _, batch = batch_of(task, heard)
    mixed = Augmenter(written.read(["mixup=1"]), 0)(batch, 0)
    assert (mixed[SHARE] < 1).all()
    assert mixed["audio_length"].tolist() == [2 * RATE, RATE, RATE, 2 * RATE]
    alone = Augmenter(written.read(["mixup=1:p=0"]), 0)(batch, 0)
    assert alone["audio_length"].tolist() == batch["audio_length"].tolist()


def test_spoken_words_are_told_apart_from_a_folder_by_class(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(120):
        word = WORDS[number % len(WORDS)]
        sound = speaker().speak(word, int(draw.integers(130, 200)), int(draw.integers(20, 80)))
        path = tmp_path / "words" / word / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound)
    workspace = Workspace.open(tmp_path / "home")
    version = ingest(workspace, str(tmp_path / "words"), "words").version
    assert (version.task, version.target) == ("audio-classification", "label")
    given = {"dataset": "words", "epochs": 10, "augment": ["noise"], "threads": 1}
    started = start_training(workspace, {**given, "options": {"width": 8, "mels": 32}})
    state = started.wait(DEADLINE)
    assert state.state == "finished", started.log_tail()
    report = evaluate_model(workspace, "words_sound-cnn")
    assert report.metrics["accuracy"] > 0.8 > 0.4 > report.baseline["accuracy"]
    path = tmp_path / "a.wav"
    path.write_bytes(speaker().speak("seven", 165, 45))
    (answer,) = Engine(workspace, "cpu").predict("words_sound-cnn", [str(path)])
    assert answer.ok
    assert answer.output["label"] == "seven"
