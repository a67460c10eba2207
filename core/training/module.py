"""The module that a training begins with."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from core.models import architectures
from core.models.folder import load_module
from core.models.registry import open_folder
from core.training.setup import Setup


def untrained(setup: Setup, say: Callable[[str], None] = lambda _: None) -> nn.Module:
    """Weights drawn by torch's seed, or those of the model it goes on from.

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
        return architectures.build(setup.architecture, setup.task.shape, options)
    from core.models.hub.pretrained import start

    return start(setup.base, setup.task.shape, say=say, **options)
