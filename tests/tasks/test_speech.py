"""Speech: transcripts, sounds of any rate and length, CTC, and speech that is understood."""

import io
import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from core.augmentation import written
from core.augmentation.augmenter import Augmenter
from core.data.cleaning.steps import audio
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.models.architectures import build
from core.models.folder import load_module, save_model
from core.models.registry import open_folder, task_of
from core.tasks import facts, guess
from core.tasks.ctc import Ctc
from core.tasks.preprocessing import SoundReading
from core.tasks.sounds import LEAST, RATE
from core.tasks.speech_recognition import SpeechRecognition
from core.tasks.transcripts import STRANGE, Letters, edits, normalised
from core.training.start import start_training
from core.workspace import Workspace

from .speaker import speaker, spoken

DEADLINE = 300
WORDS = ("red", "blue", "green", "seven", "nine", "open", "close", "door")


def tone(seconds, rate=8000, channels=1):
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) * 0.3)
    return audio.encode(np.repeat(wave[:, None], channels, 1), rate)


@pytest.fixture
def heard(opened):
    """Three sounds of other rates, lengths and channels, and one without a transcript."""
    return opened(
        {
            "audio": [tone(0.5), tone(1, 44_100, 2), tone(0.01), tone(1)],
            "transcript": ["Ab,  ba!", "don’t", "ab ba", None],
        },
        media={"audio": "audio"},
    )


def learn(view, **options):
    fit = guess(facts(view))
    assert fit.task == "automatic-speech-recognition"
    return SpeechRecognition.learn(fit, view, "train", options)


def batches(task, view):
    return list(task.examples(task.read(view, "train", 64)))


