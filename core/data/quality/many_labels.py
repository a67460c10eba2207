"""Targets of several labels a row: each label is counted by itself, as it is learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from core.data.lake.view import ROW_ID, View, quoted
from core.data.quality.finding import Finding, examples_of, have
from core.data.several_labels import has_label, labels_in, same_set, separator

FEW_ROWS = 10
IMBALANCE = 10
_SAMPLED = 2000
_SAMPLES = 20
_MOST_NAMED = 100


def separator_of(view: View, target: str) -> str:
    """How the target writes several labels of a row, as training takes it; empty: it has one."""
    task = view.version.task
    column = view.version.column(target)
    if column.media or (task and target == view.version.target and "classification" not in task):
        return ""
    name = quoted(target)
    # Those that the task looks at, spread over all rows.
    every = view.version.rows // _SAMPLED + 1
    found = view.sql(
        f"SELECT {name} FROM rows WHERE {ROW_ID} % {every} = 0 AND {name} IS NOT NULL"
        f" ORDER BY {ROW_ID} LIMIT {_SAMPLES}"
    )
    return separator(column.type, [value for (value,) in found])


def label_sql(view: View, target: str) -> str:
    """SQL for the label of a row; of several the set, in whatever order they are written."""
    mark = separator_of(view, target)
    return same_set(target, view.version.column(target).type, mark) if mark else quoted(target)


def check_many_labels(view: View, target: str, mark: str) -> Iterator[Finding]:
    """Labels of few rows, one that is far above another, and the same ones in every row."""
    name, kind = quoted(target), view.version.column(target).type
    counts: Counter[str] = Counter()
    filled = 0
    for value, rows in view.sql(
        f"SELECT {name}, count(*) FROM rows WHERE {name} IS NOT NULL GROUP BY 1"
    ):
        filled += rows
        for label in labels_in(value, mark):
            counts[label] += rows
    if counts and all(rows == filled for rows in counts.values()):
        yield Finding(
            "error",
            "one-class",
            target,
            filled,
            what=f"all rows have the same labels: {', '.join(sorted(counts)[:5])}",
            hint="There is nothing to tell apart; name another target or add rows.",
            condition=f"{name} IS NOT NULL",
        )
        return

    def with_any(labels: list[str]) -> str:
        return " OR ".join(has_label(target, kind, mark, label) for label in labels)

    ordered = sorted(counts.items(), key=lambda each: (each[1], each[0]))
    rare = [(label, rows) for label, rows in ordered if rows < FEW_ROWS]
    if rare:
        shown = ", ".join(f'"{label}" ({rows})' for label, rows in rare[:5])
        few = with_any([label for label, _ in rare[:_MOST_NAMED]])
        ((having,),) = view.sql(f"SELECT count(*) FROM rows WHERE {few}")
        yield Finding(
            "warning",
            "few-rows",
            target,
            having,
            what=f"{len(rare):,} {have(len(rare), 'label')} fewer than {FEW_ROWS} rows:"
            f" {shown}{', …' if len(rare) > 5 else ''}",
            hint="Add rows with these labels, merge them with others, or take them out of the"
            " lists.",
            examples=examples_of(view, few),
            condition=few,
        )
    if not ordered:
        return
    (least, fewest), (most, commonest) = ordered[0], ordered[-1]
    if commonest > IMBALANCE * fewest:
        yield Finding(
            "warning",
            "imbalance",
            target,
            commonest,
            what=f'"{most}" is in {commonest:,} rows, "{least}" in {fewest:,}',
            hint="Judge by the scores of each label.",
            condition=with_any([most]),
        )
