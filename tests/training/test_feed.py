"""The feed: arrays made once, opened quickly, and made again when they are damaged."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from core import tasks
from core.data.lake import files, garbage
from core.data.lake.files import sha256_of
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.runs.job import Stopped
from core.tasks.ragged import Ragged
from core.training import arrays, feed
from core.training.codec import learned
from core.training.shuffle import steps_in_epoch
from core.workspace import Workspace


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


def test_the_data_is_hashed_once_for_all_splits_and_again_when_it_has_changed(
    workspace, view, task, monkeypatch
):
    (file,) = view.version.files
    path, hashed = workspace.data / file.name, []
    monkeypatch.setattr(feed, "_whole", {})
    monkeypatch.setattr(files, "sha256_of", lambda each: hashed.append(each) or sha256_of(each))
    for split in ("train", "validation"):
        feed.compiled(workspace, view, task, split)
    assert hashed == [path]
    os.utime(path)
    other = type(task).from_json({**task.to_json(), "mean": 0.0})
    feed.compiled(workspace, view, other, "validation")
    assert hashed == [path, path]


def test_runs_that_begin_at_once_make_them_once(workspace, view, task, monkeypatch):
    encode, made, go_on, waits = feed._encode, [], threading.Event(), threading.Event()

    def slowly(*given):
        made.append(given)
        assert go_on.wait(60)
        encode(*given)

    monkeypatch.setattr(feed, "_encode", slowly)
    with ThreadPoolExecutor(2) as pool, Lake(workspace).open("things") as other:
        first = pool.submit(feed.compiled, workspace, view, task, "train")
        second = pool.submit(
            feed.compiled, workspace, other, task, "train",
            say=lambda text: "waiting" in text and waits.set(),
        )  # fmt: skip
        second.add_done_callback(lambda _: waits.set())
        assert waits.wait(60)
        go_on.set()
        assert same(first.result(), second.result())
    assert len(made) == 1
    assert not list(workspace.tmp.iterdir())


HOLDER = """
import sys
from core.training.once import by_one
from core.workspace import Workspace
with by_one(Workspace.open(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def maker(workspace, view, task):
    """Another process that is at work on the same arrays."""
    key = feed._key(view, task, "train")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, workspace.home, key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_of_a_maker_that_is_killed_the_work_is_taken_over(workspace, view, task, maker):
    said = []

    def say(text):
        said.append(text)
        maker.kill()

    train = feed.compiled(workspace, view, task, "train", say=say)
    assert train.rows == 39
    assert said == [
        "another run encodes the train split of things@1: waiting for it",
        "encoding the train split of things@1",
    ]


def test_who_waits_for_another_run_can_be_stopped(workspace, view, task, maker):
    said = []
    with pytest.raises(Stopped):
        feed.compiled(workspace, view, task, "train", say=said.append, should_stop=lambda: True)
    assert said == ["another run encodes the train split of things@1: waiting for it"]


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
        (folder / arrays.META).unlink()
    else:
        for file in folder.iterdir():
            file.unlink()
    assert same(first, feed.compiled(workspace, view, task, "train"))
    assert not list(workspace.tmp.iterdir())


def test_large_arrays_stay_mapped(workspace, view, task, monkeypatch):
    loaded = feed.compiled(workspace, view, task, "train")
    monkeypatch.setattr(feed.memory, "limit", lambda: 0)
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


@pytest.fixture
def large(tmp_path):
    """A folder with one array of 80 blocks, and of which `touch` puts the time back."""
    folder = tmp_path / "large"
    folder.mkdir()
    random = np.random.default_rng(0)
    growing = arrays.Growing(folder / "x.npy", np.zeros((1, 1024), np.float32))
    for _ in range(20):
        growing.append(random.random((1024, 1024), np.float32))
    growing.close()
    arrays.finish(folder, ["x"], {})
    return folder


def damage(path, at, *, secretly):
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 255]))
    if secretly:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def read_of(path, monkeypatch):
    """How many blocks an opening hashes."""
    seen = []
    digest = arrays._digest
    monkeypatch.setattr(arrays, "_digest", lambda content: seen.append(1) or digest(content))
    return seen


def test_a_start_hashes_a_bounded_number_of_blocks(large, monkeypatch):
    hashed = read_of(large, monkeypatch)
    assert arrays.open_arrays(large, 0)["x"].shape == (20 * 1024, 1024)
    assert len(hashed) == arrays.CHECKED < 80


