"""Text generation: every byte once, a codec that stands alone, text that is learnt."""

import numpy as np
import pytest
import torch

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.ingest import ingest
from core.models.architectures import build
from core.tasks import facts, guess
from core.tasks.text_generation import TextGeneration
from core.training.start import start_training
from core.workspace import Workspace

from .conftest import SAMPLES

EMMA = SAMPLES / "text" / "austen_emma_400k.txt"
DEADLINE = 300


@pytest.fixture
def texts(opened):
    """A view of three hundred lines, an empty one and one that is none among them."""
    lines = EMMA.read_text().splitlines()[:300]
    return opened({"text": [*lines, "", None, "ein Käse für 3 €, bitte – 好"]})


def learned(view, **options):
    fit = guess(facts(view), task="text-generation")
    return TextGeneration.learn(fit, view, "train", options)


def batches(task, view, rows=64):
    return list(task.examples(task.read(view, "train", rows)))


def test_the_worst_blocks_are_shown_with_a_mark_between_texts(texts):
    task = learned(texts, length=64, vocabulary=300)
    (made, *_) = batches(task, texts)
    found = np.zeros((len(made["target"]), 4))
    found[1] = (50.0, 64, 0, 64)
    (worst, *_) = task.verdicts(found, made["target"]).mistakes()
    assert worst["row"] == 1
    said = worst["truth"].split(" ¶ ")
    assert len(said) > 1
    lines = [text for (text,) in texts.sql("SELECT text FROM rows") if text]
    assert any(line.startswith(said[1]) for line in lines)
    assert task.example == "block"


def test_a_data_set_of_texts_alone_is_there_to_go_on(texts, opened):
    assert guess(facts(texts)).task == "text-generation"
    labelled = opened(
        {
            "text": ["good food, and a lot of it, and quick", "it was bad as bad can be"] * 50,
            "label": ["a", "b"] * 50,
        }
    )
    assert guess(facts(labelled)).task == "text-classification"


def test_every_byte_is_a_target_once_in_order(texts):
    task = learned(texts, length=32, vocabulary=400)
    made = batches(task, texts)
    tokens, target = (np.concatenate([each[n] for each in made]) for n in ("tokens", "target"))
    assert tokens.shape[1] == 32
    known = [text for (text,) in texts.sql("SELECT text FROM rows ORDER BY _rid") if text]
    stream = target[target >= 0]
    assert task.pairs.decode(stream.tolist()) == "".join(known)
    assert task.pairs.widths[stream].sum() == len("".join(known).encode())
    assert (stream == 0).sum() == len(known)
    # Each piece is read right before it is to be said.
    read = np.concatenate([tokens.flatten(), [0]])
    assert np.array_equal(read[1 : len(stream)], stream[:-1])
    # The blocks do not depend on how the rows come.
    again = batches(task, texts, rows=7)
    assert np.array_equal(np.concatenate([each["target"] for each in again]), target)
    rows = np.concatenate([each["_rid"] for each in made])
    assert rows[0] == 0
    assert (np.diff(rows) >= 0).all()


def test_the_codec_stands_alone(texts):
    task = learned(texts, vocabulary=500)
    back = TextGeneration.from_json(task.to_json())
    assert back.shape == task.shape
    assert task.shape["vocabulary"] <= 500
    one, other = (t.encode([{"text": "Emma – 好"}], target=False) for t in (task, back))
    assert np.array_equal(one["tokens"].values, other["tokens"].values)
    assert back.pairs.decode(one["tokens"].values.tolist()) == "Emma – 好"


def test_the_baseline_is_the_frequency_of_the_pieces(texts):
    task = learned(texts, length=16)
    (first, *_) = batches(task, texts)
    batch = {"target": torch.from_numpy(first["target"])}
    found = task.keep(task.naive(batch), batch).numpy()
    counts = np.array(task.counts) + 0.5
    target = first["target"][first["target"] >= 0]
    nats = -np.log(counts / counts.sum())[target].sum()
    assert found[:, 0].sum() == pytest.approx(nats, rel=1e-4)
    bits = nats / np.log(2) / task.pairs.widths[target].sum()
    assert task.scores(found, first["target"])["bits_per_byte"] == pytest.approx(bits, rel=1e-4)


def test_no_piece_is_said_from_what_comes_after_it():
    torch.manual_seed(0)
    shape = {"kind": "next-token", "vocabulary": 50, "length": 16, "outputs": 50}
    model = build("gpt", shape, {"width": 16, "heads": 2, "layers": 2}).eval()
    tokens = torch.randint(0, 50, (2, 16))
    changed = tokens.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 50
    with torch.inference_mode():
        one, other = model(tokens), model(changed)
    assert torch.allclose(one[:, :10], other[:, :10], atol=1e-6)
    assert not torch.allclose(one[:, 10:], other[:, 10:], atol=1e-3)


def test_too_little_text_is_told(opened):
    view = opened({"text": ["a few more words than that"] * 3})
    with pytest.raises(LeptonError, match="78 bytes of text, too few"):
        learned(view)


def test_it_learns_a_book_and_goes_on_with_it(tmp_path):
    workspace = Workspace.open(tmp_path)
    part = tmp_path / "emma.txt"
    part.write_text("\n".join(EMMA.read_text().splitlines()[:1500]))
    ingest(workspace, str(part), "emma")
    run = start_training(
        workspace,
        {
            "dataset": "emma",
            "epochs": 6,
            "batch_size": 8,
            "lr": 5e-3,
            "options": {"width": 64, "layers": 2, "heads": 2, "length": 64},
            "threads": 1,
        },
    )
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    report = evaluate_model(workspace, "emma_gpt")
    assert report.metrics["bits_per_byte"] < report.baseline["bits_per_byte"] - 0.25
    assert report.metrics["accuracy"] > 1.4 * report.baseline["accuracy"]
    # Many, as how long an answer gets hangs on the processor: so small a model ends most at once.
    beginnings = ["Emma was not", "She had been", "It was a", "Mr. Knightley", "The", "He", "I am"]
    beginnings += ["Her father", "They were", "There was", "If you", "Harriet"]
    answers = Engine(workspace, "cpu").predict("emma_gpt", beginnings)
    with Lake(workspace).open(report.dataset) as view:
        known = " ".join(text or "" for (text,) in view.sql("SELECT text FROM rows")).split()
    words = " ".join(answer.output["text"] for answer in answers).split()
    assert len(words) > 20
    assert len([word for word in words if word in known]) > len(words) / 3
