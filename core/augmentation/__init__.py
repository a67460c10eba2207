"""Augmentation by name: examples changed at random while a model trains, and shown before it."""

from __future__ import annotations

from core.augmentation.audio import Masks, Noise, Shift
from core.augmentation.base import KINDS, Augmentation
from core.augmentation.image import Colour, Crop, Erase, Flip, Rotate, Translate
from core.augmentation.mixing import Cutmix, Mixup
from core.augmentation.text import Drop, Swap

__all__ = ["AUGMENTATIONS", "KINDS", "Augmentation"]

AUGMENTATIONS: dict[str, type[Augmentation]] = {
    each.name: each
    for each in (
        *(Flip, Crop, Rotate, Translate, Colour, Erase, Mixup, Cutmix),
        *(Drop, Swap),
        *(Shift, Noise, Masks),
    )
}
"""All there are, in the order in which they are applied."""
