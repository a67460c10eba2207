"""The CIFAR-10 bench itself, at a tiny size on the processor; its promise needs a GPU."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.builtin.datasets import load_builtin
from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.benchmarks import cifar_94
from tests.benchmarks.cifar_by_hand import Plan, main

TRAIN, TEST = 200, 100


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As CIFAR-10 comes, with few pictures: a bright quarter on noise says which of four it is."""
    path = tmp_path_factory.mktemp("cifar") / "cifar-10-binary.tar.gz"
    members = {
        "batches.meta.txt": b"airplane\nautomobile\nbird\ncat\n\n",
        "data_batch_1.bin": records(TRAIN, 0),
        "test_batch.bin": records(TEST, 1),
    }
    with tarfile.open(path, "w:gz") as packed:
        for name, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return path


def records(count: int, seed: int) -> bytes:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, count)
    pixels = draw.integers(0, 160, (count, 3, 32, 32))
    for picture, label in zip(pixels, labels, strict=True):
        # Whole rows: its mirror image is of the same kind.
        picture[label % 3, 8 * label : 8 * label + 8] += 95
    rows = np.concatenate((labels[:, None], pixels.reshape(count, -1)), 1)
    return rows.astype(np.uint8).tobytes()


@pytest.mark.slow
def test_both_sides_train_on_the_same_pictures_and_are_told_beside_each_other(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace.open(tmp_path / "home")
    load_builtin(Lake(workspace), "cifar10", archive)
    size = cifar_94.Size(
        seeds=1,
        device="cpu",
        settings=("threads=1", "epochs=6", "judge_every=6", "batch_size=25", "width=4", "lr=0.05"),
        plan={"epochs": 6, "batch_size": 25, "width": 4},
    )
    process, training, wrong = cifar_94.compared(workspace, size)
    for each in (process, training):
        assert each.bar == 1.5
        assert each.theirs is not None
        assert each.ours > 0 and each.theirs > 0
    assert process.ours > training.ours
    assert wrong.theirs is None
    assert 0 <= wrong.ours < 30
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told] == ["CIFAR-10, ours", "CIFAR-10, script"]
    assert all("1 runs on cpu" in line for line in told)
    assert float(told[1].split()[2]) > 70
    with Lake(workspace).open("cifar10") as view:
        assert view.splits() == {"train": TRAIN, "validation": TEST}


def test_the_script_does_not_learn_what_is_not_there(tmp_path: Path) -> None:
    """It is no cheat: with labels drawn at random it is right by chance alone."""
    draw = np.random.default_rng(0)
    arrays = {
        f"{split}_{what}": values
        for split in ("train", "test")
        for what, values in (
            ("images", draw.integers(0, 256, (200, 3, 32, 32), np.uint8)),
            ("labels", draw.integers(0, 10, 200)),
        )
    }
    np.savez(tmp_path / "noise.npz", **arrays)
    plan = Plan(0, device="cpu", width=2, batch_size=50, epochs=1)
    assert main(str(tmp_path / "noise.npz"), plan)["accuracy"] < 0.3


def test_without_a_gpu_it_says_so_and_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "cifar_94"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == "CIFAR-10 to 94 %: there is no GPU, nothing measured\n"
    assert len(done.stdout.splitlines()) == 1


def test_without_the_archive_it_says_so_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv(cifar_94.SOURCE, str(tmp_path))
    assert cifar_94.measure() == []
    (line,) = capsys.readouterr().err.splitlines()
    assert "cifar-10-binary.tar.gz" in line
    assert line.endswith("nothing measured")
