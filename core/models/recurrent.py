"""LSTM and GRU in both directions over examples of different length, without asking how long.

torch's own way is to pack them, for which it must know the lengths: a step on a GPU waits for that,
and the exporter cannot follow it. Here each direction goes over the padded batch, the one from the
end over each example turned round, so that for both the padding comes last.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from core.models.tokens import text_mask

PACKED = ("GRU",)
"""What is packed on the processor, where that waits for nothing: it has a kernel for all steps of a
padded LSTM, but takes a GRU's one by one, and twice as long where half of a batch is padding."""
_WEIGHTS = 4
"""Of one direction of one layer."""


class _BothWays(nn.RNNBase):
    """States float [n, t, 2 * hidden] of float [n, t, size] and lengths int [n].

    Padding is never read, and its states are zeros. The weights are named as torch names them.
    """

    def __init__(self, size: int, hidden: int, layers: int, *, dropout: float) -> None:
        between = dropout if layers > 1 else 0.0
        settings: Any = {"batch_first": True, "bidirectional": True, "dropout": between}
        super().__init__(size, hidden, layers, **settings)  # type: ignore[arg-type]

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        if self.mode in PACKED and x.device.type == "cpu":
            return self._packed(x, length)
        rows, steps = x.shape[:2]
        there = text_mask(x, length)
        place = torch.arange(steps, device=x.device)
        turned = torch.where(there, length[:, None] - 1 - place, place)
        turned = (turned + steps * torch.arange(rows, device=x.device)[:, None]).flatten()
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            onward = self._one_way(x, layer, "")
            back = self._one_way(_taken(x, turned, rows, steps), layer, "_reverse")
            x = torch.cat([onward, _taken(back, turned, rows, steps)], -1)
        return x.masked_fill(~there[..., None], 0)

    def _one_way(self, x: Tensor, layer: int, suffix: str) -> Tensor:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self, f"{name}_l{layer}{suffix}") for name in names]
        start = x.new_zeros(1, x.shape[0], self.hidden_size)
        rest = (weights, True, 1, 0.0, self.training, False, True)
        if self.mode == "LSTM":
            return torch.lstm(x, (start, start), *rest)[0]
        return torch.gru(x, start, *rest)[0]

    def _packed(self, x: Tensor, length: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
        states, _ = super().forward(packed)
        return pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])[0]

    def flatten_parameters(self) -> None:
        """Lay each direction's weights end to end, as cuDNN has them in a call; torch would lay all
        of them so, and cuDNN copy those of each call."""
        weights: list[Any] = [*self._flat_weights]
        if not torch._use_cudnn_rnn_flatten_weight() or not all(
            isinstance(each, Tensor) and _acceptable(each) for each in weights
        ):
            return
        mode = cudnn.rnn.get_cudnn_mode(self.mode)  # type: ignore[no-untyped-call]
        with torch.no_grad(), _device_of(weights[0]):
            for at in range(0, len(weights), _WEIGHTS):
                own = weights[at : at + _WEIGHTS]
                shape = own[0].shape[1], mode, self.hidden_size, 0, 1, self.batch_first, False
                torch._cudnn_rnn_flatten_weight(own, _WEIGHTS, *shape)


class LSTM(_BothWays, nn.LSTM):  # type: ignore[misc]
    """Hochreiter and Schmidhuber's (1997)."""


class GRU(_BothWays, nn.GRU):  # type: ignore[misc]
    """Cho et al.'s (2014)."""


class _Taken(torch.autograd.Function):
    """The steps of [n, t, d] at places int [n * t] that are all different and, taken twice, where
    they were; so gradients come back the same way, and in the same order on every device."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, rows: int, steps: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.shape = rows, steps
        return x.flatten(0, 1).index_select(0, places).view(rows, steps, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (places,) = ctx.saved_tensors
        back = gradient.flatten(0, 1).index_select(0, places)
        return back.view(*ctx.shape, -1), None, None, None


_taken: Any = _Taken.apply
_acceptable: Any = cudnn.is_acceptable
_device_of: Any = torch.cuda.device_of
