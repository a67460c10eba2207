"""What tells one source file from another later: its size, the digest of its bytes, and its mark.

A mark is what a server calls the content of a file by (its ETag, or when it was written): with it
a file elsewhere is known to be as it was without being fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.sources.located import Located

Facts = dict[str, Any]

MOST_FINGERPRINTS = 1_000
# What the many files of a source are called together.
EVERY = "files"
WHOLE_DIGEST = 256 << 20
DIGEST_PARTS = 64
DIGEST_PART = 1 << 20


@dataclass(frozen=True)
class Seen:
    """What was brought into a data set before: each file's facts, as often as it changed.

    `one_by_one` says that files may be left out of a folder, for its format reads each alone.
    """

    files: Mapping[str, list[Facts]] = field(default_factory=dict)
    one_by_one: bool = False

    @property
    def digests(self) -> set[str]:
        """The SHA-256 of all files that ever came."""
        return {facts["sha256"] for every in self.files.values() for facts in every}

    def etags(self, name: str) -> list[str]:
        """The marks that a file had when it came, the last one first."""
        return [facts["etag"] for facts in self.files.get(name, ()) if "etag" in facts]

    def unchanged(self, found: Mapping[str, tuple[int, str | None]]) -> dict[str, Facts]:
        """Which files, by their sizes and marks, lie as they came, and what is known of each.

        Of a folder that is read as a whole it is all of them or none.
        """
        same: dict[str, Facts] = {}
        for name, (size, etag) in found.items():
            for facts in self.files.get(name, ()):
                if etag and (facts.get("etag"), facts["bytes"]) == (etag, size):
                    same[name] = facts
                    break
        if len(same) < len(found) and all(etag for _, etag in found.values()):
            marks = _of_all({name: found[name][1] or "" for name in sorted(found)})
            if marks in self.etags(EVERY):
                return {name: {} for name in found}
        return same if self.one_by_one or len(same) == len(found) else {}


def fingerprints(located: Located) -> dict[str, Facts]:
    """Size, SHA-256 and mark of each file that was named, so that what is new can be told later.

    Where there are very many, their digests are kept as one, called "files", and so are the marks.
    """
    found: dict[str, Facts] = dict(located.unchanged)
    for name, path in located.origins.items():
        found[name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
        if etag := located.etags.get(name):
            found[name]["etag"] = etag
    if len(found) <= MOST_FINGERPRINTS:
        return found
    whole: Facts = {"files": len(found), "bytes": sum(each["bytes"] for each in found.values())}
    whole["sha256"] = _of_all({name: each["sha256"] for name, each in found.items()})
    if all("etag" in each for each in found.values()):
        whole["etag"] = _of_all({name: found[name]["etag"] for name in sorted(found)})
    return {EVERY: whole}


def _of_all(told: Mapping[str, str]) -> str:
    """One digest of what is told of many files."""
    every = "".join(f"{name}\0{each}\n" for name, each in told.items())
    return hashlib.sha256(every.encode(errors="replace")).hexdigest()


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
