"""Files in the cloud, through fsspec, into scratch files. Credentials are read where each service
has them: its environment variables and its files.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from core.data.sources.desk import Desk
from core.data.sources.located import Located
from core.data.sources.remote.address import CLOUD, scheme_of, shown
from core.data.sources.said import counted
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

T = TypeVar("T")
CHUNK = 4 << 20
AT_ONCE = 8
MOST_FILES = 1_000_000
TOLD_EVERY = 4 << 20
# Seconds: between two looks at what came, and for files under way to see that they are to end.
LOOK_EVERY = 0.1
GRACE = 1.0
CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or run: az login",
    "hf": "Set HF_TOKEN, or run: hf auth login",
    "memory": "",
}
ALIASES = {"gcs": "gs", "abfs": "az", "abfss": "az"}
# Errors of the services' own libraries that all say: who are you?
NOBODY = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
DENIED = ("ClientAuthenticationError", "RefreshError", "HttpError", "TokenRetrievalError")


def fetch_cloud(desk: Desk, source: str) -> Located:
    """The file, the files that match a pattern, or the folder at an address, as local files.

    Raises:
        UsageError: nothing lies there.
        LeptonError: a library or credentials are missing, access is denied, or there is more than
            is allowed.
        Cancelled: the import is no longer wanted.
    """
    with _guarded(source):
        system = _waited(desk, partial(_file_system, desk, source))
        path = system._strip_protocol(source)
        found, folder = _waited(desk, partial(_listed, system, source, path))
    total = sum(found.values())
    if total > desk.options.most_bytes:
        raise _too_large(desk, source, total)
    if not found:
        raise UsageError(
            "no file lies there", where=shown(source), hint="Check the address and the pattern."
        )
    root = desk.scratch_folder()
    places = _places(desk, source, found, folder)
    _Copying(desk, system, source, total).all({at: root / name for at, name in places.items()})
    scheme = source.partition("://")[0]
    if folder is not None:
        desk.stand_for(root, source.rstrip("/"))
        return Located(
            [root], [source.rstrip("/")], {desk.called(root / n): root / n for n in places.values()}
        )
    for at, name in places.items():
        desk.stand_for(root / name, f"{scheme}://{at.lstrip('/')}")
    files = [root / name for name in places.values()]
    return Located(files, [desk.called(file) for file in files])


def _file_system(desk: Desk, source: str) -> AbstractFileSystem:
    scheme = scheme_of(source) or ""
    try:
        import fsspec

        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise LeptonError(
            f"{scheme}:// is read through {CLOUD[scheme]}, which is not installed",
            where=shown(source),
            hint="Install it: pip install 'lepton-tui[cloud]'",
        ) from error
    # Never from a cache: a refresh must see what is there now.
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3" and not _has_aws_credentials():
        desk.note("no AWS credentials were found; the bucket was read as anybody may")
        options["anon"] = True
    return fsspec.filesystem(scheme, **options)


def _has_aws_credentials() -> bool:
    try:
        from botocore.session import Session  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return True
    return Session().get_credentials() is not None


def _listed(
    system: AbstractFileSystem, source: str, path: str
) -> tuple[dict[str, int], str | None]:
    """The sizes of the files there by their paths; of a folder, its own path too."""
    if any(mark in path for mark in "*?["):
        details = system.glob(path, detail=True)
        folder = None
    else:
        info = system.info(path)
        if info["type"] == "file":
            return {info["name"]: int(info.get("size") or 0)}, None
        details = system.find(path, detail=True)
        folder = path
    if len(details) > MOST_FILES:
        raise LeptonError(
            f"there are more than {MOST_FILES:,} files",
            where=shown(source),
            hint="Name a part of them.",
        )
    return {
        name: int(info.get("size") or 0)
        for name, info in sorted(details.items())
        if info["type"] == "file" and not name.endswith("/")
    }, folder


def _places(desk: Desk, source: str, found: dict[str, int], folder: str | None) -> dict[str, str]:
    """Where each file goes below the scratch folder; a name that leads out of it goes nowhere."""
    above = folder or os.path.commonpath([str(PurePosixPath(at).parent) for at in found])
    above = above.strip("/")
    places: dict[str, str] = {}
    taken: set[str] = set()
    for at in found:
        name = at.strip("/").removeprefix(above).strip("/") or PurePosixPath(at).name
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part or len(part) > 250 for part in parts):
            desk.reject(name, "its name cannot be that of a file", file=shown(source))
        elif any(part.startswith(".") for part in parts):
            continue
        elif name in taken:
            desk.reject(name, "there are two files of this name", file=shown(source))
        else:
            taken.add(name)
            places[at] = name
    return places


class _Copying:
    """Files on their way, several at a time; what they bring is bounded in all."""

    def __init__(self, desk: Desk, system: AbstractFileSystem, source: str, total: int) -> None:
        self._desk, self._system, self._source = desk, system, source
        self._total = total
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._came = 0

    def all(self, places: dict[str, Path]) -> None:
        """Copy each file to its place.

        Raises:
            LeptonError: one cannot be read, or more comes than is allowed.
            Cancelled: the import is no longer wanted.
        """
        for folder in {place.parent for place in places.values()}:
            folder.mkdir(parents=True, exist_ok=True)
        waiting = iter(places.items())
        ahead: set[Future[None]] = set()
        told = 0
        try:
            while True:
                for at, place in islice(waiting, AT_ONCE - len(ahead)):
                    ahead.add(_beside(partial(self._copy, at, place)))
                if not ahead:
                    break
                done, ahead = wait(ahead, LOOK_EVERY, FIRST_COMPLETED)
                for each in done:
                    each.result()
                self._desk.check()
                if self._came - told >= TOLD_EVERY:
                    told = self._came
                    self._desk.progress(told, self._total)
        finally:
            self._stopped.set()
            # One that a server keeps waiting is left behind: it writes nothing any more.
            wait(ahead, GRACE)
        self._desk.progress(self._came, self._total)

    def _copy(self, at: str, place: Path) -> None:
        with (
            _guarded(self._source),
            self._system.open(at, "rb", block_size=CHUNK, cache_type="readahead") as file,
        ):
            if self._stopped.is_set():
                return
            with place.open("xb") as out:
                while (chunk := file.read(CHUNK)) and not self._stopped.is_set():
                    with self._lock:
                        self._came += len(chunk)
                        if self._came > self._desk.options.most_bytes:
                            raise _too_large(self._desk, self._source, self._came)
                    out.write(chunk)


def _beside(work: Callable[[], T]) -> Future[T]:
    """Work in a thread that this process does not wait for when it ends."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="cloud", daemon=True).start()
    return future


