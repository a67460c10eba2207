"""The way to the engine's process: a local socket that this user alone can open.

It lies in the user's folder for such things, not in the workspace: that may be on a disk that other
machines share, and a socket's path may have few letters only.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from core.devices import WITH_TORCH
from core.errors import LeptonError
from core.flock import alone, locked
from core.growth import spare

BACKLOG = 128
LONGEST = 70
"""Bytes of a folder's name: the system knows no sockets whose whole path has more than 103."""
PROGRAM = Path(__file__).parents[1]
"""All that the engine's process is made of."""


class Door:
    """Where the engine with these settings listens; there is one for each workspace and device, and
    for each installation of Lepton, as it is now: one that runs on with files that were changed
    since then is left to those who are there, and goes when they do."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        mine = [dict(settings), str(PROGRAM), program_mark()]
        name = hashlib.sha256(json.dumps(mine, sort_keys=True).encode()).hexdigest()[:16]
        self.socket = socket_folder() / f"engine-{name}.sock"
        self.log = self.socket.with_suffix(".log")
        self._lock = _lock_of(self.socket)

    def connect(self) -> tuple[socket.socket, subprocess.Popen[bytes] | None]:
        """A connection, and the engine's process where it had to be started for it.

        Raises:
            LeptonError: it cannot be started, or reached.
        """
        try:
            if (there := self._try()) is not None:
                return there, None
            with alone(self._lock, 0o600):
                if (there := self._try()) is not None:
                    return there, None
                return self._start()
        except OSError as error:
            raise LeptonError(
                f"the engine cannot be started or reached: {error.strerror or error}",
                where=str(self.socket),
            ) from error

    def _try(self) -> socket.socket | None:
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(str(self.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            there.close()
            return None
        return there

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start the process with the socket open already: who connects need not wait for it."""
        self.socket.unlink(missing_ok=True)
        with listen(self.socket) as listening:
            there = socket.socket(socket.AF_UNIX)
            there.connect(str(self.socket))
            threads = self.settings["threads"]
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "core.inference.server"),
                        str(listening.fileno()),
                        json.dumps(self.settings),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listening.fileno()],
                    start_new_session=True,
                    env={
                        **WITH_TORCH,
                        **os.environ,
                        **({} if threads is None else {"OMP_NUM_THREADS": str(threads)}),
                    },
                )
        spare(process.pid)
        return there, process


def close_door(path: Path) -> bool:
    """Take its socket away, for the engine that leaves; not while somebody is at the door."""
    descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if mine := locked(descriptor):
            path.unlink(missing_ok=True)
        return mine
    finally:
        os.close(descriptor)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


@cache
def program_mark() -> list[int]:
    """Is another when any file of the program is: how many there are, their sizes, when they were
    written. As this process met them, for what it runs is that; a millisecond."""
    files = sizes = written = 0
    folders = [str(PROGRAM)]
    for folder in folders:
        # What goes at this very moment makes another mark as well.
        with suppress(FileNotFoundError), os.scandir(folder) as there:
            for each in there:
                if each.name.endswith((".py", ".toml")):
                    facts = each.stat()
                    files += 1
                    sizes += facts.st_size
                    written += facts.st_mtime_ns
                elif each.name != "__pycache__" and each.is_dir():
                    folders.append(each.path)
    return [files, sizes, written]


def listen(path: Path) -> socket.socket:
    """A socket at this path that only this user can open.

    Raises:
        OSError: the path is taken, or too long for one.
    """
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def socket_folder() -> Path:
    """A folder that is this user's alone: the session's own, or one in the place for such files
    where that has too long a name for sockets.

    Raises:
        LeptonError: somebody else has made it, or can write to it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folders = [Path(runtime) / "lepton"] if runtime and os.access(runtime, os.W_OK) else []
    places = tempfile.gettempdir(), "/tmp"  # noqa: S108 - whose the folder is, is looked at
    folders += [Path(place) / f"lepton-{os.getuid()}" for place in places]
    folder = next((each for each in folders if len(os.fsencode(each)) <= LONGEST), folders[-1])
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise LeptonError(
            "the folder of Lepton's sockets is not yours alone",
            where=str(folder),
            hint="Remove it, or name another with XDG_RUNTIME_DIR.",
        )
    return folder
