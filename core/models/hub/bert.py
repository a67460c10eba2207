"""BERT (Devlin et al., 2018), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import TextClassifier, check_heads, encoder


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    check_heads("bert", options)
    config = BertConfig(
        vocab_size=shape["vocabulary"] + 1,
        max_position_embeddings=shape["length"] + 1,
        num_labels=shape["outputs"],
        **encoder(options),
    )
    return TextClassifier(BertForSequenceClassification(config))
