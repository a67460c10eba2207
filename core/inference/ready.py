"""A trained model made ready to answer and to do nothing else: the same answers, sooner."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.generation.decoder import lay_by_columns
from core.tasks.base import Task


def ready(module: nn.Module, task: Task) -> nn.Module:
    """The module, in evaluation mode and on its device, as it is quickest; it cannot be trained on.

    Its answers change in the last digits only.
    """
    if task.reads == "image":
        fold(module)
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if task.talks:
        lay_by_columns(module)
    return module


def fold(module: nn.Module) -> None:
    """Make batch normalisation part of the convolution before it: each is a pass over all pixels.

    That one follows the other is known of the parts of a `Sequential`, and where a module names
    such pairs itself (`normalised`).
    """
    for parent in module.modules():
        pairs = [*getattr(parent, "normalised", ())]
        if isinstance(parent, nn.Sequential):
            pairs += pairwise(parent._modules)
        for name, after in pairs:
            first, then = parent.get_submodule(name), parent.get_submodule(after)
            if isinstance(first, nn.Conv2d) and type(then) is nn.BatchNorm2d:
                setattr(parent, name, fuse_conv_bn_eval(first, then))
                setattr(parent, after, nn.Identity())
