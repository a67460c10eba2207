"""Architectures by name: what each is for, its options, and the one function that builds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import UsageError, nearest
from core.options import Option, Value, defaults_of, resolved

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A model to train from nothing. `kinds` are the shapes it reads: image, tokens, table.

    `module` holds its `build(shape, **options)`, loaded only when one is built.
    `suggested` holds the `lr` and `batch_size`, and perhaps the gradient `clip`, that suit it (with
    AdamW) when a person names none.
    """

    name: str
    module: str
    kinds: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    suggested: Mapping[str, float] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Value]:
        return defaults_of(self.options)

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """All options, the given ones checked, the others at their defaults.

        Raises:
            UsageError: an unknown name, or a value that cannot be.
        """
        return resolved(self.options, given, self.name)


_DROPOUT = Option("dropout", 0.1, "share of values dropped while training", 0, 0.9)

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "cnn",
            "core.models.cnn",
            ("image",),
            "small convolutional network, quick on a CPU",
            (
                Option(
                    "width", 32, "channels of the first stage; each later one doubles it", 4, 512
                ),
                Option(
                    "stem",
                    "full",
                    "strided: begins at half the size, a third of the work, a little less exact",
                    choices=("full", "strided"),
                ),
                _DROPOUT,
            ),
            {"lr": 2e-3, "batch_size": 64},
        ),
        Architecture(
            "resnet18",
            "core.models.resnet",
            ("image",),
            "ResNet-18, 11 million parameters",
            (
                Option(
                    "stem",
                    "auto",
                    "small: 3x3 and no pooling; standard: 7x7, stride 2 and pooling; auto: by size",
                    choices=("auto", "small", "standard"),
                ),
            ),
            {"lr": 1e-3, "batch_size": 64},
        ),
        Architecture(
            "lstm",
            "core.models.lstm",
            ("tokens",),
            "bidirectional LSTM over word vectors",
            (
                Option("embedding", 64, "size of a word vector", 4, 1024),
                Option("hidden", 64, "size of the state in each direction", 4, 2048),
                Option("layers", 1, "stacked layers", 1, 8),
                Option("dropout", 0.3, "share of values dropped while training", 0, 0.9),
            ),
            {"lr": 2e-3, "batch_size": 32, "clip": 1.0},
        ),
        Architecture(
            "transformer",
            "core.models.transformer",
            ("tokens",),
            "Transformer encoder over word vectors",
            (
                Option("width", 64, "size of a word vector; a multiple of heads", 8, 2048),
                Option("heads", 4, "attention heads", 1, 64),
                Option("layers", 2, "encoder layers", 1, 48),
                _DROPOUT,
            ),
            {"lr": 5e-4, "batch_size": 32, "clip": 1.0},
        ),
        Architecture(
            "gpt",
            "core.models.gpt",
            ("next-token",),
            "GPT: a Transformer that says which token comes next",
            (
                Option("width", 128, "size of a token's vector; a multiple of 2 heads", 8, 8192),
                Option("heads", 4, "attention heads", 1, 128),
                Option("layers", 4, "blocks", 1, 96),
                _DROPOUT,
            ),
            {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        ),
        Architecture(
            "speech-gru",
            "core.models.speech_gru",
            ("speech",),
            "convolutions and a bidirectional GRU that hear letters",
            (
                Option("width", 128, "channels of the convolutions", 8, 2048),
                Option("hidden", 128, "size of the state in each direction", 8, 2048),
                Option("layers", 2, "stacked GRU layers", 1, 8),
                _DROPOUT,
            ),
            {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        ),
        Architecture(
            "detector",
            "core.models.detector",
            ("objects",),
            "a small detector without anchors: ResNet blocks, a feature pyramid, two heads",
            (
                Option("width", 32, "channels of the pyramid and of the first stage", 8, 512),
                Option("levels", 4, "sizes of objects, each twice the one before", 2, 4),
            ),
            {"lr": 2e-3, "batch_size": 16, "clip": 10.0},
        ),
        Architecture(
            "tsmixer",
            "core.models.tsmixer",
            ("series",),
            "TSMixer: perceptrons that mix the steps and the columns of a window",
            (
                Option("width", 32, "units that the columns become", 4, 2048),
                Option("layers", 2, "mixers", 0, 32),
                _DROPOUT,
            ),
            {"lr": 4e-3, "batch_size": 64, "clip": 1.0},
        ),
        Architecture(
            "mlp",
            "core.models.mlp",
            ("table",),
            "multilayer perceptron with an embedding for each category column",
            (
                Option("width", 128, "units of each hidden layer", 4, 8192),
                Option("layers", 2, "hidden layers", 1, 32),
                _DROPOUT,
            ),
            {"lr": 2e-3, "batch_size": 64},
        ),
    )
}


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in ARCHITECTURES:
        raise UsageError(
            f'there is no architecture "{name}"', hint=nearest(name, list(ARCHITECTURES))
        )
    return ARCHITECTURES[name]


def suitable(kind: str) -> list[str]:
    """Names of the architectures that read shapes of this kind."""
    return [each.name for each in ARCHITECTURES.values() if kind in each.kinds]


def resolve(
    name: str, shape: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> dict[str, Value]:
    """Check name, kind and options without loading torch; returns all options.

    Raises:
        UsageError: unknown name or option, or one that does not read this kind of input.
    """
    chosen = architecture(name)
    if shape["kind"] not in chosen.kinds:
        raise UsageError(
            f"{name} reads {' or '.join(chosen.kinds)} and this data set gives {shape['kind']}",
            hint=f"Use one of: {', '.join(suitable(shape['kind']))}.",
        )
    return chosen.resolve(options or {})


def build(
    name: str, shape: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Make the untrained module for a task's shape; its weights come from torch's seed.

    Raises:
        UsageError: as `resolve`, and where options do not go together.
    """
    chosen = resolve(name, shape, options)
    module = import_module(ARCHITECTURES[name].module)
    built: nn.Module = module.build(shape, **chosen)
    return built
