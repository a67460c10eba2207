"""What tells one source file from another later: its size and the digest of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from core.data.sources.located import Located

MOST_FINGERPRINTS = 1_000
WHOLE_DIGEST = 256 << 20
DIGEST_PARTS = 64
DIGEST_PART = 1 << 20


def fingerprints(located: Located) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file that was named, so that what is new can be told later.

    Where there are very many, their digests are kept as one, called "files".
    """
    found: dict[str, dict[str, Any]] = {}
    for name, path in located.origins.items():
        found[name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
    if len(found) <= MOST_FINGERPRINTS:
        return found
    every = "".join(f"{name}\0{each['sha256']}\n" for name, each in found.items())
    size = sum(each["bytes"] for each in found.values())
    whole = hashlib.sha256(every.encode(errors="replace")).hexdigest()
    return {"files": {"files": len(found), "bytes": size, "sha256": whole}}


def _digest(path: Path) -> str:
    """The SHA-256 of a file; of a very large one, of its size and its parts at even distances.

    A file that grows or is written anew differs in these; reading all of it would take a tenth of
    the time that its import takes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_DIGEST:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for part in range(DIGEST_PARTS):
            file.seek((size - DIGEST_PART) * part // (DIGEST_PARTS - 1))
            digest.update(file.read(DIGEST_PART))
    return digest.hexdigest()
