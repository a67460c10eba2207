"""A bidirectional LSTM over word vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from core.models import recurrent
from core.models.tokens import masked_mean, text_mask


class LSTM(nn.Module):
    """Tokens int [n, t] and lengths int [n] to logits [n, outputs]; padding is never read."""

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        *,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding, padding_idx=0)
        self.lstm = recurrent.LSTM(embedding, hidden, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden, outputs)

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.embedded(tokens, length)))
        return logits

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, 2 * hidden]."""
        vectors = self.dropout(self.embed(tokens))
        return masked_mean(self.lstm(vectors, length), text_mask(tokens, length))


def build(
    shape: Mapping[str, Any], *, embedding: int, hidden: int, layers: int, dropout: float
) -> nn.Module:
    model = LSTM(
        shape["vocabulary"],
        shape["outputs"],
        embedding=embedding,
        hidden=hidden,
        layers=layers,
        dropout=dropout,
    )
    for name, weight in model.lstm.named_parameters():
        if "weight_hh" in name:
            for gate in weight.data.chunk(4):
                nn.init.orthogonal_(gate)
        elif "bias" in name:
            nn.init.zeros_(weight)
            if "bias_ih" in name:
                # The forget gate starts open, so that early words reach the end.
                weight.data[hidden : 2 * hidden] = 1
    return model
