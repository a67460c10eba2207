"""Programs of a person's own, each run as `python program.py` in a folder with nothing else."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.data.builtin.samples import sample

TIMEOUT = 400


@dataclass(frozen=True)
class Said:
    """What a program left: its exit code and its two streams."""

    code: int
    out: str
    err: str


class Programs:
    """Runs programs against a workspace; no network can be reached from them."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        # Nothing listens on port 1: a download fails at once, whatever machine this is.
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
        self.env = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            **nowhere,
            "LEPTON_HOME": str(home),
            "OMP_NUM_THREADS": "1",
        }

    def __call__(self, text: str) -> Said:
        program = self.folder / "program.py"
        program.write_text(text)
        done = subprocess.run(
            [sys.executable, program.name],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def program(tmp_path: Path) -> Programs:
    folder = tmp_path / "mine"
    folder.mkdir()
    return Programs(tmp_path / "home", folder)


def idx(array: np.ndarray) -> bytes:
    """Bytes as the IDX format has them."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def put_small_mnist(folder: Path, *, train: int, test: int) -> list[str]:
    """Write the four files of MNIST with the first of the sample's digits; their names.

    Images have half the height and width: a residual network learns them in a quarter of the time.
    """
    folder.mkdir(parents=True)
    source = sample("mnist-sample")
    counts = {"train": train, "t10k": test}
    for path in source.glob("*.gz"):
        content = gzip.decompress(path.read_bytes())
        dimensions = content[3]
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        array = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
        few = array[: counts[path.name.partition("-")[0]]]
        if few.ndim == 3:
            few = few.reshape(len(few), shape[1] // 2, 2, shape[2] // 2, 2).mean((2, 4))
        (folder / path.name).write_bytes(gzip.compress(idx(few), mtime=0))
    return sorted(path.name for path in folder.iterdir())
