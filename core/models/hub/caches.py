"""What transformers' language models remember of the texts that they go on with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

from core.generation.decoder import Layer


class _Roomy(DynamicLayer):  # type: ignore[misc]
    """One layer of one text. transformers' own copies all it knows at each piece."""

    def __init__(self) -> None:
        super().__init__()
        self._known = Layer()

    @property
    def bytes(self) -> int:
        return self._known.bytes

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        self.keys, self.values = self._known.add(key_states, value_states)
        self.is_initialized = True
        return self.keys, self.values


class _Joined(CacheLayerMixin):  # type: ignore[misc]
    """One layer of several texts: each remembers its own, and all are read together.

    The shorter ones are filled up on their left.
    """

    def __init__(self, layers: Sequence[DynamicLayer]) -> None:
        super().__init__()
        self.layers = layers
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise AssertionError("texts are joined when their prompts are read")

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        known = [
            layer.update(key_states[at : at + 1], value_states[at : at + 1])
            for at, layer in enumerate(self.layers)
        ]
        return _filled([keys for keys, _ in known]), _filled([values for _, values in known])

    def get_seq_length(self) -> int:
        return max(int(layer.get_seq_length()) for layer in self.layers)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


def new_cache(model: nn.Module) -> Any:
    """The cache of one text, as the model's configuration has it."""
    made = DynamicCache(config=model.config)
    made.layers = [_Roomy() if type(it) is DynamicLayer else it for it in made.layers]
    return made


def held(cache: Any) -> int:
    """Bytes of all that it remembers; what only remembers the newest has tensors of its own."""
    return sum(
        layer.bytes
        if isinstance(layer, _Roomy)
        else sum(each.nbytes for each in vars(layer).values() if isinstance(each, Tensor))
        for layer in cache.layers
    )


def heard(model: Any, tokens: Tensor, caches: Sequence[Any], **more: Any) -> Any:
    """What a model of transformers says of the next tokens [n, t] of n texts."""
    if len(caches) == 1:
        return model(tokens, **{_cache_name(model): caches[0]}, use_cache=True, **more)
    before = torch.tensor([each.get_seq_length() for each in caches], device=tokens.device)
    columns = torch.arange(int(before.max()) + 1, device=tokens.device)
    layers = zip(*(each.layers for each in caches), strict=True)
    together = Cache(layers=[_Joined(each) for each in layers])
    return model(
        tokens,
        attention_mask=(columns >= (before.max() - before)[:, None]).long(),
        position_ids=before[:, None],
        use_cache=True,
        **{_cache_name(model): together},
        **more,
    )


def can_join(caches: Sequence[Any]) -> bool:
    """Whether several texts can be read together: where all of them is remembered."""
    return all(type(layer) is _Roomy for each in caches for layer in each.layers)


def _cache_name(model: Any) -> str:
    """Newer versions of transformers give the argument another name."""
    kind: Any = type(model)
    return _name_in(kind)


@cache
def _name_in(kind: Any) -> str:
    return "cache" if "cache" in signature(kind.forward).parameters else "past_key_values"


def _filled(parts: Sequence[Tensor]) -> Tensor:
    """Parts [1, heads, places, size] as one [n, heads, most places, size]."""
    most = max(part.shape[2] for part in parts)
    if all(part.shape[2] == most for part in parts):
        return torch.cat([*parts])
    whole = parts[0].new_zeros(len(parts), parts[0].shape[1], most, parts[0].shape[3])
    for at, part in enumerate(parts):
        whole[at, :, most - part.shape[2] :] = part[0]
    return whole
