"""Examples of different length: each in its place in a batch, and nothing but zeros behind it."""

import numpy as np
import pytest
import torch

from core.inference import examples
from core.inference.examples import as_tensors, joined, run, take
from core.tasks.ragged import Ragged


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("width", [(), (3,)])
@pytest.mark.parametrize("lengths", [[4, 0, 7, 1, 0], [0, 0], [2, 2]])
def test_a_batch_has_each_example_and_its_length(lengths, width, at_once, monkeypatch):
    monkeypatch.setattr(examples, "SHORT", 1024 if at_once else -1)
    draw = np.random.default_rng(0)
    parts = [draw.integers(1, 9, (length, *width)).astype(np.int16) for length in lengths]
    whole = as_tensors({"x": Ragged.of(parts)})
    last = len(lengths) - 1
    for places in ([last, 0], [0, 0, 1], [1]):
        batch = take(whole, torch.tensor(places))
        assert batch["x_length"].tolist() == [lengths[at] for at in places]
        assert batch["x"].dtype == torch.int16
        assert batch["x"].shape == (len(places), max(lengths[at] for at in places), *width)
        for row, at in zip(batch["x"].numpy(), places, strict=True):
            assert np.array_equal(row[: lengths[at]], parts[at])
            assert not row[lengths[at] :].any()
    both = run(whole, 0, len(lengths))
    one = joined(run(whole, 0, 1), run(whole, 1, len(lengths)))
    assert both.keys() == one.keys()
    assert all(torch.equal(both[name], one[name]) for name in both)
