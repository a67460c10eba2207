"""Augmentations of images: flip, crop, rotate, colour and erase."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

from core.augmentation.base import IMAGE, Augmentation, Batch, part
from core.settings import setting

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from core.augmentation.chance import Chance

_LUMA = (0.299, 0.587, 0.114)
# From RGB to one brightness and two differences of colour (NTSC's YIQ).
_YIQ = (_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class Flip(Augmentation):
    """Mirrored, pixel by pixel."""

    name: ClassVar[str] = "flip"
    summary: ClassVar[str] = "mirror the picture"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    axis: Literal["horizontal", "vertical", "both"] = setting(
        "Left and right, top and bottom, or both, each by itself", "horizontal"
    )
    turns: Literal["drawn", "alternating"] = setting(
        "Drawn anew in each epoch, or drawn once and then the other side each time (Jordan 2024)",
        "drawn",
    )
    p: float = part(0.5)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        image = batch["image"]
        alternating = self.turns == "alternating"
        drawn = replace(chance, epoch=0) if alternating else chance
        turned = (drawn.uniform(self.name, 2) < self.p)[:, :, None, None, None]
        if alternating and chance.epoch % 2:
            turned = ~turned
        if self.axis != "vertical":
            image = torch.where(turned[:, 0], image.flip(3), image)
        if self.axis != "horizontal":
            image = torch.where(turned[:, 1], image.flip(2), image)
        if "boxes" not in batch:
            return {**batch, "image": image}
        boxes = batch["boxes"]
        for way, (still, side) in enumerate((("vertical", 3), ("horizontal", 2))):
            if self.axis != still:
                mirrored = boxes.clone()
                mirrored[..., way::2] = image.shape[side] - boxes[..., way::2].flip(-1)
                boxes = torch.where(turned[:, way, :, :, 0], mirrored, boxes)
        return {**batch, "image": image, "boxes": boxes}


class Geometry(Augmentation):
    """An affine map of the picture's plane; neighbours among them are one map, sampled once."""

    @abstractmethod
    def map(self, chance: Chance, height: int, width: int) -> Tensor:
        """Where each example's pixels come from, float32 [n, 3, 3], with both axes from -1 to 1."""

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        return Warp((self,)).apply(batch, chance)


@dataclass(frozen=True)
class Warp:
    """Several maps, one after the other, and one bilinear sampling for all of them.

    What lies outside is as the nearest pixel of the edge.
    """

    maps: tuple[Geometry, ...]

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch
        from torch.nn import functional as F

        image = batch["image"].float()
        height, width = image.shape[2:]
        first, *rest = (each.map(chance, height, width) for each in self.maps)
        for each in rest:
            first = first @ each
        (a, b, c), (d, e, f) = (row.unbind(1) for row in first[:, :2, :, None, None].unbind(1))
        x, y = _centres(width, image.device), _centres(height, image.device)[:, None]
        grid = torch.stack((a * x + (b * y + c), d * x + (e * y + f)), 3)
        sampled = F.grid_sample(image, grid, "bilinear", "border", align_corners=False)
        if "boxes" not in batch:
            return {**batch, "image": sampled}
        return {**batch, "image": sampled, "boxes": _moved(batch["boxes"], first, height, width)}


@dataclass(frozen=True)
class Crop(Geometry):
    """A part of the picture, made as large as the whole (Szegedy et al. 2015, as torchvision's
    RandomResizedCrop has it)."""

    name: ClassVar[str] = "crop"
    summary: ClassVar[str] = "show a part of the picture, as large as the whole"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    scale: float = setting("The least of the area that is kept", 0.6, least=0.01, most=1)
    ratio: float = setting("The most that it is stretched one way", 1.33, least=1, most=10)
    p: float = part(1.0)

    def map(self, chance: Chance, height: int, width: int) -> Tensor:
        draw = chance.uniform(self.name, 5)
        area = self.scale + (1 - self.scale) * draw[:, 1]
        stretch = ((2 * draw[:, 2] - 1) * (math.log(self.ratio) / 2)).exp()
        side = area.sqrt()
        across, down = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
        off = draw[:, 0] >= self.p
        across, down = across.masked_fill(off, 1), down.masked_fill(off, 1)
        right = (2 * draw[:, 3] - 1) * (1 - across)
        below = (2 * draw[:, 4] - 1) * (1 - down)
        return _affine(across, 0, right, 0, down, below)


@dataclass(frozen=True)
class Translate(Geometry):
    """Moved by whole pixels, as far to each side as to the other."""

    name: ClassVar[str] = "translate"
    summary: ClassVar[str] = "move the picture by some pixels"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    most: float = setting("The most that it moves, as a part of each side", 0.0625, least=0, most=1)
    p: float = part(1.0)

    def map(self, chance: Chance, height: int, width: int) -> Tensor:
        draw = chance.uniform(self.name, 3)
        moved = draw[:, 0] < self.p
        shifts = []
        for at, side in ((1, width), (2, height)):
            most = round(self.most * side)
            pixels = ((2 * most + 1) * draw[:, at]).floor() - most
            shifts.append(moved * pixels * (2 / side))
        return _affine(1, 0, shifts[0], 0, 1, shifts[1])


@dataclass(frozen=True)
class Rotate(Geometry):
    """Turned about its middle."""

    name: ClassVar[str] = "rotate"
    summary: ClassVar[str] = "turn the picture about its middle"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)
    parts_boxes: ClassVar[bool] = True

    degrees: float = setting("The most that it turns, to either side", 15.0, least=0, most=180)
    p: float = part(1.0)

    def map(self, chance: Chance, height: int, width: int) -> Tensor:
        draw = chance.uniform(self.name, 2)
        angle = (2 * draw[:, 1] - 1) * math.radians(self.degrees)
        angle = angle.masked_fill(draw[:, 0] >= self.p, 0)
        sin, cos = angle.sin(), angle.cos()
        return _affine(cos, -sin * (height / width), 0, sin * (width / height), cos, 0)


