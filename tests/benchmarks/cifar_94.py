"""CIFAR-10 to 94 % on one GPU: `lepton train` with our recipe, and a script that is nothing else.

Both follow airbench94 (Jordan 2024), turn by turn on the same card, each run a process of its own
from its start to its end. Ours records, checkpoints and publishes a model beside; the script
(`cifar_by_hand`) reads the pictures from an array on the disk and only trains. The test pictures
judge both, once, at the end. It needs a GPU, and CIFAR-10: `LEPTON_BENCH_CIFAR` names the archive
or its folder, or it is downloaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import torch

from core.data.builtin.datasets import load_builtin
from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.runs.store import Runs
from core.tasks.pixels import decode
from core.workspace import Workspace
from tests.benchmarks.cifar_by_hand import Plan
from tests.benchmarks.measure import Result
from tests.benchmarks.mnist_99 import judged_by_the_test_split

SOURCE = "LEPTON_BENCH_CIFAR"
SEEDS = int(os.environ.get("LEPTON_BENCH_SEEDS", "20"))
TIMES, WRONG = 1.5, 6.0
DATASET = RECIPE = "cifar10"


@dataclass(frozen=True)
class Size:
    """How much of it is done; a test of the measurement itself does less."""

    seeds: int = SEEDS
    device: str = "cuda"
    settings: tuple[str, ...] = ()
    """Of ours, beside those of the recipe."""
    plan: dict[str, Any] = field(default_factory=dict)
    """Of the script, beside its own."""


@dataclass(frozen=True)
class Took:
    """Seconds of a whole process, seconds of its training with the judging, and what was right."""

    process: float
    training: float
    accuracy: float


def measure() -> list[Result]:
    if not torch.cuda.is_available():
        return _nothing("there is no GPU")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "home")
        try:
            load_builtin(Lake(workspace), DATASET, os.environ.get(SOURCE))
        except LeptonError as error:
            return _nothing(error.what)
        return compared(workspace, Size())


def compared(workspace: Workspace, size: Size) -> list[Result]:
    """Both sides, each with as many seeds, of the CIFAR-10 that is in the workspace."""
    judged_by_the_test_split(workspace, DATASET)
    pictures = workspace.home / "pictures.npz"
    np.savez(pictures, **_arrays(workspace))
    rounds = [
        (_ours(workspace, seed, size), _by_hand(pictures, seed, size))
        # The first round encodes the pictures, and does not count.
        for seed in range(size.seeds + 1)
    ][1:]
    ours, by_hand = zip(*rounds, strict=True)
    for name, side in (("ours", ours), ("script", by_hand)):
        right = [100 * each.accuracy for each in side]
        print(
            f"CIFAR-10, {name}: {mean(right):.2f} % right, deviation {pstdev(right):.2f},"
            f" {len(right)} runs on {_card(size.device)}, torch {torch.__version__}",
            file=sys.stderr,
        )

    def of(what: str) -> tuple[float, float]:
        return mean(getattr(it, what) for it in ours), mean(getattr(it, what) for it in by_hand)

    wrong = 100 * (1 - mean(each.accuracy for each in ours))
    return [
        Result("CIFAR-10, the whole process / script", *of("process"), "s", TIMES),
        Result("CIFAR-10, the training alone / script", *of("training"), "s", TIMES),
        Result("CIFAR-10, wrong test pictures", wrong, None, "%", WRONG),
    ]


def _ours(workspace: Workspace, seed: int, size: Size) -> Took:
    settings = [f"seed={seed}", f"device={size.device}", f"threads={os.cpu_count()}", "queue=false"]
    command = [sys.executable, "-m", "lepton_tui", "train", DATASET, "--recipe", RECIPE, "--json"]
    told, process = _timed([*command, *settings, *size.settings], workspace)
    events = Runs(workspace).get(told["id"]).events()
    training = sum(event["seconds"] for event in events if event["event"] == "epoch")
    return Took(process, training, told["metrics"]["val/accuracy"])


def _by_hand(pictures: Path, seed: int, size: Size) -> Took:
    plan = Plan(seed, **{"device": size.device, **size.plan})
    command = [sys.executable, "-m", "tests.benchmarks.cifar_by_hand", str(pictures)]
    told, process = _timed(command, said=json.dumps(asdict(plan)))
    return Took(process, told["seconds"], told["accuracy"])


def _timed(
    command: list[str], workspace: Workspace | None = None, said: str = ""
) -> tuple[dict[str, Any], float]:
    """What a process says as JSON, and the seconds from its start to its end."""
    env = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())}
    if workspace is not None:
        env["LEPTON_HOME"] = str(workspace.home)
    began = time.perf_counter()
    done = subprocess.run(
        command, input=said, stdout=subprocess.PIPE, text=True, env=env, check=True
    )
    took = time.perf_counter() - began
    told: dict[str, Any] = json.loads(done.stdout)
    return told, took


def _arrays(workspace: Workspace) -> dict[str, np.ndarray[Any, Any]]:
    """The pictures and classes that the script reads, of both splits."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    with Lake(workspace).open(DATASET) as view:
        for name, split in (("train", "train"), ("test", "validation")):
            images: list[np.ndarray[Any, Any]] = []
            labels: list[str] = []
            for batch in view.batches(["image", "label"], split=split):
                images += [decode(each.as_py(), 3).copy() for each in batch.column("image")]
                labels += batch.column("label").to_pylist()
            classes = sorted(set(labels))
            found[f"{name}_images"] = np.stack(images)
            found[f"{name}_labels"] = np.array([classes.index(each) for each in labels])
    return found


def _card(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _nothing(why: str) -> list[Result]:
    print(f"CIFAR-10 to 94 %: {why}, nothing measured", file=sys.stderr)
    return []
