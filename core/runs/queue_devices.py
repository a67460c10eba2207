"""Which devices are taken: a file for each, locked by every run that works on it.

A run that waits for its turn wants a device on which nobody is; one that a person starts beside
others only says that it is there. Both hold the same shared lock (`flock`) for as long as their
process lives: the system drops it however the process ends, so a dead one frees its device. That
nobody is there is found out by locking the file alone for a moment, one process at a time.

The files lie where all workspaces of a person meet, since a device belongs to the machine and not
to a workspace: in `~/.local/state/lepton/devices/MACHINE` (`state_folder`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from core.flock import alone, locked
from core.runs import lock
from core.workspace import state_folder

_FAILED = ".failed"


class Devices:
    """The devices that runs of this person take.

    Raises:
        LeptonError: the folder of their files cannot be made.
    """

    def __init__(self) -> None:
        self.folder = state_folder("devices")

    def take(self, device: str, run: Path) -> int | None:
        """A device on which nobody is, for the run in this folder; None when somebody is on it.

        The open descriptor holds it.
        """
        held = self.take_all([device], run)
        return None if held is None else held[0]

    def take_all(self, devices: Sequence[str], run: Path) -> tuple[int, ...] | None:
        """Devices on all of which nobody is; None, and none is taken, when somebody is on one."""
        files: list[int] = []
        with self._one_at_a_time():
            for device in devices:
                files.append(self._open(device))
                if not locked(files[-1]):
                    for file in files:
                        os.close(file)
                    return None
            return tuple(_signed(file, run, anew=True) for file in files)

    def join(self, device: str, run: Path) -> int:
        """The device beside whoever is on it."""
        with self._one_at_a_time():
            file = self._open(device)
            return _signed(file, run, anew=locked(file))

    def is_free(self, device: str) -> bool:
        with self._one_at_a_time():
            file = self._open(device)
            try:
                return locked(file)
            finally:
                os.close(file)

    def on(self, device: str) -> list[str]:
        """The ids of the runs that are on a device, the first one first."""
        return [folder.name for folder in self.folders_on(device)]

    def folders_on(self, device: str) -> list[Path]:
        """The folders of the runs that are on a device, of whichever workspace, the first first."""
        try:
            folders = (self.folder / device).read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return []
        alive = [Path(each) for each in folders if lock.held(Path(each, "lock"))]
        return list(dict.fromkeys(alive))

    def blame(self, device: str, why: str) -> None:
        """Remember that a device failed: who is given it next asks first whether it answers."""
        with suppress(OSError):
            (self.folder / f"{device}{_FAILED}").write_text(why)

    def blamed(self, device: str) -> str | None:
        """How a device failed under a run, if it did and has not answered since."""
        try:
            return (self.folder / f"{device}{_FAILED}").read_text()
        except OSError:
            return None

    def forgive(self, device: str) -> None:
        """It has answered."""
        with suppress(OSError):
            (self.folder / f"{device}{_FAILED}").unlink()

    def _open(self, device: str) -> int:
        return os.open(self.folder / device, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def _one_at_a_time(self) -> AbstractContextManager[None]:
        """A lock that becomes a shared one is free for a moment, in which nobody may look."""
        return alone(self.folder / "look")


def _signed(file: int, run: Path, *, anew: bool) -> int:
    """The file, with this run among those on the device, or as the only one."""
    fcntl.flock(file, fcntl.LOCK_SH)
    # A full disk keeps nobody from a device: the name is only for those who ask who is on it.
    with suppress(OSError):
        if anew:
            os.ftruncate(file, 0)
        os.write(file, os.fsencode(run) + b"\n")
    return file
