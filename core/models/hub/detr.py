"""DETR (Carion et al., 2020), of transformers, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import Finder, check_heads, rarely, spread

_SMALL = 256
"""Pixels of a side up to which the last halving of a ResNet would leave too few places."""
_GROUPS = 8


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    check_heads("detr", options)
    small = max(shape["height"], shape["width"]) <= _SMALL
    backbone = ResNetConfig(
        num_channels=shape["channels"],
        embedding_size=options["stem"],
        hidden_sizes=[options["stem"] * 2**stage for stage in range(4)],
        depths=[2] * 4,
        layer_type="basic",
        out_features=["stage3" if small else "stage4"],
    )
    config = DetrConfig(
        backbone_config=backbone,
        num_channels=shape["channels"],
        num_labels=shape["outputs"],
        num_queries=options["queries"],
        d_model=options["width"],
        encoder_layers=options["layers"],
        decoder_layers=options["layers"],
        encoder_ffn_dim=4 * options["width"],
        decoder_ffn_dim=4 * options["width"],
        encoder_attention_heads=options["heads"],
        decoder_attention_heads=options["heads"],
        dropout=options["dropout"],
        auxiliary_loss=options["auxiliary_loss"] == "yes",
    )
    model = DetrForObjectDetection(config)
    _unfrozen(model.model.backbone)
    spread(model, model.model.query_position_embeddings.weight)
    rarely(model.class_labels_classifier)
    return Finder(model, shape["outputs"])


def _unfrozen(backbone: nn.Module) -> None:
    """Train all of the ResNet, whose scales are meant to come from an earlier training."""
    for name, part in list(backbone.named_modules()):
        if type(part).__name__ == "DetrFrozenBatchNorm2d":
            above, _, last = name.rpartition(".")
            channels = part.weight.numel()
            norm = nn.GroupNorm(math.gcd(channels, _GROUPS), channels)
            setattr(backbone.get_submodule(above), last, norm)
    backbone.requires_grad_(True)
