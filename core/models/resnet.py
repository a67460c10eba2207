"""ResNet-18 (He et al., 2015), with the stem of the paper or one for small images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from core.models.cnn import initialised

_SMALL = 64
_WIDTHS = (64, 128, 256, 512)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    normalised: ClassVar = (("conv1", "bn1"), ("conv2", "bn2"))
    """Which convolution each normalisation follows."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(x), inplace=True)


class ResNet18(nn.Module):
    """float [n, c, h, w] to logits [n, outputs]. `small` keeps the stem at full resolution."""

    def __init__(self, channels: int, outputs: int, *, small: bool) -> None:
        super().__init__()
        size, stride = (3, 1) if small else (7, 2)
        stem = [
            nn.Conv2d(channels, 64, size, stride=stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        ]
        self.stem = nn.Sequential(*stem, *([] if small else [nn.MaxPool2d(3, 2, padding=1)]))
        blocks: list[Block] = []
        before = 64
        for stage, after in enumerate(_WIDTHS):
            blocks += [Block(before, after, 1 if stage == 0 else 2), Block(after, after, 1)]
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, outputs)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(image)).mean((2, 3)))
        return logits


def build(shape: Mapping[str, Any], *, stem: str) -> nn.Module:
    fits_small = max(shape["height"], shape["width"]) <= _SMALL
    small = stem == "small" or (stem == "auto" and fits_small)
    model = initialised(ResNet18(shape["channels"], shape["outputs"], small=small))
    for block in model.modules():
        if isinstance(block, Block):
            # Each block starts as its shortcut: the first steps are steadier.
            nn.init.zeros_(block.bn2.weight)
    return model
