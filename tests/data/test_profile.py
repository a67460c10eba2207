"""Profiles agree with what NumPy says of the same values."""

from __future__ import annotations

import datetime
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from core.data.lake import Lake
from core.data.profile import BINS, ColumnProfile, Profile, profile
from core.data.split import split


def profiled(lake: Lake, columns: dict[str, object], **more: object) -> dict[str, ColumnProfile]:
    with lake.open(lake.commit("things", pa.table(columns), op="import", **more)) as view:
        whole = profile(view)
    assert isinstance(whole, Profile)
    json.dumps(whole.to_json(), allow_nan=False)
    assert [column.name for column in whole.columns] == list(columns)
    return {column.name: column for column in whole.columns}


def test_numbers_agree_with_numpy(lake: Lake) -> None:
    values = np.random.default_rng(0).normal(10, 3, 5000)
    column = profiled(lake, {"x": values})["x"]
    assert column.numbers is not None
    for key, expected in {
        "min": values.min(),
        "max": values.max(),
        "mean": values.mean(),
        "std": values.std(ddof=1),
        "q25": np.quantile(values, 0.25),
        "median": np.median(values),
        "q75": np.quantile(values, 0.75),
    }.items():
        assert column.numbers[key] == pytest.approx(expected)
    counts, _ = np.histogram(values, BINS)
    assert np.abs(np.array(column.numbers["histogram"]) - counts).max() <= 1
    assert sum(column.numbers["histogram"]) == 5000
    assert (column.missing, column.distinct) == (0, 5000)


def test_numbers_that_are_none(lake: Lake) -> None:
    found = profiled(
        lake,
        {
            "x": pa.array([1.0, float("nan"), float("inf"), None, 3.0]),
            "none": pa.nulls(5, pa.float64()),
            "same": [7] * 5,
        },
    )
    assert found["x"].numbers["mean"] == 2.0
    assert found["x"].missing == 1
    assert sum(found["x"].numbers["histogram"]) == 2
    assert found["none"].numbers["mean"] is None
    assert found["none"].numbers["histogram"] == []
    assert sum(found["same"].numbers["histogram"]) == 5


def test_text_categories_and_dates(lake: Lake) -> None:
    days = [datetime.date(2026, 1, 1 + i) for i in range(6)]
    found = profiled(
        lake,
        {"kind": ["a", "a", "bbb", None, "a", "bbb"], "day": days, "ok": [True, False] * 3},
    )
    assert found["kind"].top == [("a", 3), ("bbb", 2)]
    assert found["kind"].text == {"shortest": 1.0, "longest": 3.0, "mean": pytest.approx(1.8)}
    assert (found["kind"].missing, found["kind"].distinct) == (1, 2)
    assert found["day"].numbers == {"min": "2026-01-01", "max": "2026-01-06"}
    assert found["ok"].distinct == 2


def test_images_tell_sizes_modes_and_brightness(lake: Lake) -> None:
    def picture(mode: str, size: tuple[int, int], kind: str) -> bytes:
        held = io.BytesIO()
        Image.new(mode, size, 255 if mode == "L" else (0, 0, 0)).save(held, kind)
        return held.getvalue()

    images = [picture("L", (8, 4), "PNG")] * 3 + [picture("RGB", (5, 5), "JPEG"), b"bad", None]
    column = profiled(lake, {"image": images}, media={"image": "image"})["image"]
    assert (column.type, column.missing) == ("image", 1)
    assert column.images is not None
    assert column.images["looked_at"] == 5
    assert column.images["sizes"] == {"8x4": 3, "5x5": 1}
    assert column.images["modes"] == {"L": 3, "RGB": 1}
    assert column.images["formats"] == {"PNG": 3, "JPEG": 1, "undecodable": 1}
    assert column.images["brightness"] == pytest.approx(0.75)


def test_splits_rows_and_bytes_of_the_whole(lake: Lake) -> None:
    version = lake.commit("things", pa.table({"x": range(100)}), op="import")
    made = split(lake, version)
    with lake.open(made) as view:
        whole = profile(view)
    assert (whole.ref, whole.rows, whole.bytes) == ("things@2", 100, made.bytes)
    assert whole.splits == {"test": 10, "train": 80, "validation": 10}
