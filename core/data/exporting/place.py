"""Where something is written to for a person: what is there stays until the new one is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

from core.atomic import rename_folder, sync_path
from core.errors import LeptonError, UsageError


def check_place(destination: Path, *, replace: bool, folder: bool = False) -> None:
    """Whether something can be put there; a file in place of another only with `replace`.

    Raises:
        UsageError: it cannot.
    """
    if not destination.parent.is_dir():
        above = destination.parent
        if above.exists():
            raise UsageError("a file, and no folder", where=str(above), hint="Name a folder.")
        raise UsageError("no such folder", where=str(above), hint="Make it first.")
    if destination.exists() and (folder or not replace or destination.is_dir()):
        other = "Name another folder." if folder else "Name another file."
        hint = other if destination.is_dir() else "--force replaces it."
        raise UsageError("something is there already", where=str(destination), hint=hint)


@contextmanager
def placed(destination: Path) -> Iterator[Path]:
    """A name beside the destination, for a file or a folder that is put there when it is whole.

    Raises:
        LeptonError: it cannot be written; nothing half written is left.
    """
    beside = destination.with_name(f".{destination.name}.{uuid4().hex[:8]}")
    try:
        # The libraries that write would tell of the name beside it, each in its own words.
        beside.touch(exist_ok=False)
        beside.unlink()
        yield beside
        if beside.is_dir():
            rename_folder(beside, destination)
        else:
            sync_path(beside)
            beside.replace(destination)
            sync_path(destination.parent)
    except OSError as error:
        raise unwritable(destination, error.strerror or str(error)) from error
    finally:
        if beside.is_dir():
            rmtree(beside)
        beside.unlink(missing_ok=True)


def unwritable(destination: Path, why: str) -> LeptonError:
    """What a person hears where something cannot be put."""
    return LeptonError(
        f"it cannot be written: {why}",
        where=str(destination),
        hint="Check the disk's room and the folder's permissions.",
    )
