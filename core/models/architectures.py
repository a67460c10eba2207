"""Architectures by name, from wherever they come, and the one function that builds them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import UsageError, nearest
from core.models.architecture import Architecture
from core.models.hub.table import HUB, PRETRAINED
from core.models.own import OWN

if TYPE_CHECKING:
    from torch import nn

TYPICAL: dict[str, dict[str, Any]] = {
    "image": {"kind": "image", "channels": 3, "height": 32, "width": 32, "outputs": 10},
    "tokens": {"kind": "tokens", "vocabulary": 10_000, "length": 128, "outputs": 2},
    "next-token": {"kind": "next-token", "vocabulary": 4096, "length": 128, "outputs": 4096},
    "speech": {"kind": "speech", "rate": 16_000, "outputs": 30},
    "sound": {"kind": "sound", "rate": 16_000, "outputs": 10},
    "speech-seq2seq": {
        "kind": "speech-seq2seq",
        "rate": 16_000,
        "seconds": 30,
        "prefix": [0],
        "end": 0,
        "most": 447,
        "silent": [],
        "silent_first": [],
        "outputs": 4096,
    },
    "objects": {"kind": "objects", "channels": 3, "height": 128, "width": 128, "outputs": 10},
    "series": {
        "kind": "series",
        "context": 96,
        "columns": 8,
        "outputs": 24,
        "phases": 24,
        "season": 24,
    },
    "table": {"kind": "table", "numbers": 8, "categories": [8, 8], "outputs": 2},
}
"""Data by which the size of an architecture is told: a size depends on what it is to read."""

ARCHITECTURES: dict[str, Architecture] = {each.name: each for each in (*OWN, *HUB)}


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: there is none.
    """
    if name == PRETRAINED.name:
        return PRETRAINED
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
) -> dict[str, Any]:
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
        LeptonError: its package is not installed.
    """
    resolved = resolve(name, shape, options)
    chosen = architecture(name)
    chosen.check_installed()
    module = import_module(chosen.module)
    built: nn.Module = module.build(shape, **resolved)
    return built