def test_a_small_file_that_holds_hours_is_refused_before_it_is_decoded(heard):
    task = learn(heard)

    def refused(content, why):
        tracemalloc.start()
        with pytest.raises(LeptonError, match=why):
            task.encode([{"audio": content}], target=False)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
        tracemalloc.stop()

    packed = io.BytesIO()
    with soundfile.SoundFile(packed, "w", 8000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(3):
            file.write(np.zeros(1 << 22, np.int16))
    assert len(packed.getvalue()) < 200_000
    refused(packed.getvalue(), "1572.9 s long, and the model hears 600 s at once")
    slow = audio.encode(np.zeros((2000, 1)), 1)
    refused(slow, "2000.0 s long")
    for rate in (0, 2**31 - 19):
        refused(slow[:24] + struct.pack("<I", rate) + slow[28:], "samples a second")
    task.seconds = 1
    refused(tone(1.1), r"1.1 s long, and the model hears 1 s")
    task.encode([{"audio": tone(1)}], target=False)


def test_rates_without_a_plain_ratio_need_no_filter_longer_than_the_sound():
    tone = np.sin(np.arange(99_991) * 0.01)[:, None]
    tracemalloc.start()
    odd = audio.resample(tone, 99_991, RATE)
    assert tracemalloc.get_traced_memory()[1] < 60 << 20
    tracemalloc.stop()
    plain = audio.resample(tone, 100_000, RATE)
    assert len(odd) == RATE
    assert np.abs(odd[:10_000, 0] - np.sin(np.arange(10_000) * 0.0624943750)).max() < 0.01
    assert np.abs(plain[100:200] - odd[100:200]).max() < 0.05


def test_transcripts_are_compared_without_case_marks_and_spaces():
    assert normalised("  Hello, World!  It’s 5 o'clock. ") == "hello world it's 5 o'clock"
    assert normalised("ÄRGER – nämlich") == "ärger nämlich"
    assert normalised("किताब") == "किताब"


def test_a_column_of_classes_is_no_transcript_unless_named(opened):
    columns = {"audio": [tone(1)] * 4, "language": ["en", "de"] * 2}
    view = opened(columns, media={"audio": "audio"})
    with pytest.raises(UsageError):
        guess(facts(view), task="automatic-speech-recognition")
    assert guess(facts(view), "language").task == "audio-classification"
    named = guess(facts(view), "language", "automatic-speech-recognition")
    assert named.task == "automatic-speech-recognition"


def test_who_names_no_transcript_hears_which_columns_could_be_one(opened):
    view = opened(
        {"audio": [b"a"] * 4, "digit": [1, 2, 3, 4], "rate": [8000] * 4, "path": list("abcd")},
        media={"audio": "audio"},
    )
    with pytest.raises(UsageError, match="a column of transcripts") as told:
        guess(facts(view), task="automatic-speech-recognition")
    assert told.value.hint == "Name the column that says what is said: --target digit."
    with pytest.raises(UsageError) as told:
        guess(facts(opened({"digit": [1, 2]})), task="automatic-speech-recognition")
    assert "lepton data import FOLDER --labels" in told.value.hint


def test_letters_go_to_codes_and_back():
    letters = Letters.learn(["ab ba", "cab"])
    assert letters.known == (" ", "a", "b", "c")
    assert letters.decode([*letters.encode("a cab"), -1, -1]) == "a cab"
    assert letters.decode(letters.encode("axb")) == f"a{STRANGE}b"


def test_errors_are_counted_over_all_transcripts():
    found = edits(["one two three", "four", ""], ["one too three", "", "five"])
    words, letters = [1, 1, 1], [1, 4, 4]
    assert [each.tolist() for each in found] == [words, [3, 1, 0], letters, [13, 4, 0]]


def test_sounds_become_samples_of_one_rate_and_one_channel(heard):
    task = learn(heard)
    assert task.commonest == "Ab, ba!"
    (made,) = batches(task, heard)
    assert made["audio"].lengths.tolist() == [RATE // 2, RATE, LEAST]
    assert made["audio"].values.dtype == np.int16
    power = np.square(made["audio"].parts()[1] / 32767).mean()
    assert power == pytest.approx(0.3**2 / 2, rel=0.01)
    assert [task.transcribing.decode(part) for part in made["target"].parts()] == [
        *("ab ba", "don't", "ab ba")
    ]
    assert made["_rid"].tolist() == [0, 1, 2]


def test_the_codec_stands_alone(heard):
    task = learn(heard)
    back = SpeechRecognition.from_json(json.loads(json.dumps(task.to_json())))
    assert back.to_json() == task.to_json()
    assert back.shape["outputs"] == len("abdnot '") + 2
    assert (back.shape["kind"], back.shape["rate"]) == ("speech", RATE)
    with pytest.raises(UsageError, match='has no option "mels"'):
        learn(heard, mels=4)


def test_the_baseline_says_the_commonest_transcript(heard):
    task = learn(heard)
    (made,) = batches(task, heard)
    batch = run(as_tensors(made), 0, 3)
    outputs = task.naive(batch)
    found = task.keep(outputs, batch).numpy()
    assert [each["text"] for each in task.answers(found)] == ["ab ba"] * 3
    scores = task.scores(found, made["target"])
    assert scores["word_error_rate"] == pytest.approx(2 / 5)
    assert scores["exact_match"] == pytest.approx(2 / 3)
    assert torch.isfinite(task.loss(outputs, batch))


def test_the_letters_of_a_pretrained_model_are_taken_over_where_they_do(heard):
    said = ("", "|", "?", "a", "b", "A", "d", "n", "o", "'", "t", " ", ".", "th")
    reading = SoundReading(8000, False, said, blank=1, strange=2)
    fit = guess(facts(heard))
    task = SpeechRecognition.learn(fit, heard, "train", reading=reading)
    writing = task.transcribing
    assert writing.letters.known == tuple(" 'abdnot")
    assert writing.places == (1, 11, 9, 3, 4, 6, 7, 8, 10, 2)
    assert (task.rate, task.shape["level"]) == (8000, False)
    assert task.shape["outputs"] == len(writing.places)
    (made,) = batches(task, heard)
    assert made["audio"].lengths.tolist() == [4000, 8000, LEAST]
    back = SpeechRecognition.from_json(json.loads(json.dumps(task.to_json())))
    assert back.to_json() == task.to_json()
    lacking = replace(reading, letters=said[:6])
    task = SpeechRecognition.learn(fit, heard, "train", reading=lacking)
    assert task.transcribing.places == ()
    assert task.transcribing.letters.known == learn(heard).transcribing.letters.known
    assert "the pretrained model lacks some of the letters: they are learnt anew" in task.notes


def test_repeats_and_blanks_are_no_letters():
    letters = Letters(("a", "b"))
    task = SpeechRecognition("audio", "text", Ctc(letters), commonest="a")
    steps = torch.tensor([[1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 2]])
    logits = torch.nn.functional.one_hot(steps, letters.size).float()
    found = task.keep((logits, torch.tensor([7, 6])), {})
    assert found.tolist() == [[1, 1, 2], [-1, -1, -1]]
    assert task.answers(found.numpy()) == [{"text": "aab"}, {"text": ""}]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("speech-gru", {"width": 16, "hidden": 8, "layers": 1}),
        ("wav2vec2", {"channels": 8, "width": 16, "layers": 1}),
    ],
)
def test_padding_changes_no_answer(heard, name, options):
    task = learn(heard)
    (made,) = batches(task, heard)
    tensors = as_tensors(made)
    torch.manual_seed(0)
    model = build(name, task.shape, options).eval()
    together, steps = model(*task.inputs(run(tensors, 0, 3)))
    for at in range(3):
        alone, own = model(*task.inputs(run(tensors, at, at + 1)))
        assert own.tolist() == [steps[at]]
        assert torch.allclose(alone[0], together[at, : own[0]], atol=1e-4)


