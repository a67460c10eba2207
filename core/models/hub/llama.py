"""Llama (Touvron et al., 2023), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import NextToken, check_heads


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import LlamaConfig, LlamaModel

    check_heads("llama", options, pairs=True)
    config = LlamaConfig(
        vocab_size=shape["vocabulary"],
        max_position_embeddings=shape["length"],
        hidden_size=options["width"],
        intermediate_size=8 * -(-options["width"] * 8 // 3 // 8),
        num_hidden_layers=options["layers"],
        num_attention_heads=options["heads"],
        attention_dropout=options["dropout"],
        bos_token_id=None,
        eos_token_id=None,
    )
    return NextToken(LlamaModel(config))
