"""Files of a folder, found by what a table or an annotation calls them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

AMBIGUOUS = -1


class FileIndex:
    """Places of files below their folder, such as `a/b.png`, looked up by more or less of them.

    Only files that were listed are ever found, so a name cannot lead out of the folder.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self.places = places
        self._exact = {place: number for number, place in enumerate(places)}
        self._by_name = _unique((place.rpartition("/")[2], n) for n, place in enumerate(places))
        self._stems = _unique((posixpath.splitext(place)[0], n) for n, place in enumerate(places))
        self._by_stem = _unique(
            (posixpath.splitext(place.rpartition("/")[2])[0], n) for n, place in enumerate(places)
        )

    def find(self, name: str, folders: Sequence[str] = ("",)) -> int | None:
        """The number of the file that is called so; None where there is none, or several are.

        It is looked for in these folders, then by the end of its path, its name alone, and at last
        without a suffix.
        """
        wanted = posixpath.normpath(name.strip().replace("\\", "/")).lstrip("/")
        if wanted in ("", "."):
            return None
        for table in (self._exact, self._stems):
            for folder in folders:
                if (found := table.get(f"{folder}/{wanted}" if folder else wanted)) is not None:
                    return _sure(found)
            rest = wanted
            while "/" in rest:
                rest = rest.partition("/")[2]
                if (found := table.get(rest)) is not None:
                    return _sure(found)
            last = wanted.rpartition("/")[2]
            names = self._by_name if table is self._exact else self._by_stem
            if (found := names.get(last)) is not None:
                return _sure(found)
        return None


def _sure(number: int) -> int | None:
    return None if number == AMBIGUOUS else number


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, number in pairs:
        found[key] = AMBIGUOUS if key in found else number
    return found
