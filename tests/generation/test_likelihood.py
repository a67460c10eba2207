"""How likely each token was: what a plain pass of the model says, whatever the settings do."""

import pytest
import torch

from core.errors import UsageError
from core.generation.generation import advance
from core.generation.likelihood import LEAST, Likelihoods
from core.generation.sampling import Sampling
from core.tasks.byte_pairs import BytePairs

from .conftest import pairs


def answered(module, generation):
    """The parts of an answer, as its lane tells them."""
    parts = []
    while not generation.over:
        advance(module, [generation])
        if part := generation.take():
            parts.append(part)
    assert generation.error is None
    return parts


def tokens_of(parts):
    return [token for part in parts for token in part.tokens]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0},
        {"temperature": 1.8, "top_k": 3, "top_p": 0.8, "seed": 4, "repetition_penalty": 1.4},
        {"temperature": 1.2, "seed": 5, "logit_bias": {"40": 3, "41": -100}, "presence_penalty": 1},
    ],
)
def test_log_probabilities_are_those_of_a_plain_pass(model, prompts, settings):
    task, module = model
    for prompt in prompts:
        sampling = Sampling.of({"max_tokens": 20, "logprobs": 5, **settings})
        generation = task.going_on(prompt, sampling)
        parts = answered(module, generation)
        tokens = tokens_of(parts)
        pieces = generation.pieces
        assert len(tokens) == len(pieces)
        with torch.inference_mode():
            whole = module(torch.tensor([[*prompt, *pieces]]))[0, len(prompt) - 1 :]
        wanted = whole.double().log_softmax(-1)
        text = "".join(part.text for part in parts)
        for at, (token, piece) in enumerate(zip(tokens, pieces, strict=True)):
            assert token.logprob == pytest.approx(float(wanted[at, piece]), abs=1e-4)
            best = wanted[at].topk(5)
            assert [more for _, more in token.likeliest] == pytest.approx(
                best.values.tolist(), abs=1e-4
            )
            names = [task.pairs.bytes_of(one) for one in best.indices.tolist()]
            assert [name for name, _ in token.likeliest] == names
            # After half a letter nobody can tell where the next one begins.
            if token.raw.isascii() and (not at or tokens[at - 1].raw.isascii()):
                assert text[token.offset :].startswith(token.raw.decode())


def test_who_asks_for_none_is_told_none_and_says_the_same(model, prompts):
    task, module = model
    plain = Sampling(max_tokens=20, temperature=1.5, seed=2)
    one, other = (task.going_on(prompts[0], each) for each in (plain, plain.but(logprobs=0)))
    told, likely = answered(module, one), answered(module, other)
    assert one.pieces == other.pieces
    assert tokens_of(told) == []
    assert [token.likeliest for token in tokens_of(likely)] == [[]] * 20


def test_tokens_of_a_stop_word_are_not_told(model, prompts):
    task, module = model
    sampling = Sampling(max_tokens=20, temperature=0, logprobs=1)
    whole = answered(module, task.going_on(prompts[0], sampling))
    text, tokens = "".join(part.text for part in whole), tokens_of(whole)
    assert len(text) > 12
    for cut in (5, 6, 7, 8):
        stop = text[cut : cut + 4]
        if text.index(stop) != cut:
            continue
        found = answered(module, task.going_on(prompts[0], sampling.ending([stop])))
        assert "".join(part.text for part in found) == text[:cut]
        assert tokens_of(found) == [token for token in tokens if token.offset < cut]


def test_a_token_comes_with_the_part_it_begins_in(model, prompts):
    task, module = model
    sampling = Sampling(max_tokens=24, temperature=3.0, top_k=0, seed=7, logprobs=0)
    parts = answered(module, task.going_on(prompts[0], sampling))
    begun = 0
    for part in parts[:-1]:
        assert all(begun <= token.offset < begun + len(part.text) for token in part.tokens)
        begun += len(part.text)


@pytest.mark.parametrize("text", ["naïve – 好的 🎉", "  two  spaces\n\ttab", "\x00\x7f\xad"])
def test_pieces_stand_for_the_bytes_of_a_text(text):
    (pieces,) = pairs().encode([text])
    assert b"".join(map(pairs().bytes_of, pieces)).decode() == text
    assert pairs().bytes_of(pairs().end) == b"<|endoftext|>"


def test_pieces_of_sentences_stand_for_their_bytes_too():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    rare = {f"<0x{byte:02X}>": byte for byte in range(256)}
    made = Tokenizer(models.BPE({**rare, "\u2581": 256, "a": 257}, [], byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    known = BytePairs(made.to_str(), 0)
    (pieces,) = known.encode(["a 好"])
    assert b"".join(map(known.bytes_of, pieces)).decode() == " a 好"


def test_what_cannot_be_is_no_infinity():
    likely = Likelihoods(2, lambda piece: bytes([piece]))
    likely.hear(1, torch.tensor([0.0, -torch.inf, -torch.inf]), 3, 0)
    (token,) = likely.told(1)
    assert token.logprob == LEAST
    assert [more for _, more in token.likeliest] == [0.0, LEAST]


def test_a_bias_for_a_token_that_is_none_is_refused(model, prompts):
    task, _ = model
    size = len(task.counts)
    task.going_on(prompts[0], Sampling.of({"logit_bias": {size - 1: 1}}))
    with pytest.raises(UsageError, match=f"names the token {size}, which this model has not"):
        task.going_on(prompts[0], Sampling.of({"logit_bias": {size: 1}}))
