"""LSTM and GRU over padding: as torch has them packed, and without asking how long texts are."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from core.models import recurrent
from core.models.architectures import build, resolve

LENGTHS = torch.tensor([7, 1, 12, 12, 5])
SPEECH = {"kind": "speech", "rate": 8000, "outputs": 9, "level": True, "places": []}
TEXTS = {"kind": "tokens", "vocabulary": 50, "length": 12, "outputs": 4}


@pytest.fixture
def padded(monkeypatch):
    """What is packed on a processor goes over the padding, as it does on a GPU."""
    monkeypatch.setattr(recurrent, "PACKED", ())


def twins(kind, layers, dropout=0.0):
    """Ours and torch's own of the same weights."""
    torch.manual_seed(1)
    theirs = getattr(nn, kind)(6, 5, layers, batch_first=True, bidirectional=True)
    ours = getattr(recurrent, kind)(6, 5, layers, dropout=dropout)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def packed(module, x, lengths):
    given = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(module(given)[0], batch_first=True, total_length=x.shape[1])[0]


def compare(kind, layers):
    ours, theirs = twins(kind, layers)
    x = torch.randn(len(LENGTHS), 14, 6)
    # What stands in the padding is of no account.
    x[torch.arange(14) >= LENGTHS[:, None]] = 1e3
    both = []
    for answer, module in ((ours, ours), (lambda *given: packed(theirs, *given), theirs)):
        given = x.clone().requires_grad_()
        states = answer(given, LENGTHS)
        (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
        gradients = {name: each.grad for name, each in module.named_parameters()}
        both.append({"states": states, "x": given.grad, **gradients})
    one, other = both
    assert one.keys() == other.keys()
    for name, each in one.items():
        torch.testing.assert_close(each, other[name], atol=1e-5, rtol=1e-5)
    assert not one["x"][torch.arange(14) >= LENGTHS[:, None]].any()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_and_gradients_are_those_of_packed_examples(kind, layers, padded):
    compare(kind, layers)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_gru_is_packed_on_a_processor(layers, monkeypatch):
    compare("GRU", layers)
    monkeypatch.setattr(recurrent, "pack_padded_sequence", None)
    with pytest.raises(TypeError):
        compare("GRU", layers)


def test_between_layers_values_are_dropped_in_training_alone(padded):
    ours, _ = twins("LSTM", 2, dropout=0.5)
    x = torch.randn(len(LENGTHS), 12, 6)
    assert not torch.equal(ours(x, LENGTHS), ours(x, LENGTHS))
    ours.eval()
    assert torch.equal(ours(x, LENGTHS), ours(x, LENGTHS))


@pytest.mark.parametrize(("name", "shape"), [("lstm", TEXTS), ("speech-gru", SPEECH)])
def test_nothing_is_asked_of_the_device(name, shape, padded):
    """torch's meta device has no values: whoever asks for one, or brings one away, is refused."""
    given = (
        (torch.ones(3, 12, dtype=torch.int32), LENGTHS[:3])
        if name == "lstm"
        else (torch.ones(3, 8000), torch.tensor([8000, 5000, 3000]))
    )
    model = build(name, shape, {**resolve(name, shape), "layers": 2}).to("meta")
    said = model(*(each.to("meta") for each in given))
    logits = said if name == "lstm" else said[0]
    logits.sum().backward()
    assert all(each.grad is not None for each in model.parameters())
