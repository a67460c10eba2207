"""The module that a training begins with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from core.inference.examples import Examples, count, take
from core.models import architectures
from core.models.first_look import FirstLook
from core.models.folder import load_module
from core.models.registry import open_folder
from core.training.setup import Setup
from core.training.shuffle import order


def untrained(
    setup: Setup, train: Examples | None = None, say: Callable[[str], None] = lambda _: None
) -> nn.Module:
    """Weights drawn by torch's seed, or those of the model it goes on from.

    One that makes some of its weights of training examples is shown of `train`, by the run's seed.

    Raises:
        UsageError: options do not go together.
        LeptonError: the weights of that model cannot be read or fetched, or a package is missing.
    """
    options = setup.model_options()
    if setup.origin is not None:
        module = load_module(open_folder(setup.origin))
        if setup.base is None:
            return module
        from core.models.hub.pretrained import tuned

        return tuned(module, (), where=str(setup.origin), **options)
    if setup.base is None:
        built = architectures.build(setup.architecture, setup.task.shape, options)
        if train is not None and isinstance(built, FirstLook):
            some = order(setup.config.seed, 0, count(train))[: built.examples]
            built.look(*setup.task.inputs(take(train, torch.from_numpy(np.sort(some)))))
        return built
    from core.models.hub.pretrained import start

    return start(setup.base, setup.task.shape, say=say, **options)
