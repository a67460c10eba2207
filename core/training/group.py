"""The processes that train one model together: who has which rows, and how they agree.

Each takes its share of every batch, so that batches and their order are those of one process. What
the clock or a person decides (a record, a checkpoint, a stop) is decided for all at the same step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from core.errors import LeptonError
from core.training import sharding

if TYPE_CHECKING:
    from core.inference.examples import Batch

T = TypeVar("T")

# The first process may wait long for room on a full disk, and the others for its word.
_PATIENCE = timedelta(days=7)
_ANSWERS_WITHIN = timedelta(seconds=10)
_LEAVES_WITHIN = timedelta(seconds=30)
_STARTS = "start-{}"
"""What a process leaves in the launcher's store, for each time it was started."""


@dataclass(frozen=True)
class Piece:
    """A part of a batch that goes through the model at once, and this process's rows of it."""

    rows: range
    """Positions in the batch. Where there are more processes than rows, a row stands in."""
    weight: float
    """How much the mean loss of these rows counts in the mean loss of the batch; 0: stand-in."""


def pieces(rows: int, parts: int, rank: int, size: int) -> list[Piece]:
    """A batch of `rows` in `parts`, and of each part the share of process `rank` of `size`.

    Every process has as many pieces, for they meet in each.
    """
    made = []
    for part in cut(range(rows), parts):
        if part:
            own = cut(part, size)[rank]
            made.append(Piece(own or part[:1], len(own) / rows))
    return made


def cut(rows: range, parts: int) -> list[range]:
    """As `Tensor.tensor_split`: the first ones have a row more where they are not all alike."""
    least, more = divmod(len(rows), parts)
    ends = [at * least + min(at, more) for at in range(parts + 1)]
    return [rows[start:stop] for start, stop in pairwise(ends)]


