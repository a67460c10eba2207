"""Batches of real examples: digits, clip art, reviews and spoken digits."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.augmentation.augmenter import Augmenter
from core.augmentation.base import Batch
from core.augmentation.written import read
from core.data.cleaning.steps.audio import decode as decode_sound
from core.data.lake.layout import ROW_ID
from core.inference.examples import as_tensors, take
from core.tasks.pixels import decode
from core.tasks.words import Words

SAMPLES = Path(__file__).parents[2] / "sample_data"
ROWS = 64


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_rows(batch: Batch) -> Batch:
    """The batch with row ids that are not simply 0, 1, 2."""
    count = len(next(iter(batch.values())))
    return {**batch, ROW_ID: torch.arange(count) * 7 + 3}


@pytest.fixture(scope="session")
def digits() -> Batch:
    file = SAMPLES / "images" / "mnist5k" / "train-images-idx3-ubyte.gz"
    content = gzip.decompress(file.read_bytes())
    pixels = np.frombuffer(content, np.uint8, ROWS * 28 * 28, 16).reshape(ROWS, 1, 28, 28)
    return with_rows({"image": torch.from_numpy(pixels.copy()), "target": torch.arange(ROWS) % 10})


@pytest.fixture(scope="session")
def pictures() -> Batch:
    files = sorted((SAMPLES / "images" / "clipart").rglob("*.png"))[:ROWS]
    pixels = np.stack([decode(file.read_bytes(), 3, (48, 64)) for file in files])
    return with_rows({"image": torch.from_numpy(pixels), "target": torch.arange(len(files)) % 5})


@pytest.fixture(scope="session")
def reviews() -> Batch:
    with (SAMPLES / "text" / "fine_foods_1500.csv").open(encoding="utf-8") as file:
        texts = [row["review"] for row in csv.DictReader(file)][: ROWS - 3]
    # Texts of no word, of one and of two are there as well.
    encoded = Words.learn(texts, length=60).encode([*texts, "", "taste", "good taste"])
    return with_rows(take(as_tensors({"tokens": encoded}), torch.arange(len(encoded))))


@pytest.fixture(scope="session")
def sounds() -> Batch:
    """Padded with silence to the longest."""
    files = sorted((SAMPLES / "audio" / "spoken_digits").glob("*_en.wav"))
    heard = [torch.from_numpy(decode_sound(file.read_bytes())[0][:, 0]).float() for file in files]
    padded = torch.nn.utils.rnn.pad_sequence(heard, batch_first=True)
    length = torch.tensor([len(each) for each in heard])
    return with_rows({"audio": padded, "audio_length": length})


def changed(words: str, batch: Batch, epoch: int = 0, seed: int = 0) -> Batch:
    """The batch as training would have it, with these augmentations."""
    return Augmenter(read(words), seed)(batch, epoch)


def part(batch: Batch, places: Tensor) -> Batch:
    return {name: each[places] for name, each in batch.items()}
