"""What of a data set can be augmented: its columns of images, sounds and texts, and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.augmentation.base import AUDIO, IMAGE, TOKENS
from core.augmentation.example import Cell
from core.data.lake.version import Column
from core.data.lake.view import View
from core.errors import UsageError, nearest
from core.tasks import task
from core.tasks.facts import RESERVED, ColumnFacts
from core.tasks.texts import is_prose

_MEDIA = {"image": IMAGE, "audio": AUDIO}
_SAMPLED = 200


@dataclass(frozen=True)
class Material:
    """A column, the kind of inputs that its cells are, and the column with the objects in them."""

    column: str
    kind: str
    objects: str | None = None


def materials(view: View) -> list[Material]:
    """The columns that can be augmented: those a task reads first, then media, then texts."""
    columns = [column for column in view.version.columns if column.name not in RESERVED]
    found = [_medium(view, c) for c in columns if c.media in _MEDIA]
    target = view.version.target
    texts = _prose(view, [c for c in columns if _is_text(c) and c.name != target])
    found += [Material(name, TOKENS) for name in texts]
    inputs = view.version.inputs or ()
    return sorted(found, key=lambda each: each.column not in inputs)


def material(view: View, column: str | None = None) -> Material:
    """The first one, or that of the named column.

    Raises:
        UsageError: there is none, no such column, or the column holds something else.
    """
    if column is None:
        found = materials(view)
        if found:
            return found[0]
        raise UsageError(
            f"{view.version.ref} holds neither images, texts nor sounds",
            hint="Only those are augmented.",
        )
    named = view.version.column(column)
    if named.media in _MEDIA:
        return _medium(view, named)
    if _is_text(named):
        return Material(column, TOKENS)
    names = [each.column for each in materials(view)]
    raise UsageError(
        f'the column "{column}" holds neither images, texts nor sounds',
        where=view.version.ref,
        hint=nearest(column, names),
    )


def cells(
    view: View, column: str, *, ids: Sequence[int] = (), offset: int = 0, count: int = 0
) -> list[tuple[int, Cell | None]]:
    """Cells with the ids of their rows: those of `ids`, or so many from row `offset` on.

    Raises:
        UsageError: there is no such row.
    """
    if not ids:
        return [(row, cell) for row, cell in view.page(offset, count, [column])]
    found = [(row, cell) for row, cell in view.at(ids, [column])]
    missing = {*ids} - {row for row, _ in found}
    if missing:
        raise UsageError(
            f"there is no row {min(missing)}",
            where=view.version.ref,
            hint=f"It has {view.version.rows:,} rows.",
        )
    return found


def objects(
    view: View, material: Material, rows: Sequence[tuple[int, Cell | None]]
) -> list[object] | None:
    """The cells that list what is in the pictures of these rows; None where no column does."""
    if material.objects is None or not rows:
        return None
    found = dict(view.at([row for row, _ in rows], [material.objects]))
    return [found[row] for row, _ in rows]


def _medium(view: View, column: Column) -> Material:
    version = view.version
    assert column.media is not None
    detects = version.task is not None and task(version.task).boxes
    found = detects and column.name in (version.inputs or (column.name,))
    return Material(column.name, _MEDIA[column.media], version.target if found else None)


def _is_text(column: Column) -> bool:
    return ColumnFacts(column.name, column.type).is_text


def _prose(view: View, columns: Sequence[Column]) -> list[str]:
    """The columns of sentences, by the first rows; that of the longest first."""
    if not columns:
        return []
    sample = view.page(0, _SAMPLED, [column.name for column in columns])
    facts = []
    for at, column in enumerate(columns, 1):
        texts = [row[at] for row in sample if isinstance(row[at], str)]
        count = max(1, len(texts))
        words = sum(len(text.split()) for text in texts) / count
        length = sum(map(len, texts)) / count
        facts.append(ColumnFacts(column.name, column.type, words=words, length=length))
    facts.sort(key=lambda each: -each.length)
    return [each.name for each in facts if is_prose(each)]
