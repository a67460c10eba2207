"""Between two records no step waits for the device."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.data.lake.lake import Lake
from core.inference.forward import to_device
from core.models import recurrent
from core.training import loop
from core.training.stepper import Stepper
from tests.tasks.speaker import spoken
from tests.training.test_loop import CASES

aten = torch.ops.aten

SPEECH = {"model": "speech-gru", "batch_size": 8, "options": {"mels": 16, "width": 16, "hidden": 8}}
EACH = {**CASES, "speech": ("words", SPEECH)}


class Waits(TorchDispatchMode):
    """Sees what would wait for a GPU: a tensor's value as a number, or a size that hangs on it."""

    ASKING = (
        aten._local_scalar_dense.default,
        aten.nonzero.default,
        aten.masked_select.default,
        aten.equal.default,
        aten._pack_padded_sequence.default,
    )

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op in self.ASKING:
            self.seen.append(op)
        return op(*args, **(kwargs or {}))


@pytest.fixture
def words(workspace):
    table = spoken(("red", "blue", "seven"), 60)
    return Lake(workspace).commit("words", table, op="test", media={"audio": "audio"})


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    """What is done otherwise on a processor, where it waits for nothing."""
    monkeypatch.setattr(recurrent, "PACKED", ())


@pytest.mark.parametrize("case", EACH)
def test_between_two_records_nothing_waits_for_the_device(case, trainer, request, monkeypatch):
    """But torch's own CTC loss, inside which nothing is seen."""
    dataset, settings = EACH[case]
    request.getfixturevalue(dataset)
    monkeypatch.setattr(loop, "RECORD_SECONDS", 1e9)
    it = trainer(dataset, **settings, epochs=1)
    step, prepared, waits = it.train_step, it._prepared, Waits()

    def seen(work):
        def done(*given):
            if it.progress.step < 2:
                return work(*given)
            with waits:
                return work(*given)

        return done

    monkeypatch.setattr(it, "train_step", seen(step))
    monkeypatch.setattr(it, "_prepared", seen(prepared))
    assert it.fit()
    assert it.progress.step > 3
    assert waits.seen == []


@pytest.mark.parametrize("case", [case for case in CASES if case != "half"])
def test_a_step_is_taken_where_no_value_can_be_had(case, trainer, request):
    """torch's meta device has no values: what asks for one, or brings one away, is refused.

    It knows no half precision and no clipping, though.
    """
    dataset, settings = CASES[case]
    request.getfixturevalue(dataset)
    it = trainer(dataset, **settings, epochs=1)
    nowhere = torch.device("meta")
    config, targets = it.config.with_(clip=None), it.train.target
    stepper = Stepper(it.module.to(nowhere), it.task, config, nowhere, targets=targets)
    batch = next(it.train.epoch(0, 0, it.batch_size))
    for epoch in range(2):
        loss = stepper(it.augmenter(to_device(batch, nowhere), epoch))
        assert (loss.device, loss.shape) == (nowhere, ())