@pytest.mark.parametrize("mels", [64, 40])
def test_a_model_of_the_first_release_answers_as_it_did(heard, tmp_path, mels):
    task = learn(heard)
    options = {"mels": mels, "width": 16, "hidden": 8, "layers": 1, "dropout": 0.0}
    torch.manual_seed(0)
    module = build("speech-gru", task.shape, options).eval()
    save_model(
        tmp_path, module, task, {"name": "it", "architecture": "speech-gru", "options": options}
    )
    # Its bands were the task's, and neither rate nor anything of pretrained models was written.
    info = json.loads((tmp_path / "model.json").read_text())
    info["codec"] |= {"mels": mels}
    for name in ("rate", "seconds", "level", "places"):
        del info["codec"][name]
    info["shape"] = {"kind": "speech", "mels": mels, "outputs": task.shape["outputs"]}
    del info["options"]["mels"]
    (tmp_path / "model.json").write_text(json.dumps(info))
    folder = open_folder(tmp_path)
    (made,) = batches(task, heard)
    batch = run(as_tensors(made), 0, 3)
    with torch.inference_mode():
        expected = task.solve(module, batch)
        assert torch.equal(task_of(folder).solve(load_module(folder), batch), expected)


@pytest.mark.parametrize("asked", ["noise=10:p=1", "shift:fill=silence", "masks"])
def test_augmentations_change_the_sound_before_it_is_seen(heard, asked):
    task = learn(heard)
    (made,) = batches(task, heard)
    rows = torch.from_numpy(made.pop("_rid"))
    batch = {**run(as_tensors(made), 0, 3), "_rid": rows}
    changed = Augmenter(written.read([asked]), 0)(batch, 0)
    assert changed["audio"].is_floating_point()
    assert changed["audio"].abs().max() < 2
    (before, length), (after, same) = task.inputs(batch), task.inputs(changed)
    assert torch.equal(length, same)
    assert not torch.allclose(before, after)
    # Behind the end of a sound there is nothing.
    assert not changed["audio"][0, RATE // 2 :].any()


def test_what_is_no_sound_is_named(opened):
    view = opened(
        {"audio": [tone(1), b"noise"], "text": ["a", "b"], "path": ["a.wav", "b.wav"]},
        media={"audio": "audio"},
    )
    with pytest.raises(LeptonError, match="the sound cannot be read") as caught:
        batches(learn(view), view)
    assert caught.value.where == "column audio, b.wav"
    empty = opened({"audio": [tone(1)], "text": ["..."]}, media={"audio": "audio"})
    with pytest.raises(LeptonError, match="has no transcript"):
        learn(empty)


@pytest.mark.slow
def test_speech_is_understood(tmp_path):
    table = spoken(WORDS, 200, most=3)
    workspace = Workspace.open(tmp_path)
    Lake(workspace).commit("speech", table, op="test", media={"audio": "audio"})
    started = start_training(
        workspace,
        {
            "dataset": "speech",
            "epochs": 20,
            "batch_size": 8,
            "lr": 4e-3,
            "options": {"width": 64, "hidden": 64, "layers": 1, "mels": 32},
            "augment": ["shift=0.05:fill=silence"],
            "threads": 1,
        },
    )
    state = started.wait(DEADLINE)
    assert state.state == "finished", started.log_tail()
    report = evaluate_model(workspace, "speech_speech-gru")
    assert report.rows == 40
    assert report.metrics["word_error_rate"] < 0.3 < 0.7 < report.baseline["word_error_rate"]
    path = tmp_path / "a.wav"
    path.write_bytes(speaker().speak("green door", 165, 45))
    (answer,) = Engine(workspace, "cpu").predict("speech_speech-gru", [str(path)])
    assert answer.ok
    assert answer.output["text"] == "green door"
