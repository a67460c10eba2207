"""Which piece comes next, against transformers' own processors."""

import json

import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from core.errors import UsageError
from core.generation.choosing import Chooser
from core.generation.sampling import OPTIONS, Sampling

DRAWN = 4000


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({"top_k": 5}, [TopKLogitsWarper(5)]),
        ({"top_p": 0.7}, [TopPLogitsWarper(0.7)]),
        ({"min_p": 0.2}, [MinPLogitsWarper(0.2)]),
        (
            {"temperature": 1.7, "top_k": 9, "top_p": 0.9, "min_p": 0.1},
            [
                TemperatureLogitsWarper(1.7),
                TopKLogitsWarper(9),
                TopPLogitsWarper(0.9),
                MinPLogitsWarper(0.1),
            ],
        ),
        ({"repetition_penalty": 3.0}, [RepetitionPenaltyLogitsProcessor(3.0)]),
    ],
)
def test_pieces_are_drawn_as_transformers_draws_them(settings, theirs):
    torch.manual_seed(1)
    logits = torch.randn(20) * 2
    prompt = [3, 7, 7]
    wanted = logits[None].clone()
    for each in theirs:
        wanted = each(torch.tensor([prompt]), wanted)
    wanted = wanted[0].softmax(0)
    chosen = {"temperature": 1.0, "top_k": 0, "seed": 5, **settings}
    counts = torch.zeros(20)
    for seed in range(DRAWN):
        chooser = Chooser(Sampling.of({**chosen, "seed": seed}), prompt, None)
        counts[chooser.choose(logits)] += 1
    assert ((counts > 0) <= (wanted > 0)).all()
    assert (counts / DRAWN - wanted).abs().max() < 0.03


def test_what_was_said_is_penalised_as_it_comes():
    logits = torch.tensor([2.0, 1.9, 1.8, -5.0])
    chooser = Chooser(Sampling(temperature=0, repetition_penalty=1.5), [], None)
    assert [chooser.choose(logits) for _ in range(3)] == [0, 1, 2]


def test_what_the_answer_said_is_penalised_by_presence_and_frequency():
    """As OpenAI documents it: logits[j] - count[j] * frequency - (count[j] > 0) * presence."""
    torch.manual_seed(2)
    settings = {"presence_penalty": 0.7, "frequency_penalty": 0.4, "logit_bias": {"2": 1.5}}
    chooser = Chooser(Sampling.of({"temperature": 0, **settings}), [0, 0, 1], None)
    counts = torch.zeros(6)
    for _ in range(40):
        logits = torch.randn(6)
        wanted = logits - counts * 0.4 - (counts > 0) * 0.7
        wanted[2] += 1.5
        piece = chooser.choose(logits)
        assert piece == int(wanted.argmax())
        counts[piece] += 1
    assert (counts > 0).all()


def test_a_bias_forbids_and_forces_a_piece():
    logits = torch.tensor([9.0, 1.0, 0.0, -3.0])
    for bias, wanted in (({0: -100}, 1), ({3: 100}, 3)):
        for seed in range(20):
            chooser = Chooser(Sampling.of({"logit_bias": bias, "seed": seed}), [], None)
            found = chooser.choose(logits)
            assert found == wanted or (wanted == 1 and found == 2)


def test_settings_are_read_and_wrong_ones_told_all_at_once():
    read = Sampling.of({"temperature": "0.5", "max_tokens": "7", "stop": ["a", "b"]})
    assert (read.temperature, read.max_tokens, read.stop) == (0.5, 7, ("a", "b"))
    assert Sampling.of({}) == Sampling()
    assert Sampling.of(read.to_json()) == read
    more = Sampling.of({"logit_bias": '{"7": -1.5}', "logprobs": 3, "presence_penalty": "0.5"})
    assert more.logit_bias == {7: -1.5}
    assert Sampling.of(json.loads(json.dumps(more.to_json()))) == more
    for wrong in ({"logit_bias": {"x": 1}}, {"logit_bias": {"-1": 1}}, {"logit_bias": {"1": 101}},
                  {"logit_bias": "[1]"}, {"logprobs": 21}, {"logprobs": True},
                  {"frequency_penalty": 3}):  # fmt: skip
        with pytest.raises(UsageError, match=next(iter(wrong))):
            Sampling.of(wrong)
    assert {option.name for option in OPTIONS} < set(read.to_json())
    with pytest.raises(UsageError) as told:
        Sampling.of({"temprature": 1, "top_p": 2, "max_tokens": -1, "stop": [""]})
    for words in ('no option "temprature"', "top_p=2 cannot be", "max_tokens=-1", "stop cannot be"):
        assert words in str(told.value)
