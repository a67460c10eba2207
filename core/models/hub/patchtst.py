"""PatchTST (Nie et al., 2023), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.errors import UsageError
from core.models.hub.wrapped import Forecaster, check_heads

_PATCHES = 8
"""Patches that a past without a season is cut into, before they overlap."""


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    check_heads("patchtst", options)
    patch = _patch(shape, options["patch"])
    config = PatchTSTConfig(
        num_input_channels=shape["columns"],
        # Columns know nothing of each other, unless there are some to tell more of the first.
        channel_attention=shape["columns"] > 1,
        context_length=shape["context"],
        patch_length=patch,
        patch_stride=max(1, patch // 2),
        prediction_length=shape["outputs"],
        d_model=options["width"],
        ffn_dim=2 * options["width"],
        num_hidden_layers=options["layers"],
        num_attention_heads=options["heads"],
        attention_dropout=options["dropout"],
        ff_dropout=options["dropout"],
        head_dropout=options["dropout"],
        pooling_type=None,
    )
    return Forecaster(PatchTSTForPrediction(config), shape["outputs"])


def _patch(shape: Mapping[str, Any], asked: int) -> int:
    """Steps of a patch: as asked, or a season, as far as the past is longer.

    Raises:
        UsageError: the past is no longer than that.
    """
    context, season = shape["context"], shape["season"]
    usual = season if season > 1 else -(-context // _PATCHES)
    patch = asked or max(1, min(usual, context // 2))
    if patch >= context:
        raise UsageError(
            f"patch={patch} cannot be: the model reads {context} steps, and a patch is fewer",
            where="options of patchtst",
            hint="Name a smaller patch or a longer context.",
        )
    return int(patch)
