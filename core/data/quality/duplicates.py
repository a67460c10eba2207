"""Equal rows, equal images, equal inputs with different labels, and equal rows in two splits."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.lake.view import ROW_ID, SPLIT, View, quoted
from core.data.quality.finding import MOST_NAMED, Finding, drop_named, examples_of
from core.data.quality.many_labels import label_sql

SERIOUS = 0.02


def check_duplicates(view: View, target: str | None) -> Iterator[Finding]:
    """Rows whose inputs are equal: images where there are any, else all columns but the target."""
    names = view.version.column_names
    images = [c.name for c in view.version.columns if c.media == "image"]
    inputs = images or [name for name in names if name not in (SPLIT, target)]
    if not inputs:
        return
    key = f"hash({', '.join(map(quoted, inputs))})"
    known = target if target and target not in inputs else None
    label = f"CAST({label_sql(view, known)} AS VARCHAR)" if known else "NULL"
    split = quoted(SPLIT) if SPLIT in names else "NULL"
    view.sql(
        f"CREATE OR REPLACE TEMP TABLE equal_rows AS SELECT min({ROW_ID}) AS kept, count(*) AS n,"
        f" count(DISTINCT label) AS labels, count(DISTINCT split) AS splits, k FROM"
        f" (SELECT {ROW_ID}, {key} AS k, {label} AS label, {split} AS split FROM rows)"
        " GROUP BY k HAVING count(*) > 1"
    )
    try:
        yield from _equal(view, inputs, target, label, images=bool(images))
    finally:
        view.sql("DROP TABLE equal_rows")


def _equal(
    view: View, inputs: list[str], target: str | None, label: str, *, images: bool
) -> Iterator[Finding]:
    key = f"hash({', '.join(map(quoted, inputs))})"
    column = inputs[0] if images else None
    (more, conflicts, leaks) = view.sql(
        "SELECT coalesce(sum(n - 1), 0), coalesce(sum(n) FILTER (labels > 1), 0),"
        " coalesce(sum(n) FILTER (splits > 1), 0) FROM equal_rows"
    )[0]
    drop = {"do": "drop-duplicates", "columns": inputs}

    def members(condition: str) -> tuple[int, ...]:
        return examples_of(view, f"{key} IN (SELECT k FROM equal_rows WHERE {condition})")

    def groups(having: str) -> str:
        return f"{key} IN (SELECT {key} FROM rows GROUP BY 1 HAVING {having})"

    if more:
        one = "image is" if images else "row is"
        many = "images are" if images else "rows are"
        yield Finding(
            "warning",
            "duplicate-images" if images else "duplicates",
            column,
            int(more),
            f"{int(more):,} {one if more == 1 else many} equal to an earlier one",
            "Drop them, unless seeing them more often is meant.",
            examples_of(
                view,
                f"{key} IN (SELECT k FROM equal_rows)"
                f" AND {ROW_ID} NOT IN (SELECT kept FROM equal_rows)",
            ),
            drop,
            f"{ROW_ID} NOT IN (SELECT min({ROW_ID}) FROM rows GROUP BY {key})",
        )
    if conflicts:
        found = view.sql(
            f"SELECT {ROW_ID} FROM rows WHERE {key} IN (SELECT k FROM equal_rows WHERE labels > 1)"
            f" ORDER BY {ROW_ID} LIMIT {MOST_NAMED + 1}"
        )
        yield Finding(
            "warning",
            "label-conflict",
            target,
            int(conflicts),
            what=f"{int(conflicts):,} rows have equal inputs and different labels",
            hint="Look at them and correct the labels; no model can get all of them right.",
            examples=members("labels > 1"),
            mend=drop_named([row for (row,) in found]),
            condition=groups(f"count(DISTINCT {label}) > 1"),
        )
    if leaks:
        held = sum(n for part, n in view.splits().items() if part != "train")
        yield Finding(
            "error" if images or leaks > SERIOUS * max(held, 1) else "warning",
            "leak",
            column,
            int(leaks),
            f"{int(leaks):,} row{' is' if leaks == 1 else 's are'} equal to a row of another split",
            "Scores on those rows are too good. Drop the duplicates, then split again.",
            members("splits > 1"),
            drop,
            groups(f"count(DISTINCT {quoted(SPLIT)}) > 1"),
        )
