"""Rows that are nearly equal: texts by MinHash, images by how they look; also across splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

from core.data.lake.version import Column
from core.data.lake.view import ROW_ID, SPLIT, View, quoted
from core.data.near import near_duplicate_images, near_duplicate_texts
from core.data.quality.duplicates import SERIOUS
from core.data.quality.finding import Finding, named, stop_if
from core.data.quality.objects import lists_objects

# What is looked at for this check: some seconds' work.
MOST_TEXTS = 100_000
MOST_IMAGES = 20_000
FEW_WORDS = 6


def check_similar(view: View, should_stop: Callable[[], bool]) -> Iterator[Finding]:
    """Texts of more than a few words, and images, that nearly equal an earlier one.

    Those that equal it exactly are told elsewhere. Of very many rows the first are looked at.
    """
    texts = [
        column.name
        for column in view.version.columns
        if column.type == "VARCHAR" and column.name not in (SPLIT, "path")
    ]
    long = view.of_each(texts, lambda name: {"texts": f"count(*) FILTER ({_long(name)})"})
    for column in view.version.columns:
        name = quoted(column.name)
        if column.name in long and lists_objects(view, column):
            continue
        if column.media == "image":
            there = f"{name} IS NOT NULL"
            ((count,),) = view.sql(f"SELECT count({name}) FROM rows")
            most = MOST_IMAGES
        elif column.name in long:
            count, there, most = long[column.name]["texts"], _long(name), MOST_TEXTS
        else:
            continue
        stop_if(should_stop())
        if count >= 2:
            yield from _near(view, column, there, should_stop, texts=count, most=most)


def _long(name: str) -> str:
    """That a text has more than a few words, by the blanks between them."""
    return f"(length({name}) - length(replace({name}, ' ', '')) + 1) >= {FEW_WORDS}"


def _near(
    view: View,
    column: Column,
    where: str,
    should_stop: Callable[[], bool],
    *,
    texts: int,
    most: int,
) -> Iterator[Finding]:
    name = quoted(column.name)
    few = f"(SELECT {ROW_ID}, {name} FROM rows WHERE {where} ORDER BY {ROW_ID} LIMIT {most})"
    if column.media:
        pairs = near_duplicate_images(view.connection, few, column.name, should_stop)
    else:
        pairs = near_duplicate_texts(view.connection, few, column.name)
    if not pairs:
        return
    own = f"pairs_{uuid4().hex[:8]}"
    split = SPLIT in view.version.column_names
    parts = f"l.{SPLIT}, e.{SPLIT}" if split else "NULL, NULL"
    view.connection.register(own, _table(pairs))
    try:
        found = view.sql(
            f"SELECT p.late, p.early, {parts} FROM {own} p JOIN rows l ON l.{ROW_ID} = p.late"
            f" JOIN rows e ON e.{ROW_ID} = p.early WHERE l.{name} <> e.{name} ORDER BY p.late"
        )
    finally:
        view.connection.unregister(own)
    if not found:
        return
    looked = f" of the first {most:,} that were looked at" if texts > most else ""
    one, many = ("image", "images") if column.media else ("text", "texts")
    late = [row[0] for row in found]
    yield Finding(
        "warning",
        "near-duplicates",
        column.name,
        what=f"{len(late):,} {one if len(late) == 1 else many}{looked}"
        f" {'is' if len(late) == 1 else 'are'} nearly equal to an earlier one",
        hint="Drop them, unless seeing them more often is meant.",
        mend={"do": "drop-near-duplicates", "column": column.name},
        **named(late),
    )
    crossing = sorted({row for a, b, one, other in found if _apart(one, other) for row in (a, b)})
    if crossing:
        held = sum(n for part, n in view.splits().items() if part != "train")
        yield Finding(
            "error" if len(crossing) > SERIOUS * max(held, 1) else "warning",
            "near-leak",
            column.name,
            what=f"{len(crossing):,} {many}{looked} nearly equal one of another split",
            hint="Scores on those rows are too good. Drop the near-duplicates, then split again.",
            mend={"do": "drop-near-duplicates", "column": column.name},
            **named(crossing),
        )


def _apart(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _table(pairs: list[tuple[int, int]]) -> object:
    import pyarrow as pa

    return pa.table(
        {
            "late": pa.array([late for late, _ in pairs], pa.int64()),
            "early": pa.array([early for _, early in pairs], pa.int64()),
        }
    )
