"""What a version holds, column by column: counts, spread, common values, image sizes."""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from core.data.version import Column
from core.data.view import ROW_ID, View, quoted

BINS = 20
TOP = 10
EXACT_ROWS = 200_000
IMAGES_LOOKED_AT = 256
NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
)


@dataclass(frozen=True)
class ColumnProfile:
    """One column. `numbers`, `text` or `images` is filled, after what the column holds.

    numbers: min max mean std q25 median q75, and `histogram`: counts in 20 equal bins.
    text: shortest, longest and mean length in characters.
    images: of up to 256 of them, how often each size, mode and format, and the mean brightness 0-1.
    """

    name: str
    type: str
    missing: int
    distinct: int | None = None
    top: list[tuple[str, int]] = field(default_factory=list)
    numbers: dict[str, Any] | None = None
    text: dict[str, float] | None = None
    images: dict[str, Any] | None = None


@dataclass(frozen=True)
class Profile:
    """A whole version. `distinct` is approximate from 200,000 rows on."""

    ref: str
    rows: int
    bytes: int
    splits: dict[str, int]
    columns: list[ColumnProfile]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def is_number(column: Column) -> bool:
    return column.type in NUMBERS


def profile(view: View) -> Profile:
    """Profile a version: one pass for the plain figures, a short one for each column after it."""
    version = view.version
    plain = [column for column in version.columns if column.type != "BLOB"]
    blobs = [column for column in version.columns if column.type == "BLOB"]
    figures = _figures(view, plain)
    columns = {column.name: _column(view, column, figures[column.name]) for column in plain}
    for column in blobs:
        missing = view.sql(f"SELECT count(*) - count({quoted(column.name)}) FROM rows")[0][0]
        columns[column.name] = ColumnProfile(
            column.name,
            column.media or column.type,
            missing,
            images=_images(view, column.name) if column.media == "image" else None,
        )
    return Profile(
        version.ref,
        version.rows,
        version.bytes,
        view.splits(),
        [columns[name] for name in version.column_names],
    )


def _figures(view: View, columns: list[Column]) -> dict[str, dict[str, Any]]:
    """Everything that one pass over all columns gives."""
    exact = view.version.rows < EXACT_ROWS
    wanted: list[tuple[str, str, str]] = []
    for column in columns:
        name = quoted(column.name)
        wanted.append((column.name, "missing", f"count(*) - count({name})"))
        distinct = f"count(DISTINCT {name})" if exact else f"approx_count_distinct({name})"
        wanted.append((column.name, "distinct", distinct))
        if is_number(column):
            finite = f"CASE WHEN isfinite(CAST({name} AS DOUBLE)) THEN CAST({name} AS DOUBLE) END"
            wanted += [
                (column.name, "min", f"min({finite})"),
                (column.name, "max", f"max({finite})"),
                (column.name, "mean", f"avg({finite})"),
                (column.name, "std", f"stddev_samp({finite})"),
                (column.name, "quartiles", f"quantile_cont({finite}, [0.25, 0.5, 0.75])"),
            ]
        elif column.type == "VARCHAR":
            wanted += [
                (column.name, "shortest", f"min(length({name}))"),
                (column.name, "longest", f"max(length({name}))"),
                (column.name, "mean", f"avg(length({name}))"),
            ]
        else:
            wanted += [
                (column.name, "min", f"CAST(min({name}) AS VARCHAR)"),
                (column.name, "max", f"CAST(max({name}) AS VARCHAR)"),
            ]
    figures: dict[str, dict[str, Any]] = {column.name: {} for column in columns}
    if wanted:
        row = view.sql(f"SELECT {', '.join(sql for *_, sql in wanted)} FROM rows")[0]
        for (column_name, key, _), value in zip(wanted, row, strict=True):
            figures[column_name][key] = value
    return figures


def _column(view: View, column: Column, figures: dict[str, Any]) -> ColumnProfile:
    numbers: dict[str, Any] | None = None
    text: dict[str, float] | None = None
    top: list[tuple[str, int]] = []
    if is_number(column):
        low, middle, high = figures["quartiles"] or (None, None, None)
        numbers = {
            **{key: _plain(figures[key]) for key in ("min", "max", "mean", "std")},
            **{"q25": _plain(low), "median": _plain(middle), "q75": _plain(high)},
            "histogram": _histogram(view, column.name, figures["min"], figures["max"]),
        }
    elif column.type == "VARCHAR" and figures["longest"] is not None:
        text = {key: float(figures[key]) for key in ("shortest", "longest", "mean")}
    elif "min" in figures:
        numbers = {"min": figures["min"], "max": figures["max"]}
    if 0 < figures["distinct"] <= max(50, view.version.rows // 2):
        top = _top(view, column.name)
    return ColumnProfile(
        column.name, column.type, figures["missing"], figures["distinct"], top, numbers, text
    )


def _histogram(view: View, column: str, low: float | None, high: float | None) -> list[int]:
    if low is None or high is None:
        return []
    bins = [0] * BINS
    width = (high / BINS - low / BINS) or 1.0
    name = quoted(column)
    for place, count in view.sql(
        f"SELECT least(CAST(floor((CAST({name} AS DOUBLE) - ?) / ?) AS INTEGER), {BINS - 1}),"
        f" count(*) FROM rows WHERE isfinite(CAST({name} AS DOUBLE)) GROUP BY 1",
        [low, width],
    ):
        bins[place] += count
    return bins


def _top(view: View, column: str) -> list[tuple[str, int]]:
    name = quoted(column)
    found = view.sql(
        f"SELECT left(CAST({name} AS VARCHAR), 80), n FROM (SELECT {name}, count(*) AS n FROM rows"
        f" WHERE {name} IS NOT NULL GROUP BY 1) ORDER BY n DESC, 1 LIMIT {TOP}"
    )
    return [(str(value), int(count)) for value, count in found]


def _images(view: View, column: str) -> dict[str, Any]:
    """Sizes, modes, formats and brightness of images taken at even distances."""
    import numpy as np
    from PIL import Image

    every = max(1, view.version.rows // IMAGES_LOOKED_AT)
    name = quoted(column)
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    brightness: list[float] = []
    weights: list[int] = []
    for (content,) in view.sql(
        f"SELECT {name} FROM rows WHERE {name} IS NOT NULL AND {ROW_ID} % ? = 0"
        f" LIMIT {IMAGES_LOOKED_AT}",
        [every],
    ):
        weights.append(len(content))
        try:
            with Image.open(io.BytesIO(content)) as image:
                sizes[f"{image.width}x{image.height}"] += 1
                modes[image.mode] += 1
                formats[image.format or "?"] += 1
                brightness.append(float(np.asarray(image.convert("L")).mean()) / 255)
        except (OSError, ValueError, SyntaxError):
            formats["undecodable"] += 1
    return {
        "looked_at": len(weights),
        "sizes": dict(sizes.most_common(TOP)),
        "modes": dict(modes.most_common()),
        "formats": dict(formats.most_common()),
        "brightness": round(sum(brightness) / len(brightness), 4) if brightness else None,
        "mean_bytes": round(sum(weights) / len(weights)) if weights else 0,
    }


def _plain(value: Any) -> float | None:
    """A float that JSON can hold."""
    return float(value) if value is not None and math.isfinite(value) else None
