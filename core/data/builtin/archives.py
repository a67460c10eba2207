"""The original archives of built-in data sets: found where a person put them, or downloaded."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from core.atomic import sync_path
from core.data.sources.desk import Progress
from core.errors import LeptonError, UsageError

CHUNK = 1 << 18
TIMEOUT = 30.0


@dataclass(frozen=True)
class Archive:
    """One original file: its name, size in bytes, SHA-256, and where it can be fetched from."""

    name: str
    bytes: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Local:
    """An archive on this machine; `original` is False when its checksum is another."""

    archive: Archive
    path: Path
    sha256: str

    @property
    def original(self) -> bool:
        return self.sha256 == self.archive.sha256


def find_archives(
    name: str,
    archives: tuple[Archive, ...],
    datasets: Path,
    *,
    source: Path | None = None,
    progress: Progress,
) -> list[Local]:
    """Find each archive, or download the ones that are not there.

    Looked through in turn: `source`, which a person named (a folder, or the one file itself), the
    folder `datasets/NAME`, and `datasets`. A file found there is used whatever its checksum, for a
    person may bring a subset; a downloaded one must be the original to the last bit.

    Raises:
        UsageError: `source` does not hold the files.
        LeptonError: a file is not here and cannot be downloaded; the hint names file and folder.
    """
    if source is not None:
        return [
            _local(archive, _in_source(name, archive, archives, source)) for archive in archives
        ]
    own = datasets / name
    found: list[Local] = []
    for archive in archives:
        path = _beneath(own, archive) or _beneath(datasets, archive)
        if path is None:
            own.mkdir(parents=True, exist_ok=True)
            path = own / archive.name
            _download(archive, path, archives, progress)
        found.append(_local(archive, path))
    return found


def _in_source(name: str, archive: Archive, archives: tuple[Archive, ...], source: Path) -> Path:
    if source.is_file() and len(archives) == 1:
        return source
    if path := _beneath(source, archive):
        return path
    where = source if source.is_dir() else source.parent
    raise UsageError(
        f'{archive.name}, of the data set "{name}", is not there',
        where=str(where),
        hint=f"The folder should hold: {', '.join(a.name for a in archives)}",
    )


def _beneath(folder: Path, archive: Archive) -> Path | None:
    """The archive in a folder, if it is there; one file that was gzipped may lie unpacked."""
    names = [archive.name]
    if not archive.name.endswith(".tar.gz"):
        names.append(archive.name.removesuffix(".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _local(archive: Archive, path: Path) -> Local:
    with path.open("rb") as file:
        return Local(archive, path, hashlib.file_digest(file, "sha256").hexdigest())


def _download(
    archive: Archive, path: Path, archives: tuple[Archive, ...], progress: Progress
) -> None:
    """Try each address in turn; the file has its name only once its checksum is right."""
    faults: list[str] = []
    altered = False
    for url in archive.urls:
        part = path.with_name(f".{archive.name}.{os.getpid()}-{uuid4().hex[:8]}")
        try:
            digest = _fetch(url, part, archive.bytes, lambda n: progress(n, archive.bytes))
            if digest == archive.sha256:
                sync_path(part)
                part.replace(path)
                sync_path(path.parent)
                return
            altered = True
            faults.append(f"{urlsplit(url).netloc}: the checksum is wrong")
        except (URLError, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            faults.append(f"{urlsplit(url).netloc}: {reason}")
        finally:
            part.unlink(missing_ok=True)
    names = ", ".join(a.name for a in archives)
    addresses = ", ".join(a.urls[0] for a in archives)
    raise LeptonError(
        f"{archive.name} was downloaded, but it is not the original"
        if altered
        else f"{archive.name} is not on this machine and cannot be downloaded",
        where="; ".join(faults),
        hint=f"Put {names} into {path.parent} and try again. They are at {addresses}",
    )


def _fetch(url: str, part: Path, expected: int, progress: Callable[[int], None]) -> str:
    """Stream an address into a file and return its SHA-256.

    Raises:
        OSError, HTTPException: the connection failed, or was cut before the end.
        ValueError: there is more than the archive holds.
    """
    digest = hashlib.sha256()
    done = 0
    request = Request(url, headers={"User-Agent": "lepton-tui"})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT) as answer, part.open("wb") as out:  # noqa: S310
        while chunk := answer.read(CHUNK):
            done += len(chunk)
            if done > expected:
                raise ValueError(f"more than the {expected:,} bytes of the original")
            digest.update(chunk)
            out.write(chunk)
            progress(done)
    if done < expected:
        raise ValueError(f"the connection was cut after {done:,} of {expected:,} bytes")
    return digest.hexdigest()
