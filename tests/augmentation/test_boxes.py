"""Boxes over pictures that are shown before they are trained with: where training has them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from core.augmentation import written
from core.augmentation.augmenter import Augmenter
from core.augmentation.example import Example
from core.augmentation.examples import examples
from core.augmentation.material import cells, materials, objects
from core.data.lake.lake import Lake
from core.data.png import encode_png
from core.inference.examples import as_tensors, run
from core.tasks import facts, guess
from core.tasks.object_detection import ObjectDetection
from core.workspace import Workspace
from screens.data.rows.boxes import COLOURS, with_boxes

BOXES = [(10, 20, 30, 24), (60, 8, 20, 40)]
"""Left, top, width and height of the red things, in pictures of 112 by 80 pixels."""


def picture(*boxes: tuple[int, int, int, int]) -> bytes:
    pixels = np.full((80, 112, 3), 40, np.uint8)
    for x, y, width, height in boxes:
        pixels[y : y + height, x : x + width] = (220, 30, 30)
    return encode_png(pixels)


def listed(*boxes: tuple[int, int, int, int]) -> str:
    return json.dumps([{"label": "red", "bbox": box} for box in boxes])


@pytest.fixture
def lake(tmp_path: Any) -> Lake:
    lake = Lake(Workspace.open(tmp_path))
    table = pa.table(
        {
            "picture": [picture(*BOXES), picture(), picture(BOXES[1])],
            "things": [listed(*BOXES), "[]", listed(BOXES[1], (500, 500, 5, 5))],
            "split": ["train"] * 3,
        }
    )
    about = {"task": "object-detection", "target": "things", "inputs": ["picture"]}
    lake.commit("reds", table, op="test", media={"picture": "image"}, **about)
    return lake


def shown(lake: Lake, words: list[str], epochs: int = 2) -> list[Example]:
    with lake.open("reds") as view:
        material = materials(view)[0]
        rows = cells(view, material.column, count=3)
        there = objects(view, material, rows)
    return examples(written.read(words), material.kind, rows, range(epochs), 5, objects=there)


@pytest.mark.parametrize("words", [["flip:p=1"], ["crop"], ["translate", "flip"], ["colour"]])
def test_boxes_are_where_training_has_them(lake: Lake, words: list[str]) -> None:
    with lake.open("reds") as view:
        task = ObjectDetection.learn(guess(facts(view)), view)
        (made,) = task.examples(task.read(view, None, 8))
    rows = torch.from_numpy(made.pop("_rid"))
    batch = {**run(as_tensors(made), 0, 3), "_rid": rows}
    found = shown(lake, words)
    for epoch in range(2):
        trained = Augmenter(written.read(words), 5)(batch, epoch)["boxes"].numpy()
        for each, boxes in zip(found, trained, strict=True):
            placed = [edges for _, *edges in each.after[epoch].boxes]
            seen = [box for box in boxes if (box[2:] > box[:2]).all()]
            assert len(placed) == len(seen)
            assert np.allclose(np.reshape(placed, (-1, 4)), np.reshape(seen, (-1, 4)), atol=1e-3)
    assert [len(each.boxes) for each in found] == [2, 0, 1]


def test_they_are_drawn_around_what_they_are_of(lake: Lake) -> None:
    from screens.half_blocks import decode

    (first, *_) = shown(lake, ["flip:p=1"], 1)
    drawn = with_boxes(first)
    colour = np.array([int(COLOURS[0][at : at + 2], 16) for at in (1, 3, 5)])
    for before, after, boxes in (
        (first.before, drawn.before, first.boxes),
        (first.after[0].content, drawn.after[0].content, first.after[0].boxes),
    ):
        assert isinstance(before, bytes)
        assert isinstance(after, bytes)
        plain, outlined = decode(before), decode(after)
        for _, left, top, right, bottom in boxes:
            middle = round((top + bottom) / 2), round((left + right) / 2)
            assert plain[middle][0] > 200 > 100 > plain[middle][1]
            edge = outlined[middle[0], int(left) - 1 : int(left) + 2]
            assert (edge == colour).all(1).any()
            assert not (plain == colour).all(2).any()
    assert first.boxes != first.after[0].boxes


def test_a_box_that_would_be_none_any_more_is_not_shown(lake: Lake) -> None:
    for words in (["rotate"], ["mixup"]):
        (first, *_) = shown(lake, words)
        assert first.boxes
        assert not any(each.boxes for each in first.after)


def test_a_picture_goes_to_another_process_with_its_boxes(lake: Lake) -> None:
    (first, *_) = shown(lake, ["flip:p=1"])
    assert Example.from_json(first.to_json()) == first
