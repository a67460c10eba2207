"""What a start costs: settings are checked without torch, training starts without its compiler."""

import subprocess
import sys

import torch

from core.training.optimizer import AdamW


def modules_after(code):
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


def test_settings_are_checked_without_torch():
    loaded = modules_after("import core.training.config, core.training.setup")
    assert "core.training.setup" in loaded
    assert "torch" not in loaded


TRAIN = """
import torch
from core.training.optimizer import AdamW
weight = torch.nn.Parameter(torch.ones(3))
optimizer = AdamW([weight], lr=0.1, fused=True)
for _ in range(2):
    weight.pow(2).sum().backward()
    torch.nn.utils.clip_grad_norm_([weight], 1.0, foreach=True)
    optimizer.step()
"""


def test_the_optimizer_does_not_load_the_compiler():
    loaded = modules_after(TRAIN)
    assert "torch.optim" in loaded
    assert "torch._dynamo" not in loaded


def test_the_optimizer_steps_as_that_of_torch():
    ends = []
    for kind in (AdamW, torch.optim.AdamW):
        torch.manual_seed(0)
        module = torch.nn.Linear(7, 3)
        optimizer = kind(module.parameters(), lr=0.1, weight_decay=0.1, fused=True)
        for _ in range(5):
            optimizer.zero_grad()
            module(torch.randn(4, 7)).pow(2).sum().backward()
            optimizer.step()
        ends.append(module.weight.detach())
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], torch.zeros_like(ends[0]))
