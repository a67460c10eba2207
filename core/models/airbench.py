"""The network of airbench94 (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU").

Its first layer whitens little patches, as the training pictures have them, and is not trained. The
convolutions begin as the identity, normalisation has no scale of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.first_look import FirstLook

PATCH = 2
STEADY = 5e-4
"""Added to a patch's variances, so that what hardly varies is not blown up."""
MOMENTUM = 0.4
"""Of the means that normalisation keeps: a training has few steps."""
WIDER = 4
SHRUNK = 1 / 9
"""What the outputs are multiplied by: the first steps are steadier."""
_AT_ONCE = 250


class Block(nn.Module):
    """Two 3x3 convolutions; the picture is halved, while it has a side to spare."""

    def __init__(self, before: int, after: int, *, halves: bool) -> None:
        super().__init__()
        self.conv1, self.norm1 = _convolution(before, after), _norm(after)
        self.conv2, self.norm2 = _convolution(after, after), _norm(after)
        self.pool: nn.Module = nn.MaxPool2d(2) if halves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(self.pool(self.conv1(x))))
        return F.gelu(self.norm2(self.conv2(x)))


class Airbench(FirstLook):
    """float [n, c, h, w] to logits [n, outputs].

    Asked for an answer (and not trained) it takes the mean over `views` of each picture: as it is,
    and its mirror image, and both moved by a pixel to either side, which count half.
    """

    examples: ClassVar[int] = 5000

    def __init__(self, channels: int, side: int, outputs: int, *, width: int, views: str) -> None:
        super().__init__()
        self.views = views
        patches = channels * PATCH**2
        self.whiten = nn.Conv2d(channels, 2 * patches, PATCH)
        self.whiten.weight.requires_grad_(False)
        blocks: list[Block] = []
        before, side = 2 * patches, side - PATCH + 1
        for after in (width, WIDER * width, WIDER * width):
            blocks.append(Block(before, after, halves=side >= 4))
            before, side = after, side // 2 if side >= 4 else side
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, outputs, bias=False)

    @torch.no_grad()
    def look(self, *inputs: Tensor) -> None:
        """Whiten the patches of these pictures: their principal directions, each of variance 1."""
        (image,) = inputs
        size = self.whiten.weight[0].numel()
        squares = torch.zeros(size, size, dtype=torch.float64)
        count = 0
        for some in torch.split(image, _AT_ONCE):
            each = F.unfold(some.contiguous(), PATCH).transpose(1, 2).reshape(-1, size).double()
            squares += each.T @ each
            count += len(each)
        variances, directions = torch.linalg.eigh(squares / count)
        filters = (directions / (variances.clamp(min=0) + STEADY).sqrt()).T
        # Which way a direction points is a matter of the library: the largest share is positive.
        filters *= filters.gather(1, filters.abs().argmax(1, keepdim=True)).sign()
        filters = filters.reshape(size, *self.whiten.weight.shape[1:])
        # What GELU cuts off one way it lets through the other.
        self.whiten.weight.copy_(torch.cat((filters, -filters)))

    def forward(self, image: Tensor) -> Tensor:
        if self.training or self.views == "one":
            return self._said(image)
        said = self._both_ways(image)
        if self.views == "mirror":
            return said
        height, width = image.shape[2:]
        larger = F.pad(image, (1, 1, 1, 1), "reflect")
        moved = larger[:, :, :height, :width], larger[:, :, 2:, 2:]
        return said / 2 + sum(self._both_ways(each) for each in moved) / 4

    def _both_ways(self, image: Tensor) -> Tensor:
        return (self._said(image) + self._said(image.flip(3))) / 2

    def _said(self, image: Tensor) -> Tensor:
        found = self.blocks(F.gelu(self.whiten(image))).amax((2, 3))
        said: Tensor = self.head(found) * SHRUNK
        return said


def build(shape: Mapping[str, Any], *, width: int, views: str) -> nn.Module:
    side = min(shape["height"], shape["width"])
    model = Airbench(shape["channels"], side, shape["outputs"], width=width, views=views)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _convolution(before: int, after: int) -> nn.Conv2d:
    made = nn.Conv2d(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(made.weight[:before])
    return made


def _norm(channels: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels, momentum=MOMENTUM)
    made.weight.requires_grad_(False)
    return made
