"""Near-duplicates: what is near, what only seems so, and which row is kept."""

from __future__ import annotations

import io
import random

import duckdb
import pyarrow as pa
import pytest
from PIL import Image

from core.data.near import near_duplicate_images, near_duplicate_texts
from core.errors import Cancelled


def opened(name: str, values: list[object], kind: pa.DataType) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    table = pa.table(
        {"_rid": pa.array(range(len(values)), pa.int64()), name: pa.array(values, kind)}
    )
    connection.register("arrived", table)
    connection.execute("CREATE TABLE rows AS SELECT * FROM arrived")
    return connection


def near(texts: list[str | None], **more: float) -> dict[int, int]:
    return dict(near_duplicate_texts(opened("t", texts, pa.string()), "rows", "t", **more))


def sentence(chance: random.Random, words: int = 40) -> list[str]:
    return chance.choices([f"word{i}" for i in range(5000)], k=words)


def test_case_and_blanks_do_not_count() -> None:
    texts = ["One  two\tthree four", "one two three FOUR\n", None, "", "   ", "one", "ONE", "two"]
    assert near(texts) == {1: 0, 6: 5}


def test_the_threshold_is_the_overlap_of_runs_of_words() -> None:
    words = [f"w{i}" for i in range(22)]
    # 20 runs of three; another last word leaves 19 of 21 that either has: 0.905.
    texts = [" ".join(words), " ".join([*words[:-1], "other"])]
    assert near(texts, threshold=0.9) == {1: 0}
    assert near(texts, threshold=0.91) == {}


def test_a_word_that_comes_again_counts_once() -> None:
    texts = ["a b c " * 30, "a b c " * 12 + "a b c d"]
    # Three runs of the one, four of the other.
    assert near(texts, threshold=0.75) == {1: 0}
    assert near(texts, threshold=0.76) == {}


def test_no_row_goes_for_one_that_goes_itself() -> None:
    chance = random.Random(2)
    words = sentence(chance, 60)
    chain = [words, words[:52] + sentence(chance, 8)]
    chain.append(sentence(chance, 8) + chain[1][8:])
    texts = [" ".join(each) for each in chain]
    assert near([texts[0], texts[1]]) == {1: 0}
    assert near([texts[1], texts[2]]) == {1: 0}
    assert near([texts[0], texts[2]]) == {}
    assert near(texts) == {1: 0}, "the third is near the second alone, which is not kept"


def test_hundreds_that_are_alike_leave_one() -> None:
    chance = random.Random(4)
    words = sentence(chance, 80)
    heap = []
    for _ in range(400):
        changed = list(words)
        changed[chance.randrange(80)] = f"x{chance.randrange(10**6)}"
        heap.append(" ".join(changed))
    found = near(heap)
    assert len(found) >= 0.99 * 399
    assert set(found.values()).isdisjoint(found)


def picture(seed: int) -> Image.Image:
    small = Image.new("RGB", (6, 6))
    chance = random.Random(seed)
    small.putdata([tuple(chance.choices(range(256), k=3)) for _ in range(36)])
    return small.resize((96, 96), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def test_images_that_were_scaled_recoded_or_lightened_are_near() -> None:
    images = [saved(picture(seed)) for seed in range(60)]
    images += [
        saved(picture(0).resize((48, 48))),
        saved(picture(1), "JPEG", quality=50),
        saved(picture(2).point(lambda value: min(255, int(value * 0.8) + 20))),
        saved(Image.new("RGB", (20, 20), "red")),
        saved(Image.new("RGB", (20, 20), "red")),
        b"no image",
    ]
    connection = opened("i", images, pa.binary())
    assert near_duplicate_images(connection, "rows", "i") == [(60, 0), (61, 1), (62, 2)]
    with pytest.raises(Cancelled):
        near_duplicate_images(connection, "rows", "i", lambda: True)


def test_small_drawings_of_one_kind_are_not_near() -> None:
    """Strokes share their lowest waves; only the pixels tell them apart."""
    drawings = []
    for shift in range(8):
        image = Image.new("L", (28, 28))
        for y in range(4, 24):
            for x in range(3):
                image.putpixel((8 + shift + x, y), 255)
        drawings.append(saved(image))
    assert near_duplicate_images(opened("i", drawings, pa.binary()), "rows", "i") == []
