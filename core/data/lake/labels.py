"""The labels of a lake: written into its journal, where they wait for a version to hold them."""

from __future__ import annotations

from collections.abc import Iterable

from core.data.lake import journal
from core.data.lake.author import author_here
from core.data.lake.catalogue import Catalogue
from core.data.lake.journal import Entry, Label, Source, Waiting
from core.data.lake.version import Version


class Labels:
    """What was said of rows, by any number of people and processes at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(
        self,
        version: Version,
        column: str,
        entries: Iterable[Entry],
        *,
        source: Source = "human",
        author: str | None = None,
    ) -> None:
        """Write labels into the journal, all or none; they wait there for `publish`.

        Any number of processes may do so at once. Rows and values are the caller's to check: see
        `core.data.labelling.labels`.

        Raises:
            UsageError: the version and all that have its rows were removed.
        """
        with self._catalogue.write() as db:
            who = author_here() if author is None else author
            journal.append(db, version, column, entries, author=who, source=source)

    def undo(
        self,
        version: Version,
        count: int = 1,
        *,
        column: str | None = None,
        source: Source = "human",
        author: str | None = None,
    ) -> list[Label]:
        """Take back the last labels of an author that no version holds yet; newest first."""
        with self._catalogue.write() as db:
            who = author_here() if author is None else author
            return journal.undo(db, version, count, column=column, author=who, source=source)

    def waiting(self, version: Version, column: str | None = None) -> Waiting:
        """The labels that hold for a version's rows and are not published in it yet.

        One for each cell: the last that a person gave, else the last that a rule or a model did.
        """
        with self._catalogue.read() as db:
            return journal.waiting(db, version, column)

    def counts(self, version: Version) -> dict[str, int]:
        """How many labels wait for each column of a version."""
        with self._catalogue.read() as db:
            return journal.counts(db, version)

    def values(self, version: Version, column: str) -> set[str]:
        """The different labels that wait for a column."""
        with self._catalogue.read() as db:
            return journal.values(db, version, column)
