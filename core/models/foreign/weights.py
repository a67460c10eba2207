"""Weights in one file: what it is by its bytes, which is refused, and the tensors in the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from core.data.lake.files import sha256_of
from core.errors import UsageError
from core.models.foreign.bounded import run

if TYPE_CHECKING:
    from torch import Tensor

RUNS_CODE = "Reading it would run whatever code it holds"
SAVE = (
    "Have its owner save the weights alone: torch.save(model.state_dict(), FILE), or safetensors."
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PICKLES = (".joblib", ".pkl", ".pickle", ".cloudpickle")
_MOST_NAMES = 64 << 20
"""Bytes of the part that names the tensors."""


def check_digest(path: Path, expected: str | None) -> str:
    """The file's SHA-256.

    Raises:
        UsageError: `expected` is none, or that of another file.
    """
    if expected is not None and not _SHA256.fullmatch(expected.lower()):
        raise UsageError("a SHA-256 is 64 hexadecimal digits", where="--sha256")
    found = sha256_of(path)
    if expected is not None and found != expected.lower():
        raise UsageError(
            f"the file is not the one that was meant: its SHA-256 is {found}",
            where=str(path),
            hint="Fetch it again from where the hash was given.",
        )
    return found


def check(path: Path) -> str:
    """What a file is, "safetensors" or "torch", by its suffix and bytes; nothing of it is run.

    Raises:
        UsageError: it is of a kind that runs code, is known to do harm, or is not known here.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        first = file.read(8)
    if suffix == ".safetensors":
        return "safetensors"
    if suffix in _PICKLES or first.startswith(b"\x80"):
        raise UsageError(f"this is a pickle. {RUNS_CODE}", where=str(path), hint=SAVE)
    if suffix == ".pt2":
        raise UsageError(f"this is an exported program. {RUNS_CODE}", where=str(path), hint=SAVE)
    if not first.startswith(b"PK"):
        raise UsageError(
            "this is no file of weights that is known here",
            where=str(path),
            hint="A folder of transformers, safetensors, or a state dict of torch.",
        )
    _check_archive(path)
    return "torch"


def _check_archive(path: Path) -> None:
    """Look at the members of what torch.save wrote, before any is opened.

    Raises:
        UsageError: they are packed, larger than the file, or those of a program.
    """
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
    except (BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise UsageError(f"the archive is damaged: {error}", where=str(path)) from error
    names = [member.filename for member in members]
    if any(name.startswith("/") or ".." in name.split("/") or "\\" in name for name in names):
        raise UsageError("the archive names files outside itself", where=str(path))
    # torch.save never packs, so nothing in its files can be larger than they are.
    packed = any(member.compress_type != ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise UsageError(
            "the archive would unpack to more than it is, which torch.save never writes",
            where=str(path),
            hint=SAVE,
        )
    inner = [name.partition("/")[2] for name in names]
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise UsageError(f"this is a TorchScript program. {RUNS_CODE}", where=str(path), hint=SAVE)
    if inner.count("data.pkl") != 1:
        raise UsageError(
            f"this is an archive, but none of weights alone. {RUNS_CODE}"
            if any(name.startswith("models/") for name in inner)
            else "this archive holds no weights",
            where=str(path),
            hint=SAVE,
        )
    if any(
        member.file_size > _MOST_NAMES
        for member, name in zip(members, inner, strict=True)
        if name == "data.pkl"
    ):
        raise UsageError("the archive names too many tensors", where=str(path))


def read(path: Path, beside: Path) -> dict[str, Tensor]:
    """The tensors of a file that `check` let pass, by name; `beside` is a path that may be written.

    Raises:
        UsageError: it holds something else than weights.
        LeptonError: it is damaged, or asks for more memory than it may.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if check(path) == "torch":
        run("core.models.foreign.convert", path, str(beside))
        return dict(load_file(beside))
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, MemoryError) as error:
        raise UsageError(f"the weights cannot be read: {error}", where=str(path)) from error
