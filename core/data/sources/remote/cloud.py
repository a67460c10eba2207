"""Files in the cloud, through fsspec, into scratch files. Credentials are read where each service
has them: its environment variables and its files. What lies there as it came is not fetched again.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from core.data.sources.desk import Desk, UnchangedError
from core.data.sources.located import AS_THEY_CAME, Located
from core.data.sources.prints import Seen
from core.data.sources.remote.address import CLOUD, scheme_of, shown
from core.data.sources.remote.copying import Copying, too_large, waited
from core.data.sources.remote.reaching import file_system, reached, unreached
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

MOST_FILES = 1_000_000
# What S3, Azure and Google, and the hub call the mark of a file's content.
MARKS = ("ETag", "etag", "blob_id")
CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or run: az login",
    "hf": "Set HF_TOKEN, or run: hf auth login",
    "memory": "",
}
ALIASES = {"gcs": "gs", "abfs": "az", "abfss": "az"}
NETWORK = (
    "Check this machine's network, and HTTPS_PROXY if it needs a proxy; or bring the files here"
    " another way and name their folder."
)
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|CONNECTION|SIG")
# Errors of the services' own libraries that all say: who are you?
NOBODY = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
DENIED = ("ClientAuthenticationError", "RefreshError", "TokenRetrievalError")


def fetch_cloud(desk: Desk, source: str) -> Located:
    """The file, the files that match a pattern, or the folder at an address, as local files.

    Raises:
        UsageError: nothing lies there.
        UnchangedError: all that lies there was brought in before, and is as it was.
        LeptonError: a library or credentials are missing, access is denied, or there is more than
            is allowed.
        Cancelled: the import is no longer wanted.
    """
    with _guarded(source):
        system = waited(desk, partial(_file_system, desk, source))
        path = system._strip_protocol(source)
        found, folder = waited(desk, partial(_listed, system, source, path))
        places = _places(desk, source, found, folder) if found else {}
        if not places:
            raise UsageError(
                "no file lies there", where=shown(source), hint="Check the address and the pattern."
            )
        scheme, above = source.partition("://")[0], source.rstrip("/")
        names = {
            at: f"{scheme}://{at.lstrip('/')}" if folder is None else f"{above}/{name}"
            for at, name in places.items()
        }
        # A table of labels may have changed where the files that it speaks of have not.
        seen = Seen() if desk.options.labels else desk.seen
        unchanged = seen.unchanged(
            {name: (found[at].bytes, found[at].etag) for at, name in names.items()}
        )
        wanted = [at for at, name in names.items() if name not in unchanged]
        if not wanted:
            raise UnchangedError(AS_THEY_CAME, where=shown(source))
        if (total := sum(found[at].bytes for at in wanted)) > desk.options.most_bytes:
            raise too_large(desk, total)
        waited(desk, partial(reached, system))
        root = desk.scratch_folder()
        paths = {at: root / places[at] for at in wanted}
        Copying(desk, system).all([(at, found[at].bytes, path) for at, path in paths.items()])
    etags = {names[at]: etag for at in wanted if (etag := found[at].etag)}
    if folder is not None:
        desk.stand_for(root, above)
        origins = {names[at]: path for at, path in paths.items()}
        return Located([root], [above], origins, etags, unchanged)
    for at, path in paths.items():
        desk.stand_for(path, names[at])
    return Located([*paths.values()], [names[at] for at in wanted], {}, etags, unchanged)


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
    return file_system(desk, scheme)


@dataclass(frozen=True)
class _File:
    """A file as its service lists it. Its mark is there where the service gives one."""

    bytes: int
    etag: str | None

    @classmethod
    def of(cls, info: dict[str, Any]) -> _File:
        marks = (str(info[name]) for name in MARKS if info.get(name))
        return cls(int(info.get("size") or 0), next(marks, None))


def _listed(
    system: AbstractFileSystem, source: str, path: str
) -> tuple[dict[str, _File], str | None]:
    """The files there by their paths; of a folder, its own path too."""
    if any(mark in path for mark in "*?["):
        details = system.glob(path, detail=True)
        folder = None
    else:
        info = system.info(path)
        if info["type"] == "file":
            return {info["name"]: _File.of(info)}, None
        details = system.find(path, detail=True)
        folder = path
    if len(details) > MOST_FILES:
        raise LeptonError(
            f"there are more than {MOST_FILES:,} files",
            where=shown(source),
            hint="Name a part of them.",
        )
    return {
        name: _File.of(info)
        for name, info in sorted(details.items())
        if info["type"] == "file" and not name.endswith("/")
    }, folder


def _places(desk: Desk, source: str, found: dict[str, _File], folder: str | None) -> dict[str, str]:
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
        elif name in taken or any("/".join(parts[:n]) in taken for n in range(1, len(parts))):
            desk.reject(name, "a file has this name, or that of its folder", file=shown(source))
        else:
            taken.add(name)
            places[at] = name
    return places


@contextmanager
def _guarded(source: str) -> Iterator[None]:
    """Turn what the services' libraries raise into one error in plain words."""
    try:
        yield
    except LeptonError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _spoken(error, source) from error


def _spoken(error: Exception, source: str) -> LeptonError:
    scheme = scheme_of(source) or ""
    where, hint = shown(source), CREDENTIALS[ALIASES.get(scheme, scheme)]
    kind, said = type(error).__name__, _without_secrets(str(error))
    if isinstance(error, FileNotFoundError):
        return UsageError(
            "no such file or folder, or it is not shown to you",
            where=where,
            hint=f"Check the address. {hint}".strip(),
        )
    if nowhere := unreached(error):
        return LeptonError(nowhere, where=where, hint=NETWORK)
    status = getattr(error, "code", None) or getattr(error, "status_code", None)
    denied = isinstance(error, PermissionError) or kind in DENIED or said.startswith("Forbidden")
    # Azure says so where none of its ways to credentials leads to any.
    unknown = "failed to retrieve a token from the included credentials" in said
    if not unknown and (denied or status in (401, 403)):
        return LeptonError(f"access is denied: {said}", where=where, hint=hint)
    if kind in NOBODY or "credential" in said.lower():
        return LeptonError(f"there are no credentials for {scheme}://", where=where, hint=hint)
    return LeptonError(
        f"the files cannot be read: {said or kind}",
        where=where,
        hint="Check the address and the network, or try again later.",
    )


def _without_secrets(said: str) -> str:
    """The first line of a library's message, without keys that may stand in it."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) > 3:
            said = said.replace(value, "...")
    return re.sub(r"\?\S+", "?...", said.strip().partition("\n")[0])[:160]
