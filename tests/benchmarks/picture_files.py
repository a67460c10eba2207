"""A folder of 60,000 small pictures, brought in; and the same files read in plain Python."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.workspace import Workspace
from tests.benchmarks.big_import import fresh
from tests.benchmarks.measure import Result, in_turns, seconds

FILES = int(os.environ.get("LEPTON_BENCH_FILES", "60_000"))
REPEATS = 3


def make(root: Path, files: int = FILES, suffix: str = "png") -> None:
    """Write pictures like handwritten digits, of 28 x 28 grey pixels, in ten classes."""
    noise = np.random.default_rng(0)
    for label in range(10):
        (root / str(label)).mkdir(parents=True)
    for number in range(files):
        pixels = noise.integers(0, 256, (28, 28), np.uint8)
        pixels[noise.random((28, 28)) < 0.8] = 0
        Image.fromarray(pixels).save(root / str(number % 10) / f"{number:06}.{suffix}")


def measure() -> list[Result]:
    results = []
    for suffix, kind in (("png", "PNG"), ("jpg", "JPEG")):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "pictures"
            make(root, suffix=suffix)
            ours, read, decoded = in_turns(
                REPEATS,
                lambda f=folder, r=root: fresh(
                    f, lambda home: import_source(Lake(Workspace.open(home)), r)
                ),
                lambda r=root: seconds(lambda: [*map(_read, _files(r))]),
                lambda r=root: seconds(lambda: [*map(_decode, _files(r))]),
            )
        name = f"import of {FILES:,} {kind} files"
        results.append(Result(f"{name} / plain reading", ours, read, "s", 2.0))
        results.append(Result(f"{name} / reading, decoding", ours, decoded, "s", 2.0))
    return results


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read()


def _decode(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
