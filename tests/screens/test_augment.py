"""The Augment tab as a person works with it: by the process that holds torch, on real rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from core.augmentation.example import Changed, Example
from core.data.lake.lake import Lake
from core.data.png import encode_png
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.data.augment.example_views import PictureExample, SoundExample, TextExample, told
from screens.data.screen import PANES
from screens.models.card import training
from screens.train.follower import Follower
from screens.train.heading import heading
from screens.widgets.image_view import ImageView
from tests.screens.golden import screen_text
from tests.screens.walk import PLAN, make_run, until

SAMPLES = Path(__file__).parents[2] / "sample_data"
TEXTS = [f"this is review number {n}, and the film was rather good in the end" for n in range(9)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    made = Workspace.open(tmp_path_factory.mktemp("home"))
    lake = Lake(made)
    files = sorted((SAMPLES / "images" / "clipart" / "bugs").glob("*.png"))[:6]
    pictures = {"picture": [file.read_bytes() for file in files], "kind": list("ababab")}
    target = {"target": "kind", "task": "image-classification", "inputs": ["picture"]}
    lake.commit("bugs", pa.table(pictures), op="import", media={"picture": "image"}, **target)
    lake.commit("films", pa.table({"mood": list("ababababa"), "review": TEXTS}), op="import")
    lake.commit("numbers", pa.table({"x": [1, 2], "city": ["Bern", "Chur"]}), op="import")
    lake.commit("novel", pa.table({"text": TEXTS}), op="import", task="text-generation")
    files = sorted((SAMPLES / "audio" / "spoken_digits").glob("0_*.wav"))[:3]
    sounds = {"sound": [*(file.read_bytes() for file in files), b"none"]}
    lake.commit("said", pa.table(sounds), op="import", media={"sound": "audio"})
    yield made


async def enter(pilot: Pilot[None], dataset: str) -> None:
    """Go to the tab of a data set."""
    datasets = ["bugs", "films", "novel", "numbers", "said"]
    await pilot.press("2")
    await until(pilot, "bugs@1")
    await pilot.press(*["down"] * datasets.index(dataset))
    await until(pilot, f"{dataset}@1")
    await pilot.press("enter", *["right_square_bracket"] * list(PANES).index("augment"))


async def seen(pilot: Pilot[None], words: str) -> str:
    """Wait until the examples are those of these augmentations."""
    return await until(pilot, f"{words} · ") if words else await until(pilot, "epoch 1")


def pictures(pilot: Pilot[None]) -> list[bytes | None]:
    first = pilot.app.screen.query(PictureExample).first()
    return [view._encoded for view in first.query(ImageView)]


async def test_pictures_are_seen_before_they_are_trained_with(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(110, 36)) as pilot:
        await enter(pilot, "bugs")
        # While none is on, the one at the cursor is shown.
        await seen(pilot, "flip")
        assert "rows 0 to 3 · space on, enter settings" in screen_text(pilot.app)
        await pilot.press("down")
        shown = await seen(pilot, "crop")
        assert "as it is" in shown and "epoch 3" in shown
        before, *after = pictures(pilot)
        assert len({before, *after}) == 4
        await pilot.press("space")
        await seen(pilot, "crop")
        assert " ✓ crop" in screen_text(pilot.app)
        assert pictures(pilot) == [before, *after]

        # Later epochs, other rows, and back to the first.
        await pilot.press("r")
        await until(pilot, "epoch 6")
        assert pictures(pilot)[0] == before
        assert not {*pictures(pilot)[1:]} & {*after}
        await pilot.press("n")
        await until(pilot, "rows 4 to 5")
        await pilot.press("y")
        await until(pilot, "lepton data augment bugs --augment crop --row 4 --row 5 --epochs 6")
        await pilot.press("escape", "n")
        await until(pilot, "rows 0 to 3")

        # Settings: what cannot be is told, what can be is on.
        await pilot.press("down", "enter")
        await until(pilot, "Turn the picture about its middle.")
        field = pilot.app.screen.query_one("#degrees", Input)
        assert (field.has_focus, field.value) == (True, "15")
        await pilot.press("backspace", "backspace", *"500", "enter")
        await until(pilot, '"degrees" has to be a number from 0 to 180')
        await pilot.press("backspace", "enter")
        await seen(pilot, "crop,rotate=50")
        assert " ✓ rotate=50" in screen_text(pilot.app)

        # Mixed pictures say with which row.
        listed = pilot.app.screen.query_one("#augmentations", OptionList)
        await pilot.press(*["down"] * 4, "space")
        assert listed.highlighted == 6
        await seen(pilot, "crop,rotate=50,mixup")
        assert "its own, the rest of row 3" in screen_text(pilot.app)
        await pilot.press("space")
        await seen(pilot, "crop,rotate=50")

        # Taken along to the training.
        await pilot.press("t")
        await until(pilot, "Train a model")
        await until(pilot, "--augment crop,rotate=50")
        await pilot.press("escape", "2")
        await seen(pilot, "crop,rotate=50")


async def test_texts_are_seen_with_what_changed(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(110, 36)) as pilot:
        await enter(pilot, "films")
        await seen(pilot, "drop")
        shown = await until(pilot, "as it is  this is review number 0 , and the film was rather")
        assert len(pilot.app.screen.query(TextExample)) == 4
        assert shown.count("epoch 1") > 1
        await pilot.press("y")
        await until(pilot, "lepton data augment films --augment drop")


async def test_what_the_task_refuses_is_told_before_it_is_used(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(110, 36)) as pilot:
        await enter(pilot, "novel")
        await until(pilot, "! for training: drop cannot be: what text-generation learns goes along")
        await pilot.press("escape", "down")
        shown = await until(pilot, "no images, texts or sounds: nothing to augment")
        assert "for training" not in shown, "that was said of other rows"


async def test_sounds_are_seen_and_what_is_none_says_so(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(110, 60)) as pilot:
        await enter(pilot, "said")
        await seen(pilot, "mixup")
        await until(pilot, "epoch 1  0.")
        await until(pilot, "✗ these bytes are not a sound that can be read")
        assert len(pilot.app.screen.query(SoundExample)) == 4


async def test_a_table_has_nothing_to_augment(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "numbers")
        await until(pilot, "no images, texts or sounds: nothing to augment")
        await pilot.press("space", "enter", "r", "n", "c")
        await until(pilot, "no images, texts or sounds: nothing to augment")
        await pilot.press("y")
        await until(pilot, "lepton data augment numbers --list")
        await pilot.press("escape", "t")
        await until(pilot, "Train a model")
        assert not pilot.app.screen.query_one("#augment", Input).value
        assert pilot.app.engine.pid is None  # type: ignore[attr-defined]


def test_what_was_left_out_and_what_moved_is_marked() -> None:
    marked = told("the plot is [b]good[/b] today", "plot is bad today")
    assert marked.plain == "· plot is bad today"
    assert [str(span.style) for span in marked.spans if span.style] == ["dim", "bold green"]
    assert told("a b", "a b").plain == "a b"
    assert told("a [b]", "[b] a").plain == "[b] a ·"


def test_an_example_is_the_same_after_a_journey() -> None:
    import numpy as np

    from core.inference.messages import packed, unpacked

    png = encode_png(np.zeros((2, 2), np.uint8))
    example = Example(3, png, (Changed(png, 0.25), Changed(png)), 7)
    assert Example.from_json(unpacked(packed(example.to_json()))) == example
    lost = Example(3, problem="there is none")
    assert Example.from_json(unpacked(packed(lost.to_json()))) == lost


def test_a_run_and_a_model_say_what_they_were_augmented_by(workspace: Workspace) -> None:
    settings = {"epochs": 3, "batch_size": 8, "augment": ["flip", "rotate=30"]}
    assert training({"training": settings}) == "3 epochs, batch 8, augmented by flip,rotate=30"
    assert "augmented" not in training({"training": {**settings, "augment": []}})
    run = make_run(workspace, "train-20200115-120000-aaaa", [{**PLAN, **settings}])
    assert "batch 8 · flip,rotate=30" in heading(Follower(run).advance(1)).plain
