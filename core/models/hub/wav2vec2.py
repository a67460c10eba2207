"""Wav2Vec2 (Baevski et al., 2020) with CTC, of transformers, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import Listener, check_heads

STEADY = {
    # Frames are hidden by augmentations, which a resumed run repeats and short sounds survive.
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    # Devices that train together wait for every layer.
    "layerdrop": 0.0,
}
"""What a training of ours does by other means than the model's configuration."""
_NEAR = 64
_GROUPS = 16


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    check_heads("wav2vec2", options)
    config = Wav2Vec2Config(
        vocab_size=shape["outputs"],
        conv_dim=[options["channels"]] * 7,
        # As its large form: each frame is scaled alone, so that padding changes nothing.
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
        hidden_size=options["width"],
        intermediate_size=4 * options["width"],
        num_hidden_layers=options["layers"],
        num_attention_heads=options["heads"],
        num_conv_pos_embeddings=_NEAR,
        num_conv_pos_embedding_groups=math.gcd(options["width"], _GROUPS),
        hidden_dropout=options["dropout"],
        attention_dropout=options["dropout"],
        activation_dropout=options["dropout"],
        final_dropout=options["dropout"],
        **STEADY,
    )
    return Listener(Wav2Vec2ForCTC(config))