def test_a_start_in_full_hashes_all(large, monkeypatch):
    monkeypatch.setenv("LEPTON_VERIFY", "full")
    hashed = read_of(large, monkeypatch)
    assert arrays.open_arrays(large, 0) is not None
    assert len(hashed) == 81
    damage(large / "x.npy", 40 * arrays.BLOCK + 17, secretly=True)
    assert arrays.open_arrays(large, 0) is None


def test_a_changed_time_has_all_hashed_once(large, monkeypatch):
    os.utime(large / "x.npy", (1, 1))
    hashed = read_of(large, monkeypatch)
    assert arrays.open_arrays(large, 0) is not None
    assert len(hashed) == 81
    hashed.clear()
    assert arrays.open_arrays(large, 0) is not None
    assert len(hashed) == arrays.CHECKED


@pytest.mark.parametrize("place", [0, 40, 80])
def test_a_changed_byte_is_found_by_the_time_of_the_change(large, place):
    damage(large / "x.npy", place * arrays.BLOCK + 17, secretly=False)
    assert arrays.open_arrays(large, 0) is None


@pytest.mark.parametrize("place", [0, 80])
def test_a_secretly_changed_end_is_found(large, place):
    damage(large / "x.npy", place * arrays.BLOCK + 17, secretly=True)
    assert arrays.open_arrays(large, 0) is None


def test_a_secretly_changed_middle_is_found_by_some_start(large):
    damage(large / "x.npy", 40 * arrays.BLOCK + 17, secretly=True)
    # Each start sees 30 of the 79 inner blocks: 60 of them miss one by 1 in 10 to the 12th.
    assert any(arrays.open_arrays(large, 0) is None for _ in range(60))


def test_a_cut_or_grown_file_is_always_found(large):
    path = large / "x.npy"
    before = path.stat()
    for size in (before.st_size - 1, before.st_size + 1):
        os.truncate(path, size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert arrays.open_arrays(large, 0) is None


def test_an_unknown_way_to_verify_is_a_wrong_call(large, monkeypatch):
    monkeypatch.setenv("LEPTON_VERIFY", "sometimes")
    with pytest.raises(UsageError, match="LEPTON_VERIFY"):
        arrays.open_arrays(large, 0)


def test_what_was_learnt_is_kept_for_the_next_run(workspace, view, monkeypatch):
    fit = tasks.guess(tasks.facts(view), "price")
    kind = tasks.task(fit.task)

    def codec(split="train"):
        return learned(workspace, view, kind, fit, split=split, options={}).to_json()

    first = codec()
    assert first == kind.learn(fit, view, "train").to_json()
    (folder,) = workspace.compiled.iterdir()
    with monkeypatch.context() as without:
        without.setattr(kind, "learn", None)
        assert codec() == first
    # Another split, other columns: learnt for themselves.
    other = codec("validation")
    assert other != first
    kept = folder / "codec.json"
    content = kept.read_text()
    for damaged in (content[:-9], content.replace('"mean": ', '"mean": 1'), "{}"):
        assert damaged != content
        kept.write_text(damaged)
        assert codec() == first
        assert kept.read_text() == content


def test_the_garbage_collector_knows_whose_they_are(workspace, view, task):
    fit = tasks.guess(tasks.facts(view), "price")
    learned(workspace, view, type(task), fit, split="train", options={})
    feed.compiled(workspace, view, task, "train")
    garbage.collect(workspace, tuple)
    assert len(list(workspace.compiled.iterdir())) == 2
    Lake(workspace).remove("things")
    garbage.collect(workspace, tuple)
    assert not list(workspace.compiled.iterdir())


def split_of(rows):
    numbers = torch.arange(rows, dtype=torch.float32)
    return feed.Split({"x": numbers * 2, "target": numbers.long()}, np.arange(rows))


@pytest.mark.parametrize(("rows", "size", "window"), [
    (100, 10, 7), (100, 10, 30), (101, 10, 30), (103, 10, 30), (100, 64, 9), (5, 8, 3), (1, 4, 2),
    (1000, 16, 999), (1000, 1, 128),
])  # fmt: skip
def test_windowed_batches_are_those_of_any_start(rows, size, window):
    split = split_of(rows)
    whole = list(split.epoch(1, 2, size, window=window))
    seen = torch.cat([batch["target"] for batch in whole]).tolist()
    assert len(whole) == steps_in_epoch(rows, size)
    assert {len(batch["target"]) for batch in whole[:-1]} <= {size}
    assert len(seen) == len(set(seen)) >= rows - 1
    assert all(torch.equal(batch["x"], batch["target"] * 2.0) for batch in whole)
    for start in range(len(whole)):
        rest = list(split.epoch(1, 2, size, start=start, window=window))
        assert len(rest) == len(whole) - start
        assert all(
            torch.equal(one["x"], other["x"])
            for one, other in zip(rest, whole[start:], strict=True)
        )


def test_all_rows_are_mixed_where_they_fit(tmp_path, monkeypatch):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (15_000, 1000))
    array[:] = np.arange(15_000)[:, None]
    array.flush()
    array = np.load(tmp_path / "x.npy", mmap_mode="c")
    split = feed.Split({"x": torch.from_numpy(array)}, np.arange(15_000), {"x": array})
    monkeypatch.setenv("LEPTON_MEMORY", "200MB")
    assert split.window_rows() == 0
    monkeypatch.setenv("LEPTON_MEMORY", "100MB")
    assert split.window_rows() == 100_000_000 // 8 // 4000
    # Loaded already: nothing is won by reading it in parts.
    assert feed.Split(split.tensors, split.rids).window_rows() == 0


