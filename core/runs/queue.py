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
from core.flock import alone
from core.runs import lock
from core.runs.queue_devices import Devices
from core.workspace import Workspace

PROCESSOR = "cpu"
AUTO = "auto"


@dataclass(frozen=True)
class Waiting:
    """A run in the queue, and the devices of which as many as work `together` will do; none: they
    are not known yet."""

    run: str
    devices: tuple[str, ...]
    together: int = 1


@dataclass(frozen=True)
class Turn:
    """Devices that are a run's now, for as long as the descriptors are open."""

    devices: tuple[str, ...]
    descriptors: tuple[int, ...]
    among: tuple[str, ...] = ()
    """Those that it might have been."""

    @property
    def device(self) -> str:
        """The first of them."""
        return self.devices[0]

    def to_text(self) -> str:
        """As one process hands them to the next: `cuda:0=7,cuda:1=8`."""
        held = zip(self.devices, self.descriptors, strict=True)
        return ",".join(f"{device}={descriptor}" for device, descriptor in held)

    @classmethod
    def from_text(cls, text: str) -> Turn:
        pairs = [each.rpartition("=") for each in text.split(",")]
        return cls(tuple(name for name, _, _ in pairs), tuple(int(held) for _, _, held in pairs))

    def let_go(self) -> None:
        for each in self.descriptors:
            os.close(each)


@dataclass(frozen=True)
class Standing:
    """Where a waiting run stands: its place from 1, what it waits for, and the runs on that.

    It takes as many of `devices` as work `together`. `elsewhere` has the homes of those runs that
    are another workspace's.
    """

    place: int
    devices: tuple[str, ...]
    behind: tuple[str, ...]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    together: int = 1

    def to_json(self) -> dict[str, Any]:
        told = {"place": self.place, "devices": list(self.devices), "behind": list(self.behind)}
        return {**told, "elsewhere": dict(self.elsewhere), "together": self.together}


def awaited(
    device: str | None,
    queue: bool | None,
    accelerators: Callable[[], Sequence[str] | None],
    together: int = 1,
) -> tuple[str, ...] | None:
    """The devices of which a run takes the first free one; None when it waits for none.

    Where several work `together` they are those in a row from the named one, and it takes them all.

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
        devices = tuple(known[: together if together > 1 else None]) or (PROCESSOR,)
    elif device == PROCESSOR:
        devices = (PROCESSOR,)
    else:
        kind, _, first = device.partition(":")
        devices = tuple(f"{kind}:{int(first or 0) + at}" for at in range(together))
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
            return [
                Waiting(each["run"], tuple(each["devices"]), int(each.get("together", 1)))
                for each in json.loads(content)
            ]
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
        return Standing(place, entry.devices, tuple(behind), elsewhere, entry.together)

    def enter(
        self, run: str, devices: Sequence[str], together: int = 1, *, first: bool = False
    ) -> None:
        """Stand at the end of the queue, or `first`, or stay where the run stands already."""
        entry = Waiting(run, tuple(devices), min(together, len(devices) or together))
        with self._changed() as waiting:
            at = [each.run for each in waiting]
            if run in at:
                waiting[at.index(run)] = entry
            else:
                waiting.insert(0 if first else len(waiting), entry)

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
        """Free devices for which nobody before this run waits: the run leaves the queue with them.

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
                turn.let_go()
            raise
        return turn

    def _turn(self, run: str, waiting: list[Waiting], devices: Devices) -> Turn | None:
        promised: set[str] = set()
        for each in waiting:
            open_to_it = [name for name in each.devices if name not in promised]
            if each.run == run:
                return self._taken(each, open_to_it, devices)
            if not lock.held(self._workspace.runs / each.run / "lock"):
                continue
            if not each.devices:
                return None
            # It takes the first free ones when it next looks; one that needs several keeps those
            # that are free already, or smaller runs would go before it for ever.
            promised.update(islice(filter(devices.is_free, open_to_it), each.together))
        return None

    def _taken(self, each: Waiting, open_to_it: list[str], devices: Devices) -> Turn | None:
        """All the devices that it needs, or none of them."""
        free = list(islice(filter(devices.is_free, open_to_it), each.together))
        if len(free) < each.together:
            return None
        held = devices.take_all(free, self._workspace.runs / each.run)
        return None if held is None else Turn(tuple(free), held, each.devices)

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
            told = [{**vars(each), "devices": list(each.devices)} for each in waiting]
            try:
                atomic.write_json(self._path, told)
            except OSError as error:
                kind = DiskFullError if error.errno in FULL else LeptonError
                raise kind(
                    f"the queue cannot be written: {error.strerror}", where=str(self._path)
                ) from error
