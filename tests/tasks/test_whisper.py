"""Speech that is written piece by piece: features, what is shown of a target, and what is said."""

import json

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from core.data.cleaning.steps import audio
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.inference.forward import judged, naive
from core.models.architectures import architecture, build
from core.models.hub.base import Base
from core.models.hub.pretrained import start
from core.models.hub.writer import log_mel
from core.tasks import facts, guess
from core.tasks.sounds import RATE
from core.tasks.speech_recognition import SpeechRecognition
from core.training.start import start_training
from core.workspace import Workspace
from tests.models import bases

from .speaker import speaker, spoken

DEADLINE = 500
WHISPER = architecture("whisper").reading
SMALL = {"mels": 16, "width": 16, "layers": 1}
FULL = {"tune": "full", "rank": 4, "alpha": 8}
TEXTS = ["Ab,  ba!", "don’t", "Ab, ba!"]


def tone(seconds, rate=8000, pitch=0.3):
    return audio.encode(0.3 * np.sin(np.arange(round(seconds * rate)) * pitch)[:, None], rate)


@pytest.fixture
def heard(opened):
    sounds = [tone(0.5), tone(1.1, 44_100), tone(0.01)]
    return opened({"audio": sounds, "text": TEXTS}, media={"audio": "audio"})


def learn(view, reading=WHISPER, **options):
    return SpeechRecognition.learn(guess(facts(view)), view, "train", options, reading)


def encoded(task, view):
    (made,) = task.examples(task.read(view, "train", 64))
    return as_tensors({name: each for name, each in made.items() if name != "_rid"})


