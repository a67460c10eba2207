"""The history of what checks found in each data set of a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.data.lake.catalogue import Catalogue
from core.data.lake.version import QualityNote, Version


class Quality:
    """Notes of checks; each outlives the version that it is about."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def note(
        self,
        version: Version,
        kind: str,
        score: float | None,
        findings: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write what a check of a version found into the history of its data set."""
        note = QualityNote(version.ref, "", kind, score, tuple(map(dict, findings)))
        with self._catalogue.write() as db:
            self._catalogue.note_quality(db, version, note)

    def history(self, dataset: str, limit: int = 100) -> list[QualityNote]:
        """What the checks of a data set found, newest first; none where nothing was checked."""
        return self._catalogue.quality(dataset, limit)
