"""The runs of a workspace that wait for a device, in the order in which they are to start.

There is no daemon: a waiting run is a process of its own (`core.runs.queue_worker`), which looks
once a second whether its turn has come. The order is a file; a run stands in it from its launch
until it has its device or is stopped. One that stands there without a process lost it when the
machine went down, and is launched again by who next looks at the queue (`Runs.revive`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from core import atomic
from core.errors import FULL, DiskFullError, LeptonError, UsageError
from core.runs import lock
from core.runs.queue_devices import Devices, alone
from core.workspace import Workspace

PROCESSOR = "cpu"
AUTO = "auto"


@dataclass(frozen=True)
class Waiting:
    """A run in the queue, and the devices of which any will do; none: they are not known yet."""

    run: str
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """A device that is a run's now, for as long as the descriptor is open."""

    device: str
    descriptor: int


@dataclass(frozen=True)
class Standing:
    """Where a waiting run stands: its place from 1, what it waits for, and the runs on that;
    `elsewhere` has the homes of those that are another workspace's."""

    place: int
    devices: tuple[str, ...]
    behind: tuple[str, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        told = {"place": self.place, "devices": list(self.devices), "behind": list(self.behind)}
        return {**told, "elsewhere": dict(self.elsewhere)}


def awaited(
    device: str | None, queue: bool | None, accelerators: Callable[[], Sequence[str] | None]
) -> tuple[str, ...] | None:
    """The devices of which a run takes the first free one; None when it waits for none.

    On an accelerator a run waits, because two would share its memory; on the processor it starts
    at once unless it is asked to wait, because a person who starts two small runs there wants to
    see both. `accelerators` returns the machine's, or None when only torch can tell: then it is ().
    """
    if device is None or queue is False:
        return None
    if device == AUTO:
        known = accelerators()
        if known is None:
            return ()
        devices = tuple(known) or (PROCESSOR,)
    else:
        devices = (device if ":" in device or device == PROCESSOR else f"{device}:0",)
    return None if devices == (PROCESSOR,) and not queue else devices


class Queue:
    """The queue of a workspace. Everyone may read it; who changes it does so alone."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._path = workspace.home / "queue.json"

    def waiting(self) -> list[Waiting]:
        """Who waits, in order.

        Raises:
            LeptonError: the file of the queue is damaged.
        """
        try:
            content = self._path.read_text()
        except FileNotFoundError:
            return []
        try:
            return [Waiting(each["run"], tuple(each["devices"])) for each in json.loads(content)]
        except (ValueError, KeyError, TypeError) as error:
            raise LeptonError(
                "the file of the queue is damaged",
                where=str(self._path),
                hint="Remove it, and go on with the runs that waited: lepton runs resume RUN",
            ) from error

    def place(self, run: str) -> int | None:
        """The place of a run in the queue, from 1; None when it is not in it."""
        names = [each.run for each in self.waiting()]
        return names.index(run) + 1 if run in names else None

    def standing(self, run: str) -> Standing | None:
        """Where a run stands; None when it is not in the queue."""
        found = [(at, each) for at, each in enumerate(self.waiting(), 1) if each.run == run]
        if not found:
            return None
        place, entry = found[0]
        devices = Devices()
        folders = [each for name in entry.devices for each in devices.folders_on(name)]
        behind = {each.name: each.parent for each in folders if each.name != run}
        elsewhere = {
            name: str(runs.parent) for name, runs in behind.items() if runs != self._workspace.runs
        }
        return Standing(place, entry.devices, tuple(behind), elsewhere)

    def enter(self, run: str, devices: Sequence[str]) -> None:
        """Stand at the end of the queue, or stay where the run stands already."""
        entry = Waiting(run, tuple(devices))
        with self._changed() as waiting:
            at = [each.run for each in waiting]
            if run in at:
                waiting[at.index(run)] = entry
            else:
                waiting.append(entry)

    def leave(self, run: str) -> None:
        """Wait no more; nothing happens where the run did not.

        Nor where the queue cannot be read or written: who stands there without a process keeps
        nobody back.
        """
        with suppress(LeptonError):
            if self.place(run) is not None:
                with self._changed() as waiting:
                    waiting[:] = [each for each in waiting if each.run != run]

    def move(self, run: str, place: int) -> int:
        """Give a waiting run another place, from 1; its place now, the last one at most.

        Raises:
            UsageError: the run does not wait.
        """
        with self._changed() as waiting:
            found = [each for each in waiting if each.run == run]
            if not found:
                raise UsageError(
                    "the run does not wait in the queue",
                    where=run,
                    hint="See who does: lepton runs queue",
                )
            waiting.remove(found[0])
            waiting.insert(place - 1, found[0])
            return waiting.index(found[0]) + 1

    def claim(self, run: str) -> Turn | None:
        """A free device for which nobody before this run waits: the run leaves the queue with it.

        None: its turn has not come, or it is not in the queue.
        """
        devices = Devices()
        wanted = next((each.devices for each in self.waiting() if each.run == run), ())
        if not any(map(devices.is_free, wanted)):
            return None
        turn = None
        try:
            with self._changed() as waiting:
                turn = self._turn(run, waiting, devices)
                if turn is not None:
                    waiting[:] = [each for each in waiting if each.run != run]
        except BaseException:
            if turn is not None:
                os.close(turn.descriptor)
            raise
        return turn

    def _turn(self, run: str, waiting: list[Waiting], devices: Devices) -> Turn | None:
        promised: set[str] = set()
        for each in waiting:
            open_to_it = [name for name in each.devices if name not in promised]
            if each.run == run:
                for device in open_to_it:
                    if (held := devices.take(device, self._workspace.runs / run)) is not None:
                        return Turn(device, held)
                return None
            if not lock.held(self._workspace.runs / each.run / "lock"):
                continue
            if not each.devices:
                return None
            # It takes the first free one when it next looks.
            promised.update(islice(filter(devices.is_free, open_to_it), 1))
        return None

    @contextmanager
    def _changed(self) -> Iterator[list[Waiting]]:
        """The queue to be changed, alone; what it then is, is written as a whole.

        Raises:
            LeptonError: it cannot be read or written.
        """
        with alone(self._workspace.home / "queue.lock"):
            before = self.waiting()
            waiting = [*before]
            yield waiting
            if waiting == before:
                return
            told = [{"run": each.run, "devices": list(each.devices)} for each in waiting]
            try:
                atomic.write_json(self._path, told)
            except OSError as error:
                kind = DiskFullError if error.errno in FULL else LeptonError
                raise kind(
                    f"the queue cannot be written: {error.strerror}", where=str(self._path)
                ) from error
