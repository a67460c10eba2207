"""Quality checks: what is wrong with a version, how badly, in which rows, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.data.profile import is_number
from core.data.sources.guess import MISSING_MARKS
from core.data.version import Column
from core.data.view import ROW_ID, SPLIT, View, literal, quoted

EXAMPLES = 20
FEW_ROWS = 10
IMBALANCE = 10
CATEGORIES = 1000
IMAGES_DECODED = 20_000
ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """One thing found: how bad, of what kind, in which column and how many rows.

    `examples` are the row ids (`_rid`) of up to 20 of them.
    """

    severity: Literal["error", "warning", "info"]
    kind: str
    column: str | None
    rows: int
    what: str
    hint: str
    examples: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check(view: View, target: str | None = None) -> list[Finding]:
    """Check a version, worst findings first; `target` is its own unless another is named.

    Raises:
        UsageError: there is no such column.
    """
    target = target or view.version.target
    if target is not None:
        view.version.column(target)
    found = [
        *_columns(view, target),
        *_duplicates(view, target),
        *_text(view, target),
        *_images(view),
    ]
    if target is not None:
        found += _labels(view, target)
    if SPLIT not in view.version.column_names:
        found.append(
            Finding(
                "info",
                "unsplit",
                None,
                view.version.rows,
                what="the rows are not split into training, validation and test",
                hint=f"Training makes a split by itself, or: lepton data split"
                f" {view.version.dataset}",
            )
        )
    return sorted(found, key=lambda finding: (ORDER[finding.severity], -finding.rows))


def _examples(view: View, condition: str, parameters: Sequence[Any] = ()) -> tuple[int, ...]:
    rows = view.sql(
        f"SELECT {ROW_ID} FROM rows WHERE {condition} ORDER BY {ROW_ID} LIMIT {EXAMPLES}",
        parameters,
    )
    return tuple(row for (row,) in rows)


def _columns(view: View, target: str | None) -> Iterator[Finding]:
    """Missing values, constants, row numbers in disguise and outliers, from one scan."""
    rows = view.version.rows
    columns = [c for c in view.version.columns if c.name not in (SPLIT, target)]
    if any(column.media for column in columns):
        # The path of an image file is meant to be another in each row.
        columns = [column for column in columns if column.name != "path"]
    if not columns:
        return
    wanted: list[str] = []
    for column in columns:
        name = quoted(column.name)
        distinct = "NULL" if column.media else f"approx_count_distinct({name})"
        number = f"CAST({name} AS DOUBLE)"
        quartiles = f"quantile_cont({number}, [0.25, 0.75])" if is_number(column) else "NULL"
        spaced = f"avg(contains({name}, ' ')::INT)" if column.type == "VARCHAR" else "NULL"
        wanted += [f"count({name})", distinct, quartiles, spaced]
    row = view.sql(f"SELECT {', '.join(wanted)} FROM rows")[0]
    for i, column in enumerate(columns):
        filled, distinct_count, quartiles, spaced = row[4 * i : 4 * i + 4]
        name = quoted(column.name)
        if filled < rows:
            share = (rows - filled) / rows
            yield Finding(
                "error" if filled == 0 else "warning" if share > 0.05 else "info",
                "missing",
                column.name,
                rows - filled,
                f"{share:.1%} of the values are missing"
                if filled
                else "the whole column is missing",
                "Fill or drop them; a model over tables fills a gap with the median."
                if filled
                else "Leave the column out of the inputs.",
                _examples(view, f"{name} IS NULL"),
            )
        if distinct_count is None or not filled:
            continue
        if distinct_count <= 2 and rows > 1 and _distinct(view, name) == 1:
            yield Finding(
                "warning",
                "constant",
                column.name,
                filled,
                what="all values are the same",
                hint="The column tells a model nothing; leave it out of the inputs.",
            )
        if rows >= 20 and distinct_count > 0.9 * rows and _names_rows(view, column, spaced):
            yield Finding(
                "warning",
                "id-like",
                column.name,
                rows,
                what="every row has another value, as a row number or a name has",
                hint="Leave it out of the inputs, for a model can only learn it by heart.",
            )
        if quartiles and distinct_count > 10:
            yield from _outliers(view, column, quartiles)


def _distinct(view: View, name: str) -> int:
    return int(view.sql(f"SELECT count(DISTINCT {name}) FROM rows")[0][0])


def _names_rows(view: View, column: Column, spaced: float | None) -> bool:
    """Whole numbers or single words, all different."""
    one_word = spaced is not None and spaced < 0.1
    whole = is_number(column) and column.type not in ("FLOAT", "DOUBLE")
    return (one_word or whole) and _distinct(view, quoted(column.name)) == view.version.rows


def _outliers(view: View, column: Column, quartiles: Sequence[float]) -> Iterator[Finding]:
    low, high = quartiles
    reach = 1.5 * (high - low)
    if reach <= 0:
        return
    outside = f"CAST({quoted(column.name)} AS DOUBLE) NOT BETWEEN ? AND ?"
    limits = [low - reach, high + reach]
    (count,) = view.sql(f"SELECT count(*) FROM rows WHERE {outside}", limits)[0]
    if count:
        yield Finding(
            "info",
            "outliers",
            column.name,
            count,
            what=f"{count:,} values lie outside {limits[0]:g} to {limits[1]:g}, 1.5 times the"
            " spread of the middle half",
            hint="Look at these rows: are the values real, or slips of the pen?",
            examples=_examples(view, outside, limits),
        )


def _duplicates(view: View, target: str | None) -> Iterator[Finding]:
    """Equal rows, equal images, equal inputs with different labels, and leaks between splits."""
    names = view.version.column_names
    images = [c.name for c in view.version.columns if c.media == "image"]
    inputs = images or [name for name in names if name not in (SPLIT, target)]
    if not inputs:
        return
    key = f"hash({', '.join(map(quoted, inputs))})"
    label = f"CAST({quoted(target)} AS VARCHAR)" if target and target not in inputs else "NULL"
    split = quoted(SPLIT) if SPLIT in names else "NULL"
    view.sql(
        f"CREATE OR REPLACE TEMP TABLE equal_rows AS SELECT min({ROW_ID}) AS kept, count(*) AS n,"
        f" count(DISTINCT label) AS labels, count(DISTINCT split) AS splits, k FROM"
        f" (SELECT {ROW_ID}, {key} AS k, {label} AS label, {split} AS split FROM rows)"
        " GROUP BY k HAVING count(*) > 1"
    )
    try:
        yield from _equal(view, key, images, target)
    finally:
        view.sql("DROP TABLE equal_rows")


def _equal(view: View, key: str, images: list[str], target: str | None) -> Iterator[Finding]:
    column = images[0] if images else None
    (more, conflicts, leaks) = view.sql(
        "SELECT coalesce(sum(n - 1), 0), coalesce(sum(n) FILTER (labels > 1), 0),"
        " coalesce(sum(n) FILTER (splits > 1), 0) FROM equal_rows"
    )[0]

    def members(condition: str, *, later: bool = False) -> tuple[int, ...]:
        rest = f" AND {ROW_ID} NOT IN (SELECT kept FROM equal_rows)" if later else ""
        return _examples(view, f"{key} IN (SELECT k FROM equal_rows WHERE {condition}){rest}")

    if more:
        unit = "images" if images else "rows"
        yield Finding(
            "warning",
            "duplicate-images" if images else "duplicates",
            column,
            int(more),
            f"{int(more):,} {unit} are equal to an earlier one",
            "Drop them, unless seeing them more often is meant.",
            members("true", later=True),
        )
    if conflicts:
        yield Finding(
            "warning",
            "label-conflict",
            target,
            int(conflicts),
            what=f"{int(conflicts):,} rows have equal inputs and different labels",
            hint="Look at them and correct the labels; no model can get all of them right.",
            examples=members("labels > 1"),
        )
    if leaks:
        held = sum(n for part, n in view.splits().items() if part != "train")
        yield Finding(
            "error" if images or leaks > 0.02 * max(held, 1) else "warning",
            "leak",
            column,
            int(leaks),
            f"{int(leaks):,} row{' is' if leaks == 1 else 's are'} equal to a row of another split",
            "Scores on those rows are too good. Drop the duplicates, then split again.",
            members("splits > 1"),
        )


def _labels(view: View, target: str) -> Iterator[Finding]:
    """Missing labels, one class, rare classes and imbalance."""
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
            "no row has a label" if whole else f"{missing:,} {_have(missing, 'row')} no label",
            "Label them first." if whole else "Label them, or they are left out of training.",
            _examples(view, f"{name} IS NULL"),
        )
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
        )
        return
    numeric = is_number(column) and len(classes) > 50
    if numeric or len(classes) > CATEGORIES or not classes:
        return
    rare = [(label, n) for label, n in classes if n < FEW_ROWS]
    if rare:
        few = [label for label, _ in rare]
        shown = ", ".join(f'"{label}" ({n})' for label, n in rare[:5])
        wanted = ", ".join(literal(label) for label in few)
        yield Finding(
            "warning",
            "few-rows",
            target,
            sum(n for _, n in rare),
            what=f"{len(rare)} {_have(len(rare), 'class', 'classes')} fewer than {FEW_ROWS} rows:"
            f" {shown}",
            hint="Add rows of these classes, merge them with others, or leave them out.",
            examples=_examples(view, f"CAST({name} AS VARCHAR) IN ({wanted})"),
        )
    (least, fewest), (most, commonest) = classes[0], classes[-1]
    if commonest > IMBALANCE * fewest:
        yield Finding(
            "warning",
            "imbalance",
            target,
            commonest,
            what=f'"{most}" has {commonest:,} rows, "{least}" {fewest:,}',
            hint="Judge by the scores of each class rather than by accuracy.",
        )


def _text(view: View, target: str | None) -> Iterator[Finding]:
    """Categories written in several ways, marks for missing values, numbers kept as text."""
    marks = ", ".join(literal(mark) for mark in MISSING_MARKS)
    for column in view.version.columns:
        if column.type != "VARCHAR" or column.name == SPLIT:
            continue
        name = quoted(column.name)
        number = f"isfinite(TRY_CAST({name} AS DOUBLE))"
        filled, numbers, marked, zeros = view.sql(
            f"SELECT count({name}), count(*) FILTER ({number}),"
            f" count(*) FILTER (lower(trim({name})) IN ({marks})),"
            f" count(*) FILTER (regexp_matches({name}, '^[+-]?0[0-9]')) FROM rows"
        )[0]
        if filled and numbers >= 0.5 * filled and numbers + marked < filled and not zeros:
            odd = f"{name} IS NOT NULL AND NOT coalesce({number}, false)"
            yield Finding(
                "warning",
                "text-in-numbers",
                column.name,
                filled - numbers,
                what=f"{numbers / filled:.1%} of the values are numbers, the others text",
                hint="Correct or empty the others, and import again to get a number column.",
                examples=_examples(view, odd),
            )
        if marked:
            yield Finding(
                "info",
                "missing-marks",
                column.name,
                marked,
                what=f'{marked:,} values only say that there is none ("NA", "-" and the like)',
                hint="Empty these cells if the value is not known.",
                examples=_examples(view, f"lower(trim({name})) IN ({marks})"),
            )
        yield from _spellings(view, column.name, filled, target)


def _spellings(view: View, column: str, filled: int, target: str | None) -> Iterator[Finding]:
    name = quoted(column)
    values = view.sql(
        f"SELECT {name}, count(*) FROM rows WHERE {name} IS NOT NULL AND length({name}) <= 80"
        f" GROUP BY 1 LIMIT {CATEGORIES + 1}"
    )
    if len(values) > CATEGORIES or len(values) * 2 > filled:
        return
    ways: dict[str, list[tuple[str, int]]] = {}
    for value, count in values:
        ways.setdefault(" ".join(value.lower().split()), []).append((value, count))
    several = [sorted(way, key=lambda v: (-v[1], v[0])) for way in ways.values() if len(way) > 1]
    if not several:
        return
    rarer = [value for way in several for value, _ in way[1:]]
    shown = "; ".join(", ".join(f'"{value}"' for value, _ in way) for way in several[:3])
    listed = ", ".join(literal(value) for value in rarer)
    yield Finding(
        "warning" if column == target else "info",
        "spelling",
        column,
        rows=sum(count for way in several for _, count in way[1:]),
        what=f"the same value is written in several ways: {shown}",
        hint="Write each value in one way, or a model takes them for different ones.",
        examples=_examples(view, f"{name} IN ({listed})"),
    )


def _images(view: View) -> Iterator[Finding]:
    """Images that do not decode; of very many, those at even distances are tried."""
    from core.data.sources.image_folder import image_fault

    every = -(-view.version.rows // IMAGES_DECODED)
    for column in [c.name for c in view.version.columns if c.media == "image"]:
        bad: list[int] = []
        with ThreadPoolExecutor(4, thread_name_prefix="decode") as pool:
            for batch in view.batches([column], rows=1024):
                ids = batch.column(0).to_pylist()
                held = [
                    (row, content.as_py())
                    for row, content in zip(ids, batch.column(1), strict=True)
                    if row % every == 0 and content.is_valid
                ]
                faults = pool.map(image_fault, [content for _, content in held])
                bad += [row for (row, _), fault in zip(held, faults, strict=True) if fault]
        if bad:
            named = "path" in view.version.column_names
            first = f"; the first is {view.rows(bad[:1], ['path'])[0]['path']}" if named else ""
            yield Finding(
                "error",
                "undecodable",
                column,
                len(bad),
                what=f"{len(bad):,} images do not decode{first}",
                hint="Remove these rows or bring the images again.",
                examples=tuple(bad[:EXAMPLES]),
            )


def _have(count: int, one: str, many: str | None = None) -> str:
    return f"{one} has" if count == 1 else f"{many or one + 's'} have"
