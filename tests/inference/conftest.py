"""A small workspace with one model of each kind of input, made as training would make them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.inference import calibration
from core.tasks import Task, facts, guess, task
from core.workspace import Workspace

WORDS = ("good", "bad", "film", "plot", "actor", "scene", "great", "awful")


def png(seed: int, size: int = 12) -> bytes:
    """A grey PNG of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def flowers() -> pa.Table:
    draw = np.random.default_rng(0)
    length = draw.normal(5, 1, 60).round(2)
    return pa.table(
        {
            "petal length": length,
            "colour": [("red", "blue", "white")[at % 3] for at in range(60)],
            "species": ["long" if value > 5 else "short" for value in length],
        }
    )


def reviews() -> pa.Table:
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(WORDS, 8)) for _ in range(40)]
    return pa.table({"text": texts, "mood": ["up" if "good" in t else "down" for t in texts]})


def digits() -> pa.Table:
    return pa.table(
        {"image": [png(at) for at in range(24)], "label": [str(at % 3) for at in range(24)]}
    )


@pytest.fixture(autouse=True)
def nobody_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the machine does while these tests run."""
    monkeypatch.setattr(calibration, "BUSY", 2.0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.open(tmp_path_factory.mktemp("home"))
    lake = Lake(made)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("reviews", reviews(), op="import", target="mood")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    return made


def learn(workspace: Workspace, dataset: str) -> Task:
    with Lake(workspace).open(dataset) as view:
        fit = guess(facts(view))
        return task(fit.task).learn(fit, view)


@pytest.fixture(scope="module")
def table_task(workspace: Workspace) -> Task:
    return learn(workspace, "flowers")


@pytest.fixture(scope="module")
def text_task(workspace: Workspace) -> Task:
    return learn(workspace, "reviews")


@pytest.fixture(scope="module")
def image_task(workspace: Workspace) -> Task:
    return learn(workspace, "digits")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three images, one of them broken, and a note."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "a.png").write_bytes(png(1))
    (folder / "more" / "b.png").write_bytes(png(2))
    (folder / "c.png").write_bytes(png(3)[:60])
    (folder / "note.txt").write_text("no image at all\n")
    return folder


def publish(
    workspace: Workspace,
    learnt: Task,
    name: str,
    seed: int = 0,
    dataset: str | None = None,
    **options: int,
) -> None:
    """A model with the weights of a seed; what it answers is as good as random, and its own."""
    import torch

    from core.models.architectures import build, resolve
    from core.models.folder import save_model
    from core.models.registry import Models

    architecture = learnt.architectures[0]
    torch.manual_seed(seed)
    module = build(architecture, learnt.shape, options)
    staged = workspace.tmp / f"staged-{name}"
    staged.mkdir()
    info = {"name": name, "architecture": architecture, "dataset": dataset, "dataset_version": 1}
    save_model(
        staged, module, learnt, {**info, "options": resolve(architecture, learnt.shape, options)}
    )
    Models(workspace).publish(name, staged)


@pytest.fixture(scope="module")
def models(workspace: Workspace, table_task: Task, text_task: Task, image_task: Task) -> Workspace:
    """The workspace, with the models `flowers`, `moods` and `digits` in it."""
    publish(workspace, table_task, "flowers")
    publish(workspace, text_task, "moods")
    publish(workspace, image_task, "digits")
    return workspace
