"""Quality checks: what is wrong with a version, how badly, in which rows, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.data.lake.layout import literal, quoted
from core.data.lake.view import SPLIT, View
from core.data.quality.columns import check_columns
from core.data.quality.drift import check_drift
from core.data.quality.duplicates import check_duplicates
from core.data.quality.finding import Finding, examples_of, stop_if, worst_first
from core.data.quality.labels import check_labels
from core.data.quality.media import check_media
from core.data.quality.similar import check_similar
from core.data.quality.text import check_text
from core.data.quality.told import check_told
from core.data.splitting.split import PARTS

__all__ = ["Finding", "check"]


def check(
    view: View,
    target: str | None = None,
    against: View | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Finding]:
    """Check a version, worst findings first; `target` is its own unless another is named.

    With `against` it is also compared with that version, as a whole. `should_stop` is asked between
    the checks and with each finding.

    Raises:
        UsageError: there is no such column.
        Cancelled: `should_stop` said so.
    """
    view.hold()
    target = target or view.version.target
    if target is not None:
        view.version.column(target)
    found: list[Finding] = []
    for part in _parts(view, target, against, should_stop):
        for finding in part:
            stop_if(should_stop())
            found.append(finding)
        stop_if(should_stop())
    found += _check_split(view)
    return worst_first(found)


def _check_split(view: View) -> Iterator[Finding]:
    """No split at all, or rows that are in none that training and judging know."""
    again = f"lepton data split {view.version.dataset}"
    if SPLIT not in view.version.column_names:
        yield Finding(
            "info",
            "unsplit",
            None,
            view.version.rows,
            what="the rows are not split into training, validation and test",
            hint=f"Training makes a split by itself, or: {again}",
        )
        return
    parts = ", ".join(map(literal, PARTS))
    outside = f"({quoted(SPLIT)} IS NULL OR CAST({quoted(SPLIT)} AS VARCHAR) NOT IN ({parts}))"
    ((count, other),) = view.sql(
        f"SELECT count(*), min(CAST({quoted(SPLIT)} AS VARCHAR)) FROM rows WHERE {outside}"
    )
    if count:
        such = f', such as "{other}"' if other is not None else ""
        yield Finding(
            "warning",
            "no-split",
            SPLIT,
            count,
            what=f"{count:,} {'row is' if count == 1 else 'rows are'} in no split of"
            f" {', '.join(PARTS)}{such}",
            hint=f"Nothing is trained or judged on them. Split again: {again}",
            examples=examples_of(view, outside),
            condition=outside,
        )


def _parts(
    view: View, target: str | None, against: View | None, should_stop: Callable[[], bool]
) -> Iterator[Iterator[Finding]]:
    yield check_columns(view, target)
    yield check_duplicates(view, target)
    yield check_text(view, target)
    yield check_media(view, should_stop)
    yield check_similar(view, should_stop)
    if target is not None:
        yield check_labels(view, target)
        yield check_told(view, target)
    if against is not None:
        yield check_drift(view, against)
