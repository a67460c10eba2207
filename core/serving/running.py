"""The services of this person that run on this machine: a locked file each.

A service writes its file when it listens, and holds the file's lock until it ends: one that nobody
holds is of a service that is gone, however it went. How a service does, it says itself, by a socket
that only this user can open; so no route of it has to tell that, and no key is needed to watch.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import LeptonError, UsageError
from core.inference.door import socket_folder
from core.runs import lock
from core.workspace import Workspace, state_folder

ANSWERS_WITHIN = 2.0
"""Seconds for a service to say how it does."""
_POLL = 0.05


@dataclass(frozen=True)
class Running:
    """What a service says of itself once, when it listens. `started` is in seconds since 1970."""

    id: str
    home: str
    pid: int
    address: str
    models: tuple[str, ...]
    """As they were named: "digits", "digits@2", or a folder."""
    keys: bool
    """Whether a request needs a key."""
    certificate: str | None
    started: float
    socket: str
    log: str | None
    """Where its log is, if that is a file."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def look(self) -> dict[str, Any]:
        """How it does now, as `Watching` tells it.

        Raises:
            LeptonError: it does not say so in time, or has just ended.
        """
        parts = []
        try:
            with socket.socket(socket.AF_UNIX) as there:
                there.settimeout(ANSWERS_WITHIN)
                there.connect(self.socket)
                while part := there.recv(1 << 16):
                    parts.append(part)
            told: dict[str, Any] = json.loads(b"".join(parts))
            return told
        except (OSError, ValueError) as error:
            hint = "It may be very busy, or has just ended: lepton serve ls"
            raise LeptonError(
                "the service does not say how it does", where=self.address, hint=hint
            ) from error

    def seen(self) -> dict[str, Any]:
        """What `look` tells; nothing where it does not say so, as when it is very busy."""
        try:
            return self.look()
        except LeptonError:
            return {}


class Services:
    """The services of a workspace that run on this machine.

    Raises:
        LeptonError: the folder of their files cannot be made.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._home = str(workspace.home.resolve())
        self.folder = state_folder("services")

    def list(self) -> list[Running]:
        """Those that run now, the first started first."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                told = json.loads(path.read_text())
                running = Running(**{**told, "models": tuple(told["models"])})
            except (OSError, ValueError, TypeError, KeyError):
                continue  # It has ended just now.
            if not lock.held(path):
                _forget(path, running)
            elif running.home == self._home:
                found.append(running)
        return sorted(found, key=lambda each: each.started)

    def find(self, named: str | None = None) -> Running:
        """The service of an address, a port or a process id, or else the only one.

        Raises:
            UsageError: there is none, or there are several.
        """
        found = self.list()
        if not found:
            raise UsageError(
                "no service of this workspace runs", hint="Start one: lepton serve MODEL --detach"
            )
        if named is not None:
            found = [each for each in found if named in _names(each)]
        if len(found) == 1:
            return found[0]
        there = ", ".join(f"{each.port}" for each in found or self.list())
        what = f'no service is at "{named}"' if named is not None else "several services run"
        raise UsageError(what, hint=f"Name one by its port: {there}.")

    @contextmanager
    def entered(self, running: Running) -> Iterator[None]:
        """Be among those that run, for as long as this lasts or the process lives."""
        path = self.folder / f"{running.id}.json"
        beside = path.with_name(f".{path.name}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        held = os.open(beside, flags, 0o600)
        try:
            # Locked before it has its name: nobody sees it free.
            fcntl.flock(held, fcntl.LOCK_EX)
            os.write(held, json.dumps({**asdict(running), "home": self._home}).encode())
            beside.rename(path)
            yield
        finally:
            beside.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            os.close(held)

    def ended(self, running: Running) -> bool:
        return not lock.held(self.folder / f"{running.id}.json")

    def stop(self, running: Running, wait: float | None = None) -> bool:
        """Ask it to end after the requests that it has; asked again, it leaves them.

        Waits up to `wait` seconds, or until it has ended: whether it has.

        Raises:
            LeptonError: its process cannot be reached.
        """
        if not self.ended(running):
            try:
                os.kill(running.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            except PermissionError as error:
                raise LeptonError("the service is another person's", where=str(running.pid)) from (
                    error
                )
        return self.ended_within(running, wait)

    def ended_within(self, running: Running, wait: float | None) -> bool:
        """Wait up to `wait` seconds, None for ever, until it has ended: whether it has."""
        deadline = None if wait is None else time.monotonic() + wait
        while not (ended := self.ended(running)) and (
            deadline is None or time.monotonic() < deadline
        ):
            time.sleep(_POLL)
        return ended


def socket_of(service: str) -> Path:
    """Where a service says how it does.

    Raises:
        LeptonError: the folder for it is not this user's alone.
    """
    return socket_folder() / f"service-{service}.sock"


def state_of(seen: Mapping[str, Any]) -> str:
    """ "ready", "loading", "stopping", or "silent" of a service that did not say how it does."""
    if not seen:
        return "silent"
    return "stopping" if seen["stopping"] else "ready" if seen["ready"] else "loading"


def _names(running: Running) -> tuple[str, ...]:
    host = running.address.partition("://")[2]
    return running.address, host, str(running.port), str(running.pid), running.id


def _forget(path: Path, running: Running) -> None:
    """What a service that was killed has left."""
    with suppress(OSError):
        if Path(running.socket).is_socket():
            Path(running.socket).unlink()
        path.unlink()
