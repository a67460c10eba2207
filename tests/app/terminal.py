"""A real terminal for tests: a pty with a process in it, and pyte to read what it drew."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import psutil
import pyte

DEADLINE = 60.0


class Terminal:
    """Runs a command in a pty of the given size. `text` is the screen as a person sees it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        home: Path,
        columns: int = 80,
        lines: int = 24,
        env: dict[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.status: int | None = None
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "LEPTON_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            **(env or {}),
        }
        for name in ("NO_COLOR", "SSH_CONNECTION"):
            if name not in (env or {}):
                environment.pop(name, None)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(command[0], list(command), environment)
            finally:
                os._exit(127)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.master >= 0:
            os.close(self.master)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def send(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def read(self, timeout: float = 0.1) -> bool:
        """Take what the process wrote; False when it has closed the terminal."""
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += chunk
        # pyte knows no synchronised-output mode and prints its query's answer as text.
        self.stream.feed(chunk)
        return bool(chunk)

    def wait_for(self, seen: str | Callable[[str], bool], deadline: float = DEADLINE) -> str:
        """Read until the screen shows a text; the screen."""
        end = time.monotonic() + deadline
        while True:
            found = seen in self.text if isinstance(seen, str) else seen(self.text)
            if found:
                return self.text
            if not self.read() or time.monotonic() > end:
                raise AssertionError(f"never saw {seen!r}; the screen was:\n{self.text}")

    def wait_for_sleep(self, deadline: float = DEADLINE) -> None:
        """Read until the process waits: a prompt is shown a moment before its keys are read, and a
        Ctrl-C in that moment is only heard with the next key."""
        end = time.monotonic() + deadline
        while psutil.Process(self.pid).status() != psutil.STATUS_SLEEPING:
            if not self.read(0.01) or time.monotonic() > end:
                raise AssertionError(f"it is still at work; the screen was:\n{self.text}")

    def wait_for_exit(self, deadline: float = DEADLINE) -> int:
        """Read until the process ends; its exit code, negative for a signal."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            open_still = self.read()
            pid, status = os.waitpid(self.pid, 0 if not open_still else os.WNOHANG)
            if pid:
                while self.read(0) and select.select([self.master], [], [], 0)[0]:
                    pass
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
        raise AssertionError(f"it did not end; the screen was:\n{self.text}")


def lepton(*arguments: str) -> list[str]:
    """The command line of the console script of the running interpreter."""
    return [str(Path(sys.executable).with_name("lepton")), *arguments]