@pytest.mark.parametrize("mels", [80, 128])
def test_the_spectrogram_is_that_of_whisper(mels):
    draw = np.random.default_rng(0)
    sounds = [draw.normal(0, size, length) for size, length in ((0.1, 400), (0.5, 48_000))]
    sounds = [each.astype(np.float32) for each in [*sounds, np.zeros(5000)]]
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=3)
    expected = extractor(sounds, sampling_rate=RATE, return_tensors="pt").input_features
    together = torch.zeros(3, 48_000)
    for row, sound in zip(together, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    found = log_mel(together, torch.tensor([*map(len, sounds)]), 48_000, mels)
    assert found.shape == (3, mels, 300)
    assert torch.allclose(found, expected, atol=1e-5)
    # Its own way with numpy alone.
    whole = np.pad(sounds[0], (0, 48_000 - 400))[None]
    plain = extractor._np_extract_fbank_features(whole, "cpu")
    assert np.allclose(found[:1].numpy(), plain, atol=1e-5)


def test_targets_are_pieces_as_they_are_written_and_scores_look_past_case_and_marks(heard):
    task = learn(heard)
    rows = encoded(task, heard)
    (start,), end = task.transcribing.prefix, task.transcribing.pairs.end
    batch = run(rows, 0, 3)
    assert [task.transcribing.decode(each) for each in rows["target"].numpy().parts()] == [
        *("Ab, ba!", "don’t", "Ab, ba!")
    ]
    *_, written = task.inputs(batch)
    for shown, target, length in zip(written, batch["target"], batch["target_length"], strict=True):
        assert target[length - 1] == end
        assert shown[: length + 1].tolist()[:length] == [start, *target[: length - 1].tolist()]
    assert len(task.inputs({name: batch[name] for name in ("audio", "audio_length")})) == 2
    told = naive(task, rows, batch_size=2)
    assert task.answers(told.found) == [{"text": "Ab, ba!"}] * 3
    target = rows["target"].numpy()
    assert task.scores(told.found, target)["word_error_rate"] == pytest.approx(2 / 5)
    other = as_tensors(task.encode([{"audio": tone(1), "text": "AB BA"}] * 3, target=True))
    assert task.scores(told.found, other["target"].numpy())["exact_match"] == 1


def test_the_codec_stands_alone(heard):
    task = learn(heard)
    assert task.seconds == 2
    back = SpeechRecognition.from_json(json.loads(json.dumps(task.to_json())))
    assert back.to_json() == task.to_json()
    assert back.shape == task.shape
    assert task.shape["kind"] == "speech-seq2seq"
    assert learn(heard, seconds=9).shape["seconds"] == 9
    with pytest.raises(UsageError, match="language=de cannot be"):
        learn(heard, language="de")
    with pytest.raises(UsageError, match="tells letters alone"):
        learn(heard, None, language="de")


def test_what_is_too_long_is_told_with_its_row(heard):
    rows = [{"audio": tone(1.1), "text": "a", "path": "long.wav"}]
    for reading in (WHISPER, None):
        task = learn(heard, reading, seconds=1)
        with pytest.raises(LeptonError, match=r"is 1\.1 s long, and the model hears 1 s") as caught:
            task.encode(rows, target=True)
        assert caught.value.where == "column audio, long.wav"
    with pytest.raises(LeptonError, match="and the model writes 446 at most") as caught:
        learn(heard).encode([{**rows[0], "text": "xyz" * 300}], target=True)
    assert caught.value.where == "column text, long.wav"


def test_neither_padding_nor_the_target_changes_an_answer(heard):
    task = learn(heard)
    rows = encoded(task, heard)
    torch.manual_seed(0)
    model = build("whisper", task.shape, SMALL).eval()
    batch = run(rows, 0, 3)
    with torch.inference_mode():
        together, said = model(*task.inputs(batch)), task.solve(model, batch)
        assert said.shape[1] > 1
        for at in range(3):
            one = run(rows, at, at + 1)
            alone, length = model(*task.inputs(one)), one["target"].shape[1]
            assert torch.allclose(alone[0], together[at, :length], atol=1e-4)
            own = task.solve(model, {"audio": one["audio"], "audio_length": one["audio_length"]})
            assert own[0, (own[0] >= 0)].tolist() == said[at, said[at] >= 0].tolist()
    told = judged(model, task, rows, device=torch.device("cpu"), batch_size=2)
    assert np.array_equal(told.found, said.numpy())
    assert told.loss == pytest.approx(float(task.loss(together, batch)), rel=1e-5)


def test_a_writer_says_what_transformers_own_says(heard, tmp_path):
    folder = bases.whisper(tmp_path / "it", TEXTS)
    base = Base.find(str(folder))
    reading = base.reading("audio")
    assert (reading.seconds, reading.most, reading.language) == (2, 40, "en")
    task = learn(heard, reading, language="de")
    said = []
    module = start(base, task.shape, **FULL, say=said.append).eval()
    assert not said
    assert len(task.transcribing.prefix) == 4
    batch = run(encoded(task, heard), 0, 3)
    sound, length, written = task.inputs(batch)
    bands = log_mel(sound, length, 2 * RATE, 80)
    with torch.inference_mode():
        ours, found = module(sound, length, written), task.solve(module, batch)
        theirs = module.model(bands, decoder_input_ids=written).logits
        assert torch.allclose(ours, theirs[:, 3 : 3 + ours.shape[1], :-3], atol=1e-5)
        model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
        model.generation_config.suppress_tokens += list(
            range(task.shape["outputs"], model.config.vocab_size)
        )
        asked = {"language": "de", "task": "transcribe", "max_new_tokens": 20}
        expected = model.generate(bands, return_timestamps=False, **asked)
    for own, other in zip(found.long().tolist(), expected.tolist(), strict=True):
        other = other[4:] if other[:4] == list(task.transcribing.prefix) else other
        own = [piece for piece in own if piece >= 0]
        assert own[: len(other)] == other[: len(own)]
    with pytest.raises(UsageError, match="language=fr cannot be"):
        learn(heard, reading, language="fr")
    with pytest.raises(UsageError, match="hears 2 at once"):
        learn(heard, reading, seconds=3)


def test_a_transcript_ends_where_nobody_could_have_said_more(heard):
    task = learn(heard)
    torch.manual_seed(0)
    model = build("whisper", {**task.shape, "silent": [task.transcribing.pairs.end]}, SMALL).eval()
    with torch.inference_mode():
        said = task.solve(model, run(encoded(task, heard), 0, 3))
    # Half a second, 1.1 seconds, and nearly nothing.
    assert (said >= 0).sum(1).tolist() == [8 + 12, 8 + 27, 8]


@pytest.mark.slow
def test_sentences_are_written_that_it_never_heard(tmp_path):
    workspace = Workspace.open(tmp_path)
    table = spoken(("red", "blue", "seven", "open"), 300, most=2)
    Lake(workspace).commit("speech", table, op="test", media={"audio": "audio"})
    started = start_training(
        workspace,
        {
            "dataset": "speech",
            "model": "whisper",
            "epochs": 16,
            "batch_size": 8,
            "lr": 2e-3,
            "options": {"width": 64, "layers": 1, "mels": 40, "dropout": 0.0},
            "threads": 1,
        },
    )
    state = started.wait(DEADLINE)
    assert state.state == "finished", started.log_tail()
    report = evaluate_model(workspace, "speech_whisper")
    assert report.rows == 60
    assert report.metrics["word_error_rate"] < 0.3 < 0.7 < report.baseline["word_error_rate"]
    path = tmp_path / "a.wav"
    path.write_bytes(speaker().speak("seven red", 165, 45))
    (answer,) = Engine(workspace, "cpu").predict("speech_whisper", [str(path)])
    assert answer.ok
    assert answer.output["text"] == "seven red"
