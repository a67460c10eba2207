"""Leakage between splits: rows that equal, or nearly equal, one that the model trains on or is
judged by."""

from __future__ import annotations

from collections.abc import Callable

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import SPLIT
from core.data.quality.duplicates import check_duplicates
from core.data.quality.finding import Finding, stop_if, worst_first
from core.data.quality.in_short import for_history
from core.data.quality.similar import check_similar

LEAKS = frozenset({"leak", "near-leak"})
KIND = "split"
"""The kind of the note in the history of a data set's quality."""


def check_leakage(
    lake: Lake, version: Version, should_stop: Callable[[], bool] = lambda: False
) -> list[Finding]:
    """Look for leakage between the splits of a version, as is done after each split, and note it
    down; worst findings first, none where there are no splits.

    Raises:
        LeptonError: a file of the version is missing.
        Cancelled: `should_stop` said so; nothing was noted down.
    """
    if SPLIT not in version.column_names:
        return []
    with lake.open(version) as view:
        view.hold()
        found = [*check_duplicates(view, version.target)]
        stop_if(should_stop())
        found += check_similar(view, should_stop)
    leaks = worst_first([finding for finding in found if finding.kind in LEAKS])
    lake.quality.note(version, KIND, None, for_history(leaks))
    return leaks
