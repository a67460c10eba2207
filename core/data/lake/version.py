"""A version of a data set: its columns, its files, and the step that made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.errors import UsageError, nearest

TYPES = {
    "integer": "BIGINT",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
"""The types that a person may name, by the words for them."""
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
"""Those of whole numbers that 64 bits with a sign can hold."""
WHOLE = (*INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT")
FRACTIONS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what its bytes are when they are media ("image")."""

    name: str
    type: str
    media: str | None = None


@dataclass(frozen=True)
class DataFile:
    """One immutable Parquet file: rows, or (`provides`) columns laid over them by `_rid`.

    The rows of an import hold no `_rid`: they are numbered by their place, from `first` on.
    """

    sha256: str
    bytes: int
    provides: tuple[str, ...] | None = None
    first: int | None = None

    @property
    def name(self) -> str:
        return f"{self.sha256}.parquet"


@dataclass(frozen=True)
class Version:
    """A numbered, immutable state of a data set, with the step that made it.

    Versions of one `origin` mean the same row by the same `_rid`. `labelled` says up to which of
    its labels each column holds them.
    """

    dataset: str
    n: int
    rows: int
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    op: str
    params: dict[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    created: str = ""
    task: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None
    author: str = ""
    tags: tuple[str, ...] = ()
    rejects: DataFile | None = None
    origin: str = ""
    labelled: dict[str, int] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return f"{self.dataset}@{self.n}"

    @property
    def every_file(self) -> tuple[DataFile, ...]:
        """The files of its rows, and the table of the rows that were left out."""
        return (*self.files, self.rejects) if self.rejects else self.files

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.every_file)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            UsageError: there is none; the hint names the nearest.
        """
        if (column := self._by_name.get(name)) is not None:
            return column
        raise UsageError(
            f'no column "{name}"', where=self.ref, hint=nearest(name, self.column_names)
        )

    def has_rows_of(self, other: Version) -> bool:
        """Whether a row id means the same row in both, if both have it."""
        return self.dataset == other.dataset and self.origin == other.origin

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.dataset,
            "version": self.n,
            "rows": self.rows,
            "columns": [column.name for column in self.columns],
            "bytes": self.bytes,
            "task": self.task,
            "target": self.target,
            "op": self.op,
            "params": self.params,
            "parents": list(self.parents),
            "created": self.created,
            "author": self.author,
            "tags": list(self.tags),
        }


@dataclass(frozen=True)
class QualityNote:
    """One entry of the history of a data set's quality: which version, when, and what was found.

    `kind` says what looked: "check"; "import" for the rules alone and "split" for leakage alone,
    which give no score. `gone` says that the version is no more; what was found in it is still
    part of how the data set came to be what it is.
    """

    ref: str
    time: str
    kind: str
    score: float | None
    findings: tuple[dict[str, Any], ...]
    """In short: one with "others" stands for so many more of its kind."""
    gone: bool = False

    def count(self, **alike: str) -> int:
        """How many were found that are `severity="error"`, or `kind="rule"`."""
        return sum(
            each.get("others", 1)
            for each in self.findings
            if all(each.get(name) == value for name, value in alike.items())
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.ref,
            "gone": self.gone,
            "time": self.time,
            "kind": self.kind,
            "score": self.score,
            **{f"{name}s": self.count(severity=name) for name in ("error", "warning")},
            "findings": list(self.findings),
        }


def numbers_in_words(versions: Sequence[Version]) -> str:
    """`is version 3`, `are versions 1 to 4`, or `are versions 6, 26 and 27` where some are gone."""
    numbers = sorted(version.n for version in versions)
    first, *_, last = [*numbers, *numbers]
    if first == last:
        return f"is version {first}"
    if last - first + 1 == len(numbers) > 2:
        return f"are versions {first} to {last}"
    named = [str(n) for n in numbers[-8:]]
    older = f", and {len(numbers) - 8} older" if len(numbers) > 8 else ""
    return f"are versions {', '.join(named[:-1])} and {named[-1]}{older}"
