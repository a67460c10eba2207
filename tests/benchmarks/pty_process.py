"""A command in a pty of 80 x 24, whose bytes are timed as they come; nothing is drawn."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from typing import Self

DEADLINE = 60.0


class PtyProcess:
    """Use as a context manager; the process is killed at its end."""

    def __init__(self, command: Sequence[str], home: str) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "LEPTON_HOME": home}
        for name in ("NO_COLOR", "SSH_CONNECTION", "OMP_NUM_THREADS"):
            environment.pop(name, None)
        self.started = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(command[0], list(command), environment)
            finally:
                os._exit(127)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)

    def send(self, keys: str) -> float:
        """Press keys; the moment they were pressed."""
        pressed = time.perf_counter()
        os.write(self._master, keys.encode())
        return pressed

    def seen(self, mark: bytes) -> float:
        """The moment when `mark` had come among the bytes written from now on."""
        written = bytearray()
        end = time.perf_counter() + DEADLINE
        while mark not in written:
            if not select.select([self._master], [], [], max(0.0, end - time.perf_counter()))[0]:
                raise TimeoutError(f"never saw {mark!r} among {bytes(written[-2000:])!r}")
            written += os.read(self._master, 65536)
        return time.perf_counter()

    def drain(self, seconds: float) -> None:
        """Take what comes for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._master], [], [], left)[0]:
                os.read(self._master, 65536)
