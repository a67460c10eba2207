"""Checkpoints: exact, verified, and the one before when the newest is damaged."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import torch

from core.errors import LeptonError
from core.training import checkpoint
from core.training.checkpoint import MANIFEST, STATE, TENSORS, Checkpoints

STATE_IN = {"loss_sum": 0.1 + 0.2, "epoch": 3, "best": {"value": 0.75, "metrics": {"a": 1e-9}}}


def tensors(seed=0):
    torch.manual_seed(seed)
    weight = torch.randn(4, 3, 3, 3)
    return {
        "weight": weight,
        "tied": weight,
        "turned": torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(7).bfloat16(),
        "count": torch.tensor(9),
        "rng": torch.get_rng_state(),
    }


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_what_comes_back_is_bit_for_bit_what_was_saved(checkpoints):
    saved = tensors()
    path = checkpoints.save(12, saved, STATE_IN)
    assert path.name == "step-00000012"
    found, notes = checkpoints.latest()
    assert not notes
    assert found.step == 12
    assert {key: found.state[key] for key in STATE_IN} == STATE_IN
    assert found.tensors.keys() == saved.keys()
    for name, tensor in saved.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor), name


def test_two_are_kept(checkpoints):
    for step in (5, 10, 15, 20):
        checkpoints.save(step, tensors(step), STATE_IN)
    assert [path.name for path in checkpoints.paths()] == ["step-00000020", "step-00000015"]


def test_none_yet(checkpoints):
    assert checkpoints.latest() == (None, [])


def cut_short(path):
    with (path / TENSORS).open("r+b") as file:
        file.truncate((path / TENSORS).stat().st_size - 1)


def flip_a_byte(path):
    content = bytearray((path / TENSORS).read_bytes())
    content[-5] ^= 1
    (path / TENSORS).write_bytes(content)


def change_the_state(path):
    (path / STATE).write_text((path / STATE).read_text().replace("3", "4"))


def empty(path):
    for file in path.iterdir():
        file.unlink()


def lose_the_manifest(path):
    (path / MANIFEST).unlink()


def garble_the_manifest(path):
    (path / MANIFEST).write_text('{"files": 3}')


@pytest.mark.parametrize(
    "damage",
    [cut_short, flip_a_byte, change_the_state, empty, lose_the_manifest, garble_the_manifest],
)
def test_a_damaged_one_is_left_out_and_named(checkpoints, damage):
    checkpoints.save(1, tensors(1), STATE_IN)
    damage(checkpoints.save(2, tensors(2), STATE_IN))
    found, notes = checkpoints.latest()
    assert found.step == 1
    assert torch.equal(found.tensors["weight"], tensors(1)["weight"])
    assert len(notes) == 1
    assert "step-00000002 is damaged" in notes[0]
    checkpoints.save(2, tensors(2), STATE_IN)
    assert checkpoints.latest()[0].step == 2


def test_one_that_may_not_be_read_now_is_left_as_it_is(checkpoints, monkeypatch):
    """It is no damage that too many files are open, or that another person resumes the run."""
    kept = [checkpoints.save(step, tensors(step), STATE_IN) for step in (1, 2)]
    with monkeypatch.context() as change:

        def refused(_):
            raise PermissionError(errno.EACCES, "Permission denied")

        change.setattr("core.training.checkpoint._facts", refused)
        with pytest.raises(LeptonError, match="cannot be read now: Permission denied") as caught:
            checkpoints.latest()
    assert caught.value.where == str(kept[1])
    found, notes = checkpoints.latest()
    assert (found.step, notes) == (2, [])


def test_one_that_the_disk_has_lost_is_left_out(checkpoints, monkeypatch):
    checkpoints.save(1, tensors(1), STATE_IN)
    lost = checkpoints.save(2, tensors(2), STATE_IN)
    facts = checkpoint._facts

    def of_a_bad_disk(path):
        if path.parent == lost:
            raise OSError(errno.EIO, "Input/output error")
        return facts(path)

    monkeypatch.setattr("core.training.checkpoint._facts", of_a_bad_disk)
    found, notes = checkpoints.latest()
    assert found.step == 1
    assert "Input/output error" in notes[0]


def test_saving_the_same_step_again_replaces_it(checkpoints):
    checkpoints.save(1, tensors(1), STATE_IN)
    checkpoints.save(1, tensors(2), STATE_IN)
    assert torch.equal(checkpoints.latest()[0].tensors["weight"], tensors(2)["weight"])


def test_a_folder_that_cannot_be_written_leaves_the_older_one(checkpoints, monkeypatch):
    checkpoints.save(1, tensors(1), STATE_IN)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.training.checkpoint.save_file", full)
    with pytest.raises(LeptonError, match="could not be saved") as caught:
        checkpoints.save(2, tensors(2), STATE_IN)
    assert "Make room" in caught.value.hint
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000001"]


SAVE_FOREVER = """
import sys, torch
from pathlib import Path
from core.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
step = 0
while True:
    step += 1
    checkpoints.save(step, {"weight": torch.full((200_000,), float(step))}, {"epoch": step})
    print(step, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 3, 4, 7])
def test_killed_while_saving_the_newest_whole_one_is_there(tmp_path, lines):
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    said = 0
    for _ in range(lines):
        said = int(process.stdout.readline())
    # The next save is under way when its staged folder can be seen.
    while not any(path.name.startswith(".saving-") for path in tmp_path.iterdir()):
        pass
    os.kill(process.pid, signal.SIGKILL)
    said = max([said, *map(int, process.communicate()[0].split())])
    found, _ = Checkpoints(tmp_path).latest()
    assert found.step >= said
    assert found.state["epoch"] == found.step
    assert found.tensors["weight"].eq(found.step).all()
