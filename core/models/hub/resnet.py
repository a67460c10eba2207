"""ResNet (He et al., 2015), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import ImageClassifier

_SMALL = 64


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification
    from transformers.models.resnet.modeling_resnet import ResNetBasicLayer

    config = ResNetConfig(
        num_channels=shape["channels"],
        num_labels=shape["outputs"],
        embedding_size=options["width"],
        hidden_sizes=[options["width"] * 2**stage for stage in range(4)],
        depths=[options["layers"]] * 4,
        layer_type="basic",
    )
    model = ResNetForImageClassification(config)
    for block in model.modules():
        if isinstance(block, ResNetBasicLayer):
            # Each block starts as its shortcut: the first steps are steadier.
            nn.init.zeros_(block.layer[-1].normalization.weight)
    # The stem keeps a quarter of each side, which leaves nothing of a small picture.
    larger = 4 if max(shape["height"], shape["width"]) <= _SMALL else 1
    size = shape["height"] * larger, shape["width"] * larger
    return ImageClassifier(model, size, larger=larger)
