"""Texts: words, vocabulary and length."""

import json

import numpy as np
import pytest
import torch

from core.errors import LeptonError, UsageError
from core.inference.examples import as_tensors, take
from core.tasks import facts, guess, task
from core.tasks.words import Words, split_words
from tests.tasks.conftest import encoded


def learn(view, split="train", **options):
    fit = guess(facts(view), "y", "text-classification")
    return task(fit.task).learn(fit, view, split, options)


def listed(ragged):
    return [part.tolist() for part in ragged.parts()]


def test_words_are_lower_case_with_their_apostrophes_and_marks_stand_alone():
    assert split_words("Don't STOP, now!") == ["don't", "stop", ",", "now", "!"]
    assert split_words("日本 naïve") == ["日", "本", "naïve"]
    assert split_words(" ") == []


def test_the_vocabulary_is_the_frequent_words_of_training_alone(opened):
    view = opened(
        {
            "split": ["train", "train", "train", "test"],
            "text": ["good good film", "bad film", "once", "poison poison poison film"],
            "y": ["a", "b", "a", "b"],
        }
    )
    learned = learn(view)
    assert learned.words.vocabulary == ("<pad>", "<unk>", "film", "good")
    assert learned.shape == {"kind": "tokens", "vocabulary": 4, "length": 3, "outputs": 2}
    train = encoded(learned, view)
    assert listed(train["tokens"]) == [[3, 3, 2], [1, 2], [1]]
    # Longer than any training text: cut.
    test = encoded(learned, view, "test")
    assert listed(test["tokens"]) == [[1, 1, 1]]


def test_an_empty_or_missing_text_is_one_unknown_word():
    words = Words(("<pad>", "<unk>", "a"), 4)
    assert listed(words.encode(["", None, "  "])) == [[1]] * 3
    assert listed(words.encode([])) == []


def test_length_and_vocabulary_are_bounded_and_can_be_named():
    long = Words.learn(["a b " * 1000] * 3)
    assert long.length == 256
    many = [f"w{n} w{n}" for n in range(30_000)]
    assert len(Words.learn(many).vocabulary) == 20_000
    named = Words.learn(many, length=5, vocabulary=100)
    assert (named.length, len(named.vocabulary)) == (5, 100)
    # 95 % of the texts fit whole.
    assert Words.learn(["a"] * 96 + ["a a a a a"] * 4).length == 1
    assert Words.learn(["a"] * 90 + ["a a a a a"] * 10).length == 5


def test_when_no_word_repeats_all_are_kept():
    assert Words.learn(["every word once"]).vocabulary[2:] == ("every", "once", "word")


def test_options_reach_the_codec(opened):
    view = opened({"text": ["a b c d", "b c"], "y": ["x", "z"]})
    assert learn(view, length="2").words.length == 2
    with pytest.raises(UsageError, match="vocabulary=lots cannot be"):
        learn(view, vocabulary="lots")


def test_a_codec_read_back_encodes_the_same(samples):
    lake, version = samples
    with lake.open(version("text/fine_foods_1500.csv")) as view:
        fit = guess(facts(view))
        learned = task(fit.task).learn(fit, view)
        back = type(learned).from_json(json.loads(json.dumps(learned.to_json())))
        (batch,) = view.batches([*learned.columns, learned.target], rows=1_000_000)
    first, again = learned.encode(batch, target=True), back.encode(batch, target=True)
    assert first.keys() == again.keys()
    assert listed(first["tokens"]) == listed(again["tokens"])
    assert np.array_equal(first["target"], again["target"])
    assert back.to_json() == learned.to_json()
    assert learned.labels == ("great", "other")
    assert len(first["tokens"]) == 1500
    assert first["tokens"].lengths.max() == learned.words.length


def test_a_text_alone_is_a_row(opened):
    view = opened({"text": ["a b", "b a"], "y": ["x", "z"]})
    learned = learn(view)
    assert learned.row("b") == {"text": "b"}
    assert learned.encode([learned.row("b")], target=False)["tokens"].lengths.tolist() == [1]
    with pytest.raises(LeptonError, match="3 is no text"):
        learned.encode([{"text": "b"}, {"text": 3}], target=False)


def test_a_batch_is_as_long_as_its_longest_text(opened):
    view = opened({"text": ["a b c d", "b a"], "y": ["x", "z"]})
    learned = learn(view)
    examples = as_tensors(learned.encode([{"text": "a"}, {"text": "a b"}], target=False))
    tokens, length = learned.inputs(take(examples, torch.tensor([1, 0])))
    assert tokens.tolist() == [[2, 3], [2, 0]]
    assert length.tolist() == [2, 1]


def test_a_batch_of_pieces_is_filled_up_as_its_tokenizer_says():
    """What a model tells places by (RoBERTa), or where a text ends (GPT-2)."""
    tokenizers = pytest.importorskip("tokenizers")
    known = tokenizers.models.WordLevel({"a": 0, "<fill>": 1, "b": 2, "?": 3}, unk_token="?")
    written = tokenizers.Tokenizer(known)
    written.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    codec = {"column": "text", "target": "y", "labels": ["x", "z"], "notes": []}
    pieces = {"tokenizer": written.to_str(), "pad": 1, "length": 4}
    restored = task("text-classification").from_json({**codec, **pieces})
    rows = [{"text": text} for text in ("b", "a b a b a b", "", "c a")]
    examples = as_tensors(restored.encode(rows, target=False))
    tokens, length = restored.inputs(take(examples, torch.arange(4)))
    assert tokens.tolist() == [[2, 1, 1, 1], [0, 2, 0, 2], [1, 1, 1, 1], [3, 0, 1, 1]]
    assert length.tolist() == [1, 4, 1, 2]
