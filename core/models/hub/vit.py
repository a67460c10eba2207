"""Vision Transformer (Dosovitskiy et al., 2020), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import ImageClassifier, check_heads, encoder


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    check_heads("vit", options)
    sides = shape["height"], shape["width"]
    patch = options["patch"] or -(-max(sides) // 8)
    height, width = (patch * -(-side // patch) for side in sides)
    config = ViTConfig(
        image_size=(height, width),
        patch_size=patch,
        num_channels=shape["channels"],
        num_labels=shape["outputs"],
        **encoder(options),
    )
    return ImageClassifier(ViTForImageClassification(config), (height, width))
