"""What holds for a database file of either kind: one file, and one of its tables, are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.data.sources.desk import Desk
from core.errors import LeptonError, UsageError

MOST_NAMED = 20


def one_file(desk: Desk, paths: Sequence[Path]) -> Path:
    """The file.

    Raises:
        UsageError: there are several.
    """
    if len(paths) > 1:
        raise UsageError(
            "several databases cannot be read as one",
            where=str(desk.source),
            hint="Import one at a time.",
        )
    return paths[0]


def one_table(path: Path, tables: Sequence[str]) -> str:
    """The only table, where none was named.

    Raises:
        UsageError: there is none, or there are several.
    """
    if not tables:
        raise UsageError(
            "there is no table in the database", where=str(path), hint="Name another file."
        )
    if len(tables) > 1:
        named = ", ".join(tables[:MOST_NAMED]) + (" …" if len(tables) > MOST_NAMED else "")
        raise UsageError(
            f"there are {len(tables):,} tables in the database",
            where=str(path),
            hint=f"Name one with --table: {named}",
        )
    return tables[0]


def check_rows(path: Path, table: str, rows: int) -> None:
    """Raises UsageError when the table has none."""
    if not rows:
        raise UsageError(
            f'the table "{table}" has no rows',
            where=str(path),
            hint="Name another one with --table.",
        )


def in_use(path: Path, how: str) -> LeptonError:
    """That another program has the database."""
    return LeptonError(
        f"another program {how}",
        where=str(path),
        hint="Close it there, or copy the file and import the copy.",
    )


def unreadable(path: Path, kind: str, error: Exception) -> LeptonError:
    """That the file is damaged, as the library of this kind of database says."""
    return LeptonError(
        f"the {kind} database cannot be read: {str(error).splitlines()[0][:160]}",
        where=str(path),
        hint="Check that the file is whole: copy or download it again.",
    )
