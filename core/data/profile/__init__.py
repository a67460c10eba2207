"""What a version holds, column by column: counts, spread, common values, words, images, sounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.data.lake.version import Column
from core.data.lake.view import View, quoted
from core.data.profile.figures import BINS, NUMBERS, figures, histograms, is_number, top_values
from core.data.profile.media import images, sounds
from core.data.profile.words import words
from core.errors import Cancelled

__all__ = ["BINS", "NUMBERS", "ColumnProfile", "Profile", "is_number", "profile"]

QUANTILES = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
QUANTILES["q99"] = 0.99
_OF_NUMBERS = ("min", "max", "mean", "std", *QUANTILES)
_OF_TEXT = ("shortest", "longest", "mean", "empty")
# Shorter values are categories and codes, not prose.
PROSE = 20


@dataclass(frozen=True)
class ColumnProfile:
    """One column. `numbers`, `text`, `images` or `sounds` is filled, after what the column holds.

    numbers: min max mean std q01 q05 q25 median q75 q95 q99, how many are `zeros` and `negative`,
        and `histogram`: counts in 20 equal bins. Of dates and times only min and max.
    text: shortest, longest and mean length in characters, and how many are `empty`.
    words: of up to 5,000 longer texts, words in a text on average, the `vocabulary` (different
        words), the `top` ones, and `languages` as shares where the package py3langid is there.
    images: of up to 256 of them, how often each size, mode and format, and the mean brightness 0-1.
    sounds: of up to 256 of them, `seconds` (shortest, longest, mean), rates in Hz, channels.
    """

    name: str
    type: str
    missing: int
    distinct: int | None = None
    top: list[tuple[str, int]] = field(default_factory=list)
    numbers: dict[str, Any] | None = None
    text: dict[str, float] | None = None
    words: dict[str, Any] | None = None
    images: dict[str, Any] | None = None
    sounds: dict[str, Any] | None = None


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


def profile(
    view: View,
    *,
    arrived: Callable[[ColumnProfile], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Profile:
    """Profile a version: one pass for the plain figures, a short one for each column after it, or,
    where there are very many, for each portion of them.

    `arrived` is told of each column as soon as it is known. `View.interrupt` from another thread,
    or `should_stop` between two of these, ends it.

    Raises:
        Cancelled: it was interrupted.
    """
    import duckdb

    version = view.version
    found: dict[str, ColumnProfile] = {}
    try:
        view.hold()
        plain = [column for column in version.columns if column.type != "BLOB"]
        known = figures(view, plain, QUANTILES)
        for part in view.portions(version.columns):
            if should_stop():
                raise Cancelled("the profile was cancelled")
            for made in _of(view, part, known):
                found[made.name] = made
                arrived(made)
        splits = view.splits()
    except duckdb.InterruptException as error:
        raise Cancelled("the profile was cancelled") from error
    columns = [found[name] for name in version.column_names]
    return Profile(version.ref, version.rows, version.bytes, splits, columns)


def _media(view: View, column: Column) -> ColumnProfile:
    missing = view.sql(f"SELECT count(*) - count({quoted(column.name)}) FROM rows")[0][0]
    return ColumnProfile(
        column.name,
        column.media or column.type,
        missing,
        images=images(view, column.name) if column.media == "image" else None,
        sounds=sounds(view, column.name) if column.media == "audio" else None,
    )


def _of(
    view: View, columns: Sequence[Column], known: dict[str, dict[str, Any]]
) -> Iterator[ColumnProfile]:
    """Some columns, with what their plain figures do not say: their shapes and common values."""
    plain = [column for column in columns if column.name in known]
    spread = {c.name: (known[c.name]["min"], known[c.name]["max"]) for c in plain if is_number(c)}
    bars = histograms(view, spread)
    few = max(50, view.version.rows // 2)
    tops = top_values(view, [c for c in plain if 0 < known[c.name]["distinct"] <= few])
    for column in columns:
        if column.name not in known:
            yield _media(view, column)
            continue
        figures, name = known[column.name], column.name
        numbers: dict[str, Any] | None = None
        text: dict[str, float] | None = None
        prose: dict[str, Any] | None = None
        if is_number(column):
            numbers = {key: figures[key] for key in (*_OF_NUMBERS, "zeros", "negative")}
            numbers["histogram"] = bars[name]
        elif column.type == "VARCHAR":
            if figures["longest"] is not None:
                text = {key: float(figures[key]) for key in _OF_TEXT}
                prose = words(view, name) if figures["mean"] > PROSE else None
        elif "min" in figures:
            numbers = {key: figures[key] for key in ("min", "max")}
        missing, distinct = figures["missing"], figures["distinct"]
        top = tops.get(name, [])
        yield ColumnProfile(name, column.type, missing, distinct, top, numbers, text, prose)