@dataclass(frozen=True)
class Colour(Augmentation):
    """Brightness, contrast, saturation and hue, as one linear map of each picture's colours.

    Hues turn in the plane of YIQ, which leaves the brightness as it is.
    """

    name: ClassVar[str] = "colour"
    summary: ClassVar[str] = "change brightness, contrast, saturation and hue"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    strength: float = setting(
        "How far brightness, contrast and saturation go from 1", 0.3, least=0, most=1
    )
    hue: float = setting("How far hues turn; 0.5 is to the opposite", 0.05, least=0, most=0.5)
    p: float = part(1.0)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        image = batch["image"].float()
        n, channels, height, width = image.shape
        draw = chance.uniform(self.name, 5)
        how = (2 * draw[:, 1:] - 1).masked_fill(draw[:, :1] >= self.p, 0)[:, :, None, None]
        bright, contrast, saturation = (1 + self.strength * how[:, at] for at in range(3))
        pixels = image.reshape(n, channels, height * width)
        if channels == 3:
            luma, cosine, sine = _hue_parts(image.device)
            angle = 2 * math.pi * self.hue * how[:, 3]
            colours = luma + saturation * (angle.cos() * cosine + angle.sin() * sine)
            grey = luma[0]
        else:
            colours = torch.eye(channels, device=image.device)
            grey = torch.full((channels,), 1 / channels, device=image.device)
        middle = (pixels.mean(2) * grey).sum(1)[:, None, None]
        # No matrix product: those of one picture and of many may differ in the last bit.
        mixing = contrast * bright * colours
        changed = ((1 - contrast) * bright * middle).expand_as(pixels).clone()
        for at in range(channels):
            changed.addcmul_(mixing[:, :, at : at + 1], pixels[:, at : at + 1])
        return {**batch, "image": changed.clamp_(0, 255).view(image.shape)}


@dataclass(frozen=True)
class Erase(Augmentation):
    """A rectangle of the picture's mean colour (random erasing, Zhong et al. 2020)."""

    name: ClassVar[str] = "erase"
    summary: ClassVar[str] = "cover a rectangle with the mean colour"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    area: float = setting("The most of the area that is covered", 0.25, least=0, most=1)
    p: float = part(0.5)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        image = batch["image"].float()
        height, width = image.shape[2:]
        draw = chance.uniform(self.name, 5)
        least = min(0.02, self.area)
        side = (least + (self.area - least) * draw[:, 1]).sqrt()
        # The paper's shapes, from 0.3 to 1 / 0.3.
        stretch = ((2 * draw[:, 2] - 1) * (math.log(1 / 0.3) / 2)).exp()
        down = ((side * stretch).clamp(max=1) * height).round()
        across = ((side / stretch).clamp(max=1) * width).round()
        top = (draw[:, 3] * (height - down + 1)).floor()
        left = (draw[:, 4] * (width - across + 1)).floor()
        down = down.masked_fill(draw[:, 0] >= self.p, 0)
        covered = rectangle((top, top + down), (left, left + across), image)
        return {**batch, "image": torch.where(covered, image.mean((2, 3), keepdim=True), image)}


def rectangle(rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor], like: Tensor) -> Tensor:
    """Which pixels lie inside, bool [n, 1, height, width], of pictures `like` these.

    The first row and the one after the last, and columns likewise, are [n], in whole pixels.
    """
    import torch

    y, x = (torch.arange(side, device=like.device) for side in like.shape[2:])
    inside_y = (y >= rows[0][:, None]) & (y < rows[1][:, None])
    inside_x = (x >= columns[0][:, None]) & (x < columns[1][:, None])
    return (inside_y[:, :, None] & inside_x[:, None, :])[:, None]


def _moved(boxes: Tensor, taken: Tensor, height: int, width: int) -> Tensor:
    """Boxes [n, k, 4] where a map takes them that turns nothing, cut to the picture.

    `taken` [n, 3, 3] says where pixels come from, as `Geometry.map` does: boxes go the other way.
    """
    import torch

    side = torch.tensor([width, height, width, height], device=boxes.device)
    scale = taken[:, None, (0, 1, 0, 1), (0, 1, 0, 1)]
    shift = taken[:, None, (0, 1, 0, 1), 2]
    return (((2 * boxes / side - 1 - shift) / scale + 1) / 2).clamp(0, 1) * side


def _affine(*entries: Tensor | float) -> Tensor:
    """The six entries of the first two rows, each [n] or the same for all, as [n, 3, 3]."""
    import torch

    like = next(entry for entry in entries if isinstance(entry, torch.Tensor))
    six = [
        entry if isinstance(entry, torch.Tensor) else torch.full_like(like, entry)
        for entry in (*entries, 0, 0, 1)
    ]
    return torch.stack(six, 1).view(-1, 3, 3)


def _centres(count: int, device: torch.device) -> Tensor:
    """Where the middles of so many pixels lie on an axis from -1 to 1."""
    import torch

    return (2 * torch.arange(count, device=device) + 1) / count - 1


@lru_cache(maxsize=8)
def _hue_parts(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Three matrices [3, 3]: to brightness, and the parts of a turn of the hue by cos and sin."""
    import torch

    there = torch.tensor(_YIQ, dtype=torch.float64)
    back = torch.linalg.inv(there)
    luma = back[:, :1] @ there[:1]
    cosine = back[:, 1:] @ there[1:]
    sine = back[:, 1:] @ torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double() @ there[1:]
    one, two, three = (each.float().to(device) for each in (luma, cosine, sine))
    return one, two, three
