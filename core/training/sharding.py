"""A model of which each process keeps a part (FSDP2), and checkpoints of such parts.

Every weight is a `DTensor`, cut along its first dimension; a block's weights are whole only while
it works. A checkpoint's parts are written by `torch.distributed.checkpoint`, which puts them
together again for any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import torch
from torch import Tensor, nn

from core.errors import LeptonError

if TYPE_CHECKING:
    from core.training.group import Group

SHARDS = "shards"
"""The folder of the parts, inside a checkpoint's."""


def shard(module: nn.Module, device: torch.device, size: int) -> nn.Module:
    """The module, itself changed: each block of its lists by itself, and what is left as one."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    # It takes no other layout than the plain one.
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    mesh = init_device_mesh(device.type, (size,))
    for each in module.modules():
        if isinstance(each, nn.ModuleList):
            for block in each:
                if any(True for _ in block.parameters()):
                    fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    if hasattr(module, "write"):
        # What answers otherwise than it learns needs whole weights there too.
        register_fsdp_forward_method(module, "write")
    return module


@contextmanager
def apart(module: nn.Module) -> Iterator[None]:
    """Gradients stay with the process in it."""
    sharded: Any = module
    sharded.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        sharded.set_requires_gradient_sync(True)


def is_part(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or what all parts of it are together; then all must ask for it."""
    part: Any = tensor
    made: Tensor = part.full_tensor() if is_part(tensor) else tensor
    return made


def own(tensor: Tensor) -> Tensor:
    """What of a tensor lies in this process, of the same memory: all of it, or its part."""
    part: Any = tensor
    made: Tensor = part.to_local() if is_part(tensor) else tensor
    return made


def part_like(like: Tensor, tensor: Tensor) -> Tensor:
    """This process's part of a tensor that all have whole, cut as `like` is."""
    if not is_part(like) or is_part(tensor) or not tensor.dim():
        return tensor
    from torch.distributed.tensor import distribute_tensor

    cut: Any = like
    mesh, placements = cut.device_mesh, cut.placements
    return distribute_tensor(tensor.to(cut.device), mesh, placements, src_data_rank=None)


def common(folder: Path, group: Group) -> Path:
    """The leader's `folder`, in which every process keeps its parts.

    Raises:
        LeptonError: a machine of the group does not see it.
    """

    def marked() -> Path:
        mark = folder / f".seen-{uuid4().hex}"
        mark.touch()
        return mark

    mark = group.told(marked)
    unseen = [place for place in group.gathered("" if mark.exists() else gethostname()) if place]
    if group.leads:
        mark.unlink()
    if unseen:
        raise LeptonError(
            f"the parts of the model have no place in common: {unseen[0]} does not see it",
            where=str(mark.parent),
            hint="Have LEPTON_HOME on a disk that the machines share, under one name on all.",
        )
    return mark.parent


def write(folder: Path, tensors: Mapping[str, Tensor], group: Group) -> None:
    """Write the parts of all processes and sync them.

    Raises:
        OSError: a file cannot be written.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    class Writer(FileSystemWriter):
        def write_data(self, *given: Any) -> Any:
            try:
                return super().write_data(*given)
            except Exception as error:
                # torch tells that its file is not as long as it should be, and not why.
                if (system := _system(error)) is None:
                    raise
                raise OSError(system.errno, system.strerror) from error

    writer = Writer(folder, sync_files=True)
    try:
        save(dict(tensors), storage_writer=writer, process_group=group.words)
    except CheckpointException as error:
        failures = [failure for failure, _ in error.failures.values()]
        for failure in failures:
            if isinstance(failure, OSError):
                raise failure from error
        raise OSError(str(failures[0]).splitlines()[0]) from error


def _system(error: BaseException) -> OSError | None:
    """The system's own error behind another one."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, OSError):
        behind = behind.__cause__ or behind.__context__
    return behind


def read(folder: Path, likes: Callable[[str], Tensor | None], group: Group) -> dict[str, Tensor]:
    """The tensors of a folder, each as what `likes` says of its name: in parts, or else whole."""
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = FileSystemReader(folder)
    kept: dict[str, Tensor] = {}
    for name, facts in reader.read_metadata().state_dict_metadata.items():
        like = likes(name)
        size, dtype = facts.size, facts.properties.dtype  # type: ignore[union-attr]
        kept[name] = (
            torch.empty(size, dtype=dtype)
            if like is None or not is_part(like)
            else torch.empty_like(like, dtype=dtype)
        )
    load(kept, storage_reader=reader, process_group=group.words, no_dist=group.words is None)
    return kept
