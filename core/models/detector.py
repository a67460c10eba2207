"""A small one-stage detector without anchors: a ResNet trunk, a feature pyramid, two heads.

As FCOS (Tian et al. 2019), with the quality of a box in its class's score (Li et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.cnn import initialised
from core.models.resnet import Block

STRIDES = (4, 8, 16, 32)
REACH = 4.0
"""A level is made for objects whose furthest side is up to so many strides from a place."""
_RARE = 0.01
_FIRST_SIDE = 2.0


class Detector(nn.Module):
    """float [n, c, h, w] to what there is at every place p of all levels.

    Logits [n, p, outputs], boxes [n, p, 4] (left, top, right, bottom in pixels), and the places
    [p, 5]: x, y, stride, and the least and most distance to a side that the level is made for.
    """

    def __init__(self, channels: int, outputs: int, *, width: int, levels: int) -> None:
        super().__init__()
        self.strides = STRIDES[:levels]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(inplace=True),
        )
        widths = [width * 2**level for level in range(levels)]
        before = [width // 2, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(Block(a, b, 2), Block(b, b, 1))
            for a, b in zip(before, widths, strict=False)
        )
        self.across = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths)
        self.smooth = nn.ModuleList(_convolution(width) for _ in widths)
        self.classify = nn.Sequential(_convolution(width), nn.Conv2d(width, outputs, 3, padding=1))
        self.measure = nn.Sequential(_convolution(width), nn.Conv2d(width, 4, 3, padding=1))
        self.scales = nn.Parameter(torch.ones(levels))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.stem(image)
        found = []
        for stage, across in zip(self.stages, self.across, strict=True):
            x = stage(x)
            found.append(across(x))
        for level in range(len(found) - 1, 0, -1):
            size = found[level - 1].shape[-2:]
            found[level - 1] = found[level - 1] + F.interpolate(found[level], size=size)
        logits, boxes, places = [], [], []
        for level, stride in enumerate(self.strides):
            x = self.smooth[level](found[level])
            here = self._places(level, x)
            sides = self.scales[level] * _flat(self.measure(x)).float() * stride
            logits.append(_flat(self.classify(x)))
            # The first two sides go back from the place, the others on.
            boxes.append(torch.cat([here[:, :2] - sides[..., :2], here[:, :2] + sides[..., 2:]], 2))
            places.append(here)
        return torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(places)

    def _places(self, level: int, x: Tensor) -> Tensor:
        """The middles of a level's cells, [h * w, 5]."""
        stride = self.strides[level]
        height, width = x.shape[-2:]
        down = (torch.arange(height, device=x.device) + 0.5) * stride
        along = (torch.arange(width, device=x.device) + 0.5) * stride
        centres = torch.stack(torch.meshgrid(down, along, indexing="ij")[::-1], -1).view(-1, 2)
        low = REACH * self.strides[level - 1] if level else 0.0
        high = math.inf if level == len(self.strides) - 1 else REACH * stride
        rest = torch.tensor([float(stride), low, high], device=x.device)
        return torch.cat([centres, rest.expand(len(centres), 3)], 1)


def _convolution(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        # All levels go through the same heads: one running mean would be right for none of them.
        nn.GroupNorm(math.gcd(width, 8), width),
        nn.ReLU(inplace=True),
    )


def _flat(x: Tensor) -> Tensor:
    """[n, c, h, w] as [n, h * w, c]."""
    return x.flatten(2).transpose(1, 2)


def build(shape: Mapping[str, Any], *, width: int, levels: int) -> nn.Module:
    detector = Detector(shape["channels"], shape["outputs"], width=width, levels=levels)
    model = initialised(detector)
    # Nearly every place is background: it starts as what is rare, in boxes of some strides.
    for head, start in (
        (detector.classify, -math.log((1 - _RARE) / _RARE)),
        (detector.measure, _FIRST_SIDE),
    ):
        last = head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(last.bias, start)
    return model
