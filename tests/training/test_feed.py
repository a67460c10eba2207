"""The feed: an order that is a pure function, batches that cover it, arrays made once."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from core import tasks
from core.data.lake import Lake
from core.errors import LeptonError
from core.runs.job import Stopped
from core.training import feed
from core.workspace import Workspace


def test_the_order_is_a_pure_function_of_seed_and_epoch():
    first = feed.order(7, 3, 1000)
    feed.order(7, 4, 1000)
    np.random.seed(1)
    torch.manual_seed(1)
    assert np.array_equal(first, feed.order(7, 3, 1000))
    assert np.array_equal(np.sort(first), np.arange(1000))
    assert not np.array_equal(first, feed.order(7, 4, 1000))
    assert not np.array_equal(first, feed.order(8, 3, 1000))
    # Resuming on another day must find the same order: this pins the generator.
    assert feed.order(0, 0, 10).tolist() == PINNED


PINNED = [0, 7, 8, 6, 9, 5, 1, 3, 2, 4]


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [
        (10, 5, [5, 5]),
        (12, 5, [5, 5, 2]),
        (11, 5, [5, 5]),
        (3, 5, [3]),
        (1, 5, [1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_batches_cover_the_order_but_for_a_single_row_left_over(rows, size, sizes):
    permutation = feed.order(0, 0, rows)
    found = list(feed.batches(permutation, size))
    assert [len(batch) for batch in found] == sizes
    assert feed.steps_in_epoch(rows, size) == len(sizes)
    assert torch.cat(found).tolist() == permutation[: sum(sizes)].tolist()


def test_batches_can_begin_in_the_middle():
    permutation = feed.order(0, 0, 23)
    whole = list(feed.batches(permutation, 4))
    rest = list(feed.batches(permutation, 4, start=3))
    assert [batch.tolist() for batch in rest] == [batch.tolist() for batch in whole[3:]]


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def view(workspace):
    n = 50
    table = pa.table(
        {
            "size": [float(i) for i in range(n)],
            "kind": ["ab"[i % 2] for i in range(n)],
            "price": [None if i == 4 else i * 2.5 for i in range(n)],
            "split": ["validation" if i % 5 == 0 else "train" for i in range(n)],
        }
    )
    lake = Lake(workspace)
    with lake.open(lake.commit("things", table, op="import")) as opened:
        yield opened


@pytest.fixture
def task(view):
    fit = tasks.guess(tasks.facts(view), "price")
    return tasks.task(fit.task).learn(fit, view, "train")


def same(one, other):
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


def test_rows_of_the_split_are_encoded_in_order_without_those_that_lack_a_target(
    workspace, view, task
):
    train = feed.compiled(workspace, view, task, "train")
    expected = [i for i in range(50) if i % 5 and i != 4]
    assert train.rids.tolist() == expected
    assert train.rows == len(expected)
    prices = np.array(expected) * 2.5
    target = train.tensors["target"].numpy()
    assert np.corrcoef(prices, target)[0, 1] == pytest.approx(1)
    picked = train.batch(torch.tensor([3, 0]))
    assert torch.equal(picked["target"], train.tensors["target"][[3, 0]])


def test_arrays_are_made_once(workspace, view, task, monkeypatch):
    first = feed.compiled(workspace, view, task, "train")
    monkeypatch.setattr(feed, "_encode", None)
    assert same(first, feed.compiled(workspace, view, task, "train"))


def test_another_codec_or_split_has_arrays_of_its_own(workspace, view, task):
    feed.compiled(workspace, view, task, "train")
    feed.compiled(workspace, view, task, "validation")
    same_codec = json.loads(json.dumps(task.to_json()))
    feed.compiled(workspace, view, type(task).from_json(same_codec), "train")
    assert len(list(workspace.compiled.iterdir())) == 2
    other = feed.compiled(
        workspace, view, type(task).from_json({**same_codec, "mean": 0.0, "std": 1.0}), "train"
    )
    assert len(list(workspace.compiled.iterdir())) == 3
    assert other.tensors["target"][0] == 2.5


@pytest.mark.parametrize("damage", ["cut", "flip", "no meta", "empty"])
def test_damaged_arrays_are_made_again(workspace, view, task, damage):
    first = feed.compiled(workspace, view, task, "train")
    (folder,) = workspace.compiled.iterdir()
    target = folder / "target.npy"
    content = bytearray(target.read_bytes())
    if damage == "cut":
        target.write_bytes(content[:-3])
    elif damage == "flip":
        content[-1] ^= 255
        target.write_bytes(content)
    elif damage == "no meta":
        (folder / feed.META).unlink()
    else:
        for file in folder.iterdir():
            file.unlink()
    assert same(first, feed.compiled(workspace, view, task, "train"))
    assert not list(workspace.tmp.iterdir())


def test_large_arrays_stay_mapped(workspace, view, task, monkeypatch):
    loaded = feed.compiled(workspace, view, task, "train")
    monkeypatch.setattr(feed, "IN_MEMORY", 0)
    mapped = feed.compiled(workspace, view, task, "train")
    assert isinstance(mapped.rids, np.memmap)
    assert not isinstance(loaded.rids, np.memmap)
    assert same(loaded, mapped)


def test_a_wish_to_stop_ends_the_encoding_and_leaves_nothing(workspace, view, task):
    with pytest.raises(Stopped):
        feed.compiled(workspace, view, task, "train", should_stop=lambda: True)
    assert not list(workspace.tmp.iterdir())
    assert not list(workspace.compiled.iterdir())


def test_an_empty_split_is_an_error(workspace, view, task):
    with pytest.raises(LeptonError, match="test split has no row with a price"):
        feed.compiled(workspace, view, task, "test")
    assert not list(workspace.tmp.iterdir())
    assert not list(workspace.compiled.iterdir())
