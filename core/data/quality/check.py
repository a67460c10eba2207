"""Quality checks: what is wrong with a version, how badly, in which rows, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.data.lake.view import SPLIT, View
from core.data.quality.columns import check_columns
from core.data.quality.drift import check_drift
from core.data.quality.duplicates import check_duplicates
from core.data.quality.finding import Finding, stop_if, worst_first
from core.data.quality.labels import check_labels
from core.data.quality.media import check_media
from core.data.quality.similar import check_similar
from core.data.quality.text import check_text
from core.data.quality.told import check_told

__all__ = ["Finding", "check"]


def check(
    view: View,
    target: str | None = None,
    against: View | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Finding]:
    """Check a version, worst findings first; `target` is its own unless another is named.

    With `against` it is also compared with that version, as a whole. `should_stop` is asked between
    the checks.

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
        stop_if(should_stop())
        found += part
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
    return worst_first(found)


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
