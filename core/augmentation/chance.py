"""Chance that can be had again: random numbers that follow from seed, epoch, row and place alone.

Whatever else is in a batch, however large it is, and wherever a run was cut, a row meets the same
numbers in the same epoch; the Data screen shows the very ones that training will use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LOW = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


@dataclass(frozen=True)
class Chance:
    """The chance of one batch: `rows`, int64 [n], are the ids of its examples, from 0 up."""

    seed: int
    epoch: int
    rows: Tensor

    def uniform(self, name: str, count: int) -> Tensor:
        """Numbers between 0 and 1 (neither of them), float32 [n, count], on the rows' device.

        `name` has numbers of its own, so one augmentation does not change another's. With more
        of them the first ones stay the same.
        """
        import torch

        first, second = _keys(self.seed, self.epoch, name)
        state = _scattered(self.rows & _LOW ^ first)
        state = _scattered(state ^ self.rows >> 32 ^ second)
        place = torch.arange(count, device=self.rows.device) * _GOLDEN & _LOW
        bits = _scattered(state[:, None] ^ place)
        # 23 bits and a half: a float holds them exactly, so that neither end is met by rounding.
        return (bits >> 9).to(torch.float32).add_(0.5).mul_(2**-23)

    def normal(self, name: str, count: int) -> Tensor:
        """Numbers of the standard normal distribution, float32 [n, count]."""
        import torch

        found: Tensor = torch.special.ndtri(self.uniform(name, count))
        return found


@lru_cache(maxsize=256)
def _keys(seed: int, epoch: int, name: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{seed} {epoch} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")


def _scattered(bits: Tensor) -> Tensor:
    """A permutation of the 32-bit numbers, held in int64, in which all bits depend on all.

    The two rounds of least bias that Chris Wellons' search found (hash-prospector, 2018-2022).
    Both factors are below 2**31, so no product overflows.
    """
    bits = bits ^ bits >> 16
    bits.mul_(0x21F0AAAD).bitwise_and_(_LOW)
    bits ^= bits >> 15
    bits.mul_(0x735A2D97).bitwise_and_(_LOW)
    bits ^= bits >> 15
    return bits
