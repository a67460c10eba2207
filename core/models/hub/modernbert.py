"""ModernBERT (Warner et al., 2024), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import TextClassifier, check_heads


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    check_heads("modernbert", options, pairs=True)
    config = ModernBertConfig(
        vocab_size=shape["vocabulary"] + 1,
        max_position_embeddings=shape["length"] + 1,
        num_labels=shape["outputs"],
        hidden_size=options["width"],
        # Gated: two thirds of BERT's four make as many weights.
        intermediate_size=8 * -(-options["width"] * 8 // 3 // 8),
        num_hidden_layers=options["layers"],
        num_attention_heads=options["heads"],
        embedding_dropout=options["dropout"],
        mlp_dropout=options["dropout"],
        attention_dropout=options["dropout"],
        classifier_dropout=options["dropout"],
        pad_token_id=0,
        # Marks of its own tokenizer, which our words have not.
        bos_token_id=None,
        eos_token_id=None,
        cls_token_id=None,
        sep_token_id=None,
    )
    return TextClassifier(ModernBertForSequenceClassification(config))
