"""GPT-2 (Radford et al., 2019), of transformers, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from core.models.hub.wrapped import NextToken, check_heads

QUICKER = {"gelu_new": "gelu_pytorch_tanh"}
"""transformers' name of an activation that it writes out in eight steps, to that of the same one
which torch takes in a single step."""


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    from transformers import GPT2Config, GPT2Model

    check_heads("gpt2", options)
    config = GPT2Config(
        vocab_size=shape["vocabulary"],
        n_positions=shape["length"],
        n_embd=options["width"],
        n_layer=options["layers"],
        n_head=options["heads"],
        resid_pdrop=options["dropout"],
        embd_pdrop=options["dropout"],
        attn_pdrop=options["dropout"],
        activation_function=QUICKER["gelu_new"],
        bos_token_id=None,
        eos_token_id=None,
    )
    return NextToken(GPT2Model(config))
