"""The other side of `cifar_94`: the method of airbench94 with Muon, in one script and nothing more.

Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), and its later version with
Muon. `python -m tests.benchmarks.cifar_by_hand FILE` reads the pictures from an .npz file and the
settings from standard input, and says as JSON how much it got right in how many seconds. The clock
runs from the whitening of the first layer to the last answer, once the pictures are on the card.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FILTER_RATE, FILTER_MOMENTUM = 0.24, 0.6
BIAS_RATE, HEAD_RATE, MOMENTUM = 0.053, 0.67, 0.85
DECAY = 2e-6
SMOOTHING = 0.2
SHIFT = 2
WHITENED_BY = 5000
BIAS_EPOCHS = 3
"""Epochs in which the bias of the first layer is trained."""


@dataclass(frozen=True)
class Plan:
    """What is asked of one training."""

    seed: int
    device: str = "cuda"
    width: int = 64
    batch_size: int = 2000
    epochs: int = 8


class Stage(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        # The kept means follow quickly, for there are 200 steps; a scale would be one too many.
        self.norms = nn.ModuleList(nn.BatchNorm2d(after, 1e-12, 0.4) for _ in range(2))
        for norm in self.norms:
            norm.weight.requires_grad_(False)
        with torch.no_grad():
            for convolution in (self.first, self.second):
                nn.init.dirac_(convolution.weight[: convolution.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norms[0](F.max_pool2d(self.first(x), 2)))
        return F.gelu(self.norms[1](self.second(x)))


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.white = nn.Conv2d(3, 24, 2)
        self.white.weight.requires_grad_(False)
        sizes = (24, width, 4 * width, 4 * width)
        self.stages = nn.Sequential(*map(Stage, sizes, sizes[1:]))
        self.head = nn.Linear(4 * width, 10, bias=False)
        with torch.no_grad():
            self.head.weight /= self.head.weight.std()

    def whiten(self, images: Tensor) -> None:
        """Make the first layer of the principal directions of 2x2 patches, each both ways."""
        patches = F.unfold(images.float(), 2).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).T.reshape(-1, 3, 2, 2)
        self.white.weight.data.copy_(torch.cat((filters, -filters)))

    def forward(self, x: Tensor) -> Tensor:
        found = F.max_pool2d(self.stages(F.gelu(self.white(x))), 3).flatten(1)
        said: Tensor = self.head(found) / found.shape[1]
        return said


class Muon:
    """Nesterov momentum made orthogonal, on filters whose norm is held."""

    def __init__(self, filters: list[nn.Parameter]) -> None:
        self.kept = [(each, torch.zeros_like(each)) for each in filters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for weight, before in self.kept:
            assert weight.grad is not None
            before.mul_(FILTER_MOMENTUM).add_(weight.grad)
            wanted = weight.grad.add(before, alpha=FILTER_MOMENTUM)
            weight.mul_(len(weight) ** 0.5 / weight.norm())
            weight.sub_(_orthogonal(wanted.flatten(1)).view_as(weight), alpha=rate)


def _orthogonal(matrix: Tensor) -> Tensor:
    """Nearly its singular vectors alone: three steps of Newton and Schulz, as Muon has them."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(3):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


def train(images: Tensor, labels: Tensor, plan: Plan) -> Net:
    net = Net(plan.width).to(images.device, memory_format=torch.channels_last)
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.to(images.dtype)
    net.whiten(images[:WHITENED_BY])
    biases = [norm.bias for stage in net.stages for norm in stage.norms]
    filters = [each.weight for stage in net.stages for each in (stage.first, stage.second)]
    decay = DECAY * plan.batch_size
    groups: list[dict[str, Any]] = [
        {"params": [each], "lr": rate, "weight_decay": decay / rate, "highest": rate}
        for each, rate in (
            (net.white.bias, BIAS_RATE),
            *((bias, BIAS_RATE) for bias in biases),
            (net.head.weight, HEAD_RATE),
        )
    ]
    fused = images.device.type in ("cpu", "cuda")
    rest = torch.optim.SGD(groups, lr=BIAS_RATE, momentum=MOMENTUM, nesterov=True, fused=fused)
    muon = Muon(filters)
    sides = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    padded = F.pad(torch.where(sides, images.flip(3), images), (SHIFT,) * 4, "reflect")
    per_epoch = len(images) // plan.batch_size
    steps, bias_steps = plan.epochs * per_epoch, BIAS_EPOCHS * per_epoch
    net.train()
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            shown = _moved(padded, images.shape[2])
            shown = shown.flip(3) if epoch % 2 else shown
            order = torch.randperm(len(images), device=images.device)
        some = order[place * plan.batch_size : (place + 1) * plan.batch_size]
        net.white.bias.requires_grad_(step < bias_steps)
        said = net(shown[some])
        F.cross_entropy(said, labels[some], label_smoothing=SMOOTHING, reduction="sum").backward()
        for group in rest.param_groups:
            group["lr"] = group["highest"] * (1 - step / steps)
        rest.param_groups[0]["lr"] = BIAS_RATE * max(0.0, 1 - step / bias_steps)
        rest.step()
        muon.step(FILTER_RATE * (1 - step / steps))
        net.zero_grad(set_to_none=True)
    return net


def _moved(padded: Tensor, side: int) -> Tensor:
    """Each picture at a place of its own in what was padded."""
    found = torch.empty_like(padded[:, :, :side, :side])
    places = torch.randint(0, 2 * SHIFT + 1, (len(padded), 2), device=padded.device)
    for top in range(2 * SHIFT + 1):
        for left in range(2 * SHIFT + 1):
            there = (places[:, 0] == top) & (places[:, 1] == left)
            found[there] = padded[there, :, top : top + side, left : left + side]
    return found


@torch.inference_mode()
def answers(net: Net, images: Tensor, at_once: int) -> Tensor:
    """The mean over six views: mirrored or not, and moved by a pixel one way, the other or none."""
    net.eval()
    side = images.shape[2]
    found = []
    for some in images.split(at_once):
        larger = F.pad(some, (1,) * 4, "reflect")
        views = ((some, 0.5), (larger[:, :, :side, :side], 0.25), (larger[:, :, 2:, 2:], 0.25))
        found.append(sum(share * (net(v) + net(v.flip(3))) for v, share in views))
    return torch.cat(found)


def main(path: str, plan: Plan) -> dict[str, float]:
    torch.manual_seed(plan.seed)
    torch.backends.cudnn.benchmark = True
    device = torch.device(plan.device)
    kind = torch.float32 if device.type == "cpu" else torch.float16
    data = np.load(path)
    pictures = {}
    for split in ("train", "test"):
        pixels = torch.from_numpy(data[f"{split}_images"]).to(device).to(kind) / 255
        mean, deviation = (
            torch.tensor(each, device=device, dtype=kind).view(1, 3, 1, 1)
            for each in (MEAN, DEVIATION)
        )
        pixels = ((pixels - mean) / deviation).contiguous(memory_format=torch.channels_last)
        pictures[split] = pixels, torch.from_numpy(data[f"{split}_labels"]).to(device)
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    net = train(*pictures["train"], plan)
    images, labels = pictures["test"]
    right = (answers(net, images, plan.batch_size).argmax(1) == labels).float().mean()
    return {"accuracy": float(right), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Plan(**json.load(sys.stdin)))))
