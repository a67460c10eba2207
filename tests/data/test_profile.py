"""Profiles agree with what NumPy says of the same values."""

from __future__ import annotations

import datetime
import io
import json
import wave

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.profile import BINS, ColumnProfile, Profile, profile
from core.data.splitting.split import split
from core.errors import Cancelled


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


def test_no_more_values_are_different_than_there_are(lake: Lake) -> None:
    rows = 200_000
    given = np.arange(rows) * 7.0
    given[:1000] = np.nan
    columns = {"n": np.arange(rows) * 7, "gaps": pa.array(given, from_pandas=True)}
    found = profiled(lake, columns)
    assert (found["n"].distinct, found["gaps"].distinct) == (rows, rows - 1000)


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
    assert found["kind"].text == {
        "shortest": 1.0,
        "longest": 3.0,
        "mean": pytest.approx(1.8),
        "empty": 0.0,
    }
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


def test_quantiles_zeros_and_negative_numbers(lake: Lake) -> None:
    values = np.random.default_rng(1).integers(-50, 51, 4000)
    numbers = profiled(lake, {"x": values})["x"].numbers
    assert numbers is not None
    for key, share in {"q01": 0.01, "q05": 0.05, "q95": 0.95, "q99": 0.99}.items():
        assert numbers[key] == pytest.approx(np.quantile(values, share))
    assert numbers["zeros"] == int((values == 0).sum())
    assert numbers["negative"] == int((values < 0).sum())


def test_texts_tell_their_words_and_languages(lake: Lake) -> None:
    texts = [
        "The quick brown fox jumps over the lazy dog near the old river bank",
        "Der schnelle braune Fuchs springt über den faulen Hund am alten Flussufer",
    ] * 30
    found = profiled(lake, {"text": texts, "code": [f"code-{n:030d}" for n in range(60)]})
    words = found["text"].words
    assert words is not None
    assert words["mean"] == pytest.approx((14 + 12) / 2)
    assert dict(words["top"])["the"] == 90
    assert words["languages"] == {"en": 0.5, "de": 0.5}
    assert found["code"].words is None


def test_sounds_tell_lengths_rates_and_channels(lake: Lake) -> None:
    def sound(seconds: float, rate: int, channels: int) -> bytes:
        held = io.BytesIO()
        with wave.open(held, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(b"\0\1" * int(seconds * rate) * channels)
        return held.getvalue()

    held = [sound(0.5, 8000, 1), sound(1.5, 8000, 1), sound(1.0, 16000, 2), b"noise", None]
    column = profiled(lake, {"audio": held}, media={"audio": "audio"})["audio"]
    assert (column.type, column.missing) == ("audio", 1)
    assert column.sounds is not None
    assert column.sounds["seconds"] == {"shortest": 0.5, "longest": 1.5, "mean": 1.0}
    assert column.sounds["rates"] == {"8000": 2, "16000": 1}
    assert column.sounds["channels"] == {"1": 2, "2": 1}
    assert column.sounds["formats"]["undecodable"] == 1


def test_a_profile_is_given_up_between_two_columns(lake: Lake) -> None:
    version = lake.commit("things", pa.table({"a": [1], "b": [2]}), op="import")
    seen: list[str] = []
    with lake.open(version) as view, pytest.raises(Cancelled):
        profile(
            view, arrived=lambda column: seen.append(column.name), should_stop=lambda: bool(seen)
        )
    assert seen == ["a"]
