"""YOLOS (Fang et al., 2021), of transformers, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from core.errors import UsageError
from core.models.hub.wrapped import Finder, check_heads, encoder, rarely, spread


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import YolosConfig, YolosForObjectDetection

    check_heads("yolos", options)
    sides = shape["height"], shape["width"]
    patch = options["patch"] or _patch(sides)
    if math.prod(sides) // patch**2 != math.prod(side // patch for side in sides):
        raise UsageError(
            f"patch={patch} cannot be: pictures of {sides[1]} x {sides[0]} do not divide into it",
            where="options of yolos",
        )
    config = YolosConfig(
        image_size=list(sides),
        patch_size=patch,
        num_channels=shape["channels"],
        num_labels=shape["outputs"],
        num_detection_tokens=options["queries"],
        auxiliary_loss=options["auxiliary_loss"] == "yes",
        **encoder(options),
    )
    model = YolosForObjectDetection(config)
    model.vit.embeddings.patch_embeddings.projection.reset_parameters()
    tokens = model.vit.embeddings
    spread(model, tokens.detection_tokens, tokens.position_embeddings)
    rarely(model.class_labels_classifier.layers[-1])
    return Finder(model, shape["outputs"])


def _patch(sides: tuple[int, int]) -> int:
    """An eighth of the longer side, or the largest below it that divides both."""
    both, most = math.gcd(*sides), max(1, max(sides) // 8)
    return max(side for side in range(1, most + 1) if both % side == 0)
