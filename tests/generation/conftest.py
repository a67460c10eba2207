"""Small language models with random weights: our own, transformers', and one that others made."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from core.models.architectures import build
from core.tasks.byte_pairs import BytePairs
from core.tasks.text_generation import TextGeneration
from core.workspace import Workspace
from tests.inference.conftest import publish
from tests.tasks.conftest import SAMPLES

TEXT = (SAMPLES / "text" / "austen_emma_400k.txt").read_text()
LENGTH = 128
SIZES = {"width": 48, "heads": 2, "layers": 3, "dropout": 0.0}


@cache
def pairs() -> BytePairs:
    return BytePairs.learn(TEXT[:60_000].splitlines(), 600, 60_000)


def made_task(length: int = LENGTH) -> TextGeneration:
    return TextGeneration("text", pairs(), length, [1] * pairs().size)


def publish_talkers(workspace: Workspace, longest: int) -> None:
    """The language models `talker`, and `walker` that goes on for long."""
    publish(workspace, made_task(), "talker", width=48, heads=2, layers=3)
    publish(workspace, made_task(longest), "walker", width=48, heads=2, layers=3)


def made_module(architecture: str, task: TextGeneration, seed: int = 0) -> torch.nn.Module:
    """A module whose likeliest piece is clear: its weights are larger than training begins with."""
    torch.manual_seed(seed)
    module = build(architecture, task.shape, SIZES)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.dim() == 2:
                weight *= 4
    return module.eval()


@pytest.fixture(params=["gpt", "gpt2", "llama"])
def model(request):
    """A task and a module of each architecture."""
    task = made_task()
    return task, made_module(request.param, task)


@pytest.fixture
def prompts() -> list[list[int]]:
    """Beginnings of different length."""
    texts = ["Emma", "She had been a friend and companion such as few possessed", "It", "好 – ein"]
    return [pairs().prompt(text) for text in texts]