class Group:
    """This process alone; what several do otherwise is `Together`'s."""

    rank = 0
    size = 1
    shards = False
    """Whether each keeps only its part of every weight (FSDP2) and not the whole model."""
    words: Any = None
    """The process group for what is said; None: this process is alone."""

    @property
    def leads(self) -> bool:
        """Whether this one scores, records, saves and publishes for all."""
        return self.rank == 0

    def agreed(self, *wishes: bool) -> tuple[bool, ...]:
        """Each wish, true for all when one of them has it."""
        return wishes

    def told(self, say: Callable[[], T]) -> T:
        """What the leader says; only there is `say` called."""
        return say()

    def summed(self, values: Tensor) -> Tensor:
        """The sum of each value over all."""
        return values

    def gathered(self, value: T) -> list[T]:
        """The value of each, in the order of their ranks."""
        return [value]

    def brought(self, value: T) -> list[T]:
        """The same for the leader alone; the others have nothing."""
        return [value]

    def share(self, batch: Batch, parts: int) -> Batch:
        """The rows of a batch that go through the model here, piece after piece."""
        return batch

    def joined(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module as it is called in training: gradients become the mean over all."""
        return module

    def apart(self, module: nn.Module) -> AbstractContextManager[Any]:
        """A backward pass in it adds to this process's gradients alone."""
        return nullcontext()

    def leave(self) -> None:
        """End what the processes have in common; from here on none needs another."""


ALONE = Group()


class NotTogetherError(LeptonError):
    """The others are not to be reached; they may be, once all were started again."""


class Together(Group):
    """One of several processes under torch's elastic launcher, which has set its environment.

    Gradients meet by the device's own backend, words by gloo.

    Raises:
        NotTogetherError: the others are not to be reached.
    """

    def __init__(self, device: torch.device) -> None:
        from torch import distributed

        backend = distributed.get_default_backend_for_device(device)
        if device.type != "cpu":
            torch.accelerator.set_device_index(device)
        try:
            distributed.init_process_group(
                backend,
                store=_meeting_place(distributed),
                rank=int(os.environ["RANK"]),
                world_size=int(os.environ["WORLD_SIZE"]),
            )
            self.words = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise NotTogetherError(
                f"the processes of the training do not reach one another: {error}",
                hint="Name the network's interface with GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME.",
            ) from error
        self._distributed: Any = distributed
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    def agreed(self, *wishes: bool) -> tuple[bool, ...]:
        found = torch.tensor(wishes, dtype=torch.uint8)
        self._distributed.all_reduce(found, self._distributed.ReduceOp.MAX, group=self.words)
        return tuple(map(bool, found.tolist()))

    def told(self, say: Callable[[], T]) -> T:
        said: list[Any] = [say() if self.leads else None]
        self._distributed.broadcast_object_list(said, 0, group=self.words)
        found: T = said[0]
        return found

    def summed(self, values: Tensor) -> Tensor:
        found = values.detach().cpu()
        self._distributed.all_reduce(found, group=self.words)
        return found

    def gathered(self, value: T) -> list[T]:
        found: list[Any] = [None] * self.size
        self._distributed.all_gather_object(found, value, group=self.words)
        return found

    def brought(self, value: T) -> list[T]:
        found: list[Any] | None = [None] * self.size if self.leads else None
        self._distributed.gather_object(value, found, 0, group=self.words)
        return found or []

    def share(self, batch: Batch, parts: int) -> Batch:
        rows = len(next(iter(batch.values())))
        own = pieces(rows, parts, self.rank, self.size)
        if len(own) == 1:
            return {name: each[_slice(own[0].rows)] for name, each in batch.items()}
        return {
            name: torch.cat([each[_slice(piece.rows)] for piece in own])
            for name, each in batch.items()
        }

    def joined(self, module: nn.Module, device: torch.device) -> nn.Module:
        if self.shards:
            return sharding.shard(module, device, self.size)
        from torch.nn.parallel import DistributedDataParallel

        with warnings.catch_warnings():
            # The newer name of `broadcast_buffers` is not known to every torch we run on.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(
                module,
                device_ids=None if device.type == "cpu" else [device],
                # The running means of normalisation are the same everywhere (`synced`).
                broadcast_buffers=False,
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
            )

    def apart(self, module: nn.Module) -> AbstractContextManager[Any]:
        if self.shards:
            return sharding.apart(module)
        made: AbstractContextManager[Any] = module.no_sync()  # type: ignore[operator]
        return made

    def leave(self) -> None:
        try:
            # Whoever is left while it still hears from one that leaves may be ended by gloo
            # (SIGABRT), so they leave together.
            barrier = self._distributed.barrier(group=self.words, async_op=True)
            barrier.wait(timeout=_LEAVES_WITHIN)
        except RuntimeError:
            # One is dead or late. Its connections end with this process, which is at its end:
            # to take them down in order is what may wait for that one.
            return
        self._distributed.destroy_process_group()


def _launchers_store(distributed: Any, **settings: Any) -> Any:
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return distributed.TCPStore(*place, **settings)


def _meeting_place(distributed: Any) -> Any:
    """The launcher's store; what processes that have ended left there is not read again."""
    store = _launchers_store(distributed)
    store.set(_STARTS.format(start()), "")
    return distributed.PrefixStore(str(start()), store)


def start() -> int:
    """How often this machine's processes were started again."""
    return int(os.environ["TORCHELASTIC_RESTART_COUNT"])


class Waiting:
    """Whether it is in vain that this process waits for the others, seen beside that wait.

    One that was killed before all were together is started again, and meets them no more where
    they wait: its machine counts a start that theirs does not know of.
    """

    def __init__(self) -> None:
        self._store: Any = None

    def in_vain(self, most: int) -> bool:
        """Whether a process of another machine is at a later start, of `most` that there are."""
        from torch import distributed

        later = range(start() + 1, most + 1)
        try:
            # The store of those who wait in it answers nobody else meanwhile.
            self._store = self._store or _launchers_store(distributed, timeout=_ANSWERS_WITHIN)
            return any(self._store.check([_STARTS.format(number)]) for number in later)
        except RuntimeError:
            # Where the store is gone, the wait itself ends.
            return False


def _slice(rows: range) -> slice:
    return slice(rows.start, rows.stop)
