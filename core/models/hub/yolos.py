"""YOLOS (Fang et al., 2021), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import Finder, check_heads, encoder, rarely, spread


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import YolosConfig, YolosForObjectDetection

    check_heads("yolos", options)
    sides = shape["height"], shape["width"]
    config = YolosConfig(
        image_size=list(sides),
        patch_size=options["patch"] or max(1, max(sides) // 8),
        num_channels=shape["channels"],
        num_labels=shape["outputs"],
        num_detection_tokens=options["queries"],
        **encoder(options),
    )
    model = YolosForObjectDetection(config)
    model.vit.embeddings.patch_embeddings.projection.reset_parameters()
    tokens = model.vit.embeddings
    spread(model, tokens.detection_tokens, tokens.position_embeddings)
    rarely(model.class_labels_classifier.layers[-1])
    return Finder(model, shape["outputs"])
