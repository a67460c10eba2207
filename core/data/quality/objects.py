"""Columns that list the objects in pictures: their classes are those of the objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from core.data.lake.version import Column
from core.data.lake.view import View, quoted
from core.data.objects import things_of
from core.data.quality.finding import Finding, drop_named, named

SAMPLES = 20
FEW_PICTURES = 10


def lists_objects(view: View, column: Column) -> bool:
    """Whether a column lists objects in the pictures beside it, by its first cells."""
    if column.media or not any(each.media == "image" for each in view.version.columns):
        return False
    name = quoted(column.name)
    # One that was labelled by hand may be anything: most of them say what the column is.
    cells = view.sql(f"SELECT {name} FROM rows WHERE {name} IS NOT NULL LIMIT {SAMPLES}")
    known = [found for (cell,) in cells if (found := _labels(cell)) is not None]
    return len(known) > len(cells) / 2 and any(known)


def check_objects(view: View, target: str) -> Iterator[Finding]:
    """Cells that list no objects, and classes that are in few pictures."""
    pictures: Counter[str] = Counter()
    rows: dict[str, list[int]] = {}
    unread: list[int] = []
    for batch in view.batches([target]):
        for row, cell in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            labels = set() if cell is None else _labels(cell)
            if labels is None:
                unread.append(row)
                continue
            pictures.update(labels)
            for label in labels:
                if len(seen := rows.setdefault(label, [])) < FEW_PICTURES:
                    seen.append(row)
    if unread:
        count = len(unread)
        yield Finding(
            "error",
            "unreadable-objects",
            target,
            what=f"{count:,} {'row lists' if count == 1 else 'rows list'} no objects that can be"
            " read",
            hint='They should be like [{"label": "cat", "bbox": [10, 20, 50, 40]}], and [] where'
            " there is none.",
            mend=drop_named(unread),
            **named(unread),
        )
    few = sorted((count, label) for label, count in pictures.items() if count < FEW_PICTURES)
    if few:
        shown = ", ".join(f'"{label}" ({count})' for count, label in few[:5])
        more = ", …" if len(few) > 5 else ""
        yield Finding(
            "warning",
            "few-rows",
            target,
            what=f"{len(few):,} {'class is' if len(few) == 1 else 'classes are'} in fewer than"
            f" {FEW_PICTURES} pictures: {shown}{more}",
            hint="Add pictures of these classes, or merge them with others.",
            **named(sorted({row for _, label in few for row in rows[label]})),
        )


def _labels(cell: object) -> set[str] | None:
    """The classes of the objects in a cell; None where it lists none that can be read."""
    try:
        return {thing.label for thing in things_of(cell)}
    except ValueError:
        return None
