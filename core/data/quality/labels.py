"""The labels: missing ones, one class alone, classes of few rows, and one class above all."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.lake.layout import readable
from core.data.lake.view import View, literal, quoted
from core.data.profile import is_number
from core.data.quality.finding import Finding, examples_of, have
from core.data.quality.many_labels import FEW_ROWS, IMBALANCE, check_many_labels, separator_of
from core.data.quality.objects import check_objects, lists_objects

CATEGORIES = 1000


def check_labels(view: View, target: str) -> Iterator[Finding]:
    """What is wrong with the column to predict."""
    name = quoted(target)
    column = view.version.column(target)
    (missing,) = view.sql(f"SELECT count(*) - count({name}) FROM rows")[0]
    if missing:
        whole = missing == view.version.rows
        yield Finding(
            "error" if whole else "warning",
            "missing-labels",
            target,
            missing,
            "no row has a label" if whole else f"{missing:,} {have(missing, 'row')} no label",
            "Label them first." if whole else "Label them, or they are left out of training.",
            examples_of(view, f"{name} IS NULL"),
            None if whole else {"do": "drop-rows", "columns": [target]},
            f"{name} IS NULL",
        )
    if lists_objects(view, column):
        yield from check_objects(view, target)
        return
    if mark := separator_of(view, target):
        yield from check_many_labels(view, target, mark)
        return
    classes = view.sql(
        f"SELECT CAST({name} AS VARCHAR), count(*) FROM rows WHERE {name} IS NOT NULL"
        f" GROUP BY 1 ORDER BY 2, 1 LIMIT {CATEGORIES + 1}"
    )
    if len(classes) == 1:
        yield Finding(
            "error",
            "one-class",
            target,
            view.version.rows,
            what=f'all rows have the label "{classes[0][0]}"',
            hint="A classifier needs two classes or more; name another target or add rows.",
            condition=f"{name} IS NOT NULL",
        )
        return
    numeric = is_number(column) and len(classes) > 50
    if numeric or not classes:
        return
    if len(classes) > CATEGORIES:
        yield from _many(view, target)
        return
    yield from _rare(view, target, classes)
    (least, fewest), (most, commonest) = classes[0], classes[-1]
    if commonest > IMBALANCE * fewest:
        yield Finding(
            "warning",
            "imbalance",
            target,
            commonest,
            what=f'"{most}" has {commonest:,} rows, "{least}" {fewest:,}',
            hint="Judge by the scores of each class rather than by accuracy.",
            condition=f"CAST({name} AS VARCHAR) = {literal(most)}",
        )


def _many(view: View, target: str) -> Iterator[Finding]:
    """Too many classes to name, of which few have rows enough; texts that differ are none."""
    name = quoted(target)
    few = f"{name} IN (SELECT {name} FROM rows GROUP BY 1 HAVING count(*) < {FEW_ROWS})"
    ((classes, filled, rare, rows),) = view.sql(
        f"SELECT count(*), sum(n), count(*) FILTER (n < {FEW_ROWS}), sum(n) FILTER"
        f" (n < {FEW_ROWS}) FROM (SELECT count(*) AS n FROM rows WHERE {name} IS NOT NULL"
        f" GROUP BY {name})"
    )
    if not rare or classes * 2 > filled:
        return
    yield Finding(
        "warning",
        "few-rows",
        target,
        int(rows),
        what=f"{rare:,} of {classes:,} classes have fewer than {FEW_ROWS} rows",
        hint="Merge classes into fewer, add rows, or predict something coarser.",
        examples=examples_of(view, few),
        condition=few,
    )


def _rare(view: View, target: str, classes: list[tuple[str, int]]) -> Iterator[Finding]:
    rare = [(label, n) for label, n in classes if n < FEW_ROWS]
    if not rare:
        return
    shown = ", ".join(f'"{label}" ({n})' for label, n in rare[:5])
    name = readable(target)
    is_text = view.version.column(target).type == "VARCHAR"
    text = name if is_text else f"CAST({name} AS VARCHAR)"
    listed = ", ".join(literal(label) for label, _ in rare)
    few = f"{text} IN ({listed})"
    yield Finding(
        "warning",
        "few-rows",
        target,
        sum(n for _, n in rare),
        what=f"{len(rare)} {have(len(rare), 'class', 'classes')} fewer than {FEW_ROWS} rows:"
        f" {shown}{', …' if len(rare) > 5 else ''}",
        hint="Add rows of these classes, merge them with others, or leave them out.",
        examples=examples_of(view, few),
        # With fewer than two classes left there is nothing to tell apart.
        mend={"do": "filter", "where": f"{name} IS NULL OR {text} NOT IN ({listed})"}
        if len(classes) - len(rare) >= 2
        else None,
        condition=few,
    )
