"""Whisper (Radford et al., 2022), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.errors import UsageError
from core.models.hub.wrapped import check_heads
from core.models.hub.writer import POSITIONS, Writer

STEADY = {
    # Sounds are changed by augmentations, which a resumed run repeats.
    "apply_spec_augment": False,
    # Devices that train together wait for every layer.
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
}
"""What a training of ours does by other means than the model's configuration."""


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    check_heads("whisper", options)
    if options["width"] % 2:
        raise UsageError("width is to be even", where="options of whisper")
    end = shape["end"]
    config = WhisperConfig(
        vocab_size=shape["outputs"],
        num_mel_bins=options["mels"],
        d_model=options["width"],
        encoder_layers=options["layers"],
        decoder_layers=options["layers"],
        encoder_attention_heads=options["heads"],
        decoder_attention_heads=options["heads"],
        encoder_ffn_dim=4 * options["width"],
        decoder_ffn_dim=4 * options["width"],
        max_source_positions=shape["seconds"] * POSITIONS,
        max_target_positions=len(shape["prefix"]) + shape["most"],
        dropout=options["dropout"],
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=end,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **STEADY,
    )
    return Writer(WhisperForConditionalGeneration(config), shape)