def _waited(desk: Desk, work: Callable[[], T]) -> T:
    """What work in a thread of its own comes to.

    Raises:
        Cancelled: the import is no longer wanted; the thread is left behind.
    """
    future = _beside(work)
    while not wait([future], LOOK_EVERY).done:
        desk.check()
    return future.result()


def _too_large(desk: Desk, source: str, size: int) -> LeptonError:
    return LeptonError(
        f"the files are {counted(size, 'byte')}, and {desk.options.most_bytes:,} are allowed",
        where=shown(source),
        hint="Allow more with --max-size, or name a part of them.",
    )


@contextmanager
def _guarded(source: str) -> Iterator[None]:
    """Turn what the services' libraries raise into one error in plain words."""
    try:
        yield
    except LeptonError:
        raise
    except Exception as error:
        scheme = scheme_of(source) or ""
        hint = CREDENTIALS[ALIASES.get(scheme, scheme)]
        kind = type(error).__name__
        said = str(error).splitlines()[0][:160] if str(error) else kind
        if isinstance(error, FileNotFoundError):
            raise UsageError(
                "no such file or folder", where=shown(source), hint="Check the address."
            ) from error
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise LeptonError("the disk is full", where=shown(source), hint="Make room.") from error
        if isinstance(error, PermissionError) or kind in DENIED:
            raise LeptonError(
                f"access is denied: {said}", where=shown(source), hint=hint
            ) from error
        if kind in NOBODY or "credential" in said.lower() or "account" in said.lower():
            raise LeptonError(
                f"there are no credentials for {scheme}://", where=shown(source), hint=hint
            ) from error
        raise LeptonError(
            f"the files cannot be read: {said}",
            where=shown(source),
            hint="Check the address and the network, or try again later.",
        ) from error