def resident(path):
    """The bytes of a mapped file that count as this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    found = next(line for line in lines[at:] if line.startswith("Rss:"))
    return int(found.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="asks Linux")
def test_an_epoch_by_windows_keeps_little_of_the_file_in_memory(tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (64_000, 256))
    array[:] = np.arange(64_000)[:, None]
    array.flush()
    del array
    array = np.load(tmp_path / "x.npy", mmap_mode="c")
    split = feed.Split({"x": torch.from_numpy(array)}, np.arange(64_000), {"x": array})
    for batch in split.epoch(0, 0, 1000):
        assert len(batch["x"]) == 1000
    assert resident(tmp_path / "x.npy") > 60_000_000
    split.release()
    most, total = 0, 0.0
    for batch in split.epoch(0, 1, 1000, window=4000):
        most = max(most, resident(tmp_path / "x.npy"))
        total += batch["x"][:, 0].double().sum().item()
    assert total == sum(range(64_000))
    assert most == 0


def test_a_mapped_table_without_categories_is_read_by_windows(tmp_path):
    arrays = {"numbers": np.arange(1000.0), "categories": np.empty((1000, 0), np.int64)}
    mapped = {}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="c")
    tensors = {name: torch.from_numpy(array) for name, array in mapped.items()}
    split = feed.Split(tensors, np.arange(1000), mapped)
    seen = [batch["numbers"] for batch in split.epoch(0, 0, 100, window=300)]
    assert sorted(torch.cat(seen).tolist()) == arrays["numbers"].tolist()


def test_an_array_cut_while_it_is_read_is_an_error(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(100_000))
    array = np.load(tmp_path / "x.npy", mmap_mode="c")
    split = feed.Split({"x": torch.from_numpy(array)}, np.arange(len(array)), {"x": array})
    os.truncate(tmp_path / "x.npy", 400_000)
    with pytest.raises(LeptonError, match="shorter"):
        list(split.epoch(0, 0, 100, window=1000))


@pytest.fixture
def trailing(task):
    """The task, with an array of another length for each row: as many of its number as its rest."""

    class Trailing(type(task)):
        def encode(self, rows, *, target):
            made = super().encode(rows, target=target)
            rids = rows.column("_rid").to_numpy()[made["row"]]
            trails = [np.full(rid % 4, rid, np.float32) for rid in rids]
            return {**made, "trail": Ragged.of(trails)}

    return Trailing.from_json(task.to_json())


@pytest.mark.parametrize("limit", [None, 2000])
def test_arrays_of_different_length_are_padded_in_each_batch_and_cut_nowhere(
    workspace, view, trailing, monkeypatch, limit
):
    if limit is not None:
        monkeypatch.setattr(feed.memory, "limit", lambda: limit)
    train = feed.compiled(workspace, view, trailing, "train")
    window = train.window_rows()
    assert bool(window) == (limit is not None)
    seen = []
    for batch in train.epoch(seed=1, epoch=0, batch_size=7, window=window):
        lengths = batch["trail_length"].tolist()
        assert batch["trail"].shape == (len(lengths), max(lengths))
        for rid, length, trail in zip(
            batch["_rid"].tolist(), lengths, batch["trail"].tolist(), strict=True
        ):
            seen.append(rid)
            assert length == rid % 4
            assert trail == [rid] * length + [0] * (max(lengths) - length)
    assert sorted(seen) == train.rids.tolist()
