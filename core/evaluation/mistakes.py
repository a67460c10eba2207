"""Labels that seem wrong, and the rows that a report names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from core.data.lake.view import ROW_ID, View
from core.data.quality.confident import suspicious
from core.evaluation.judge import Judgement
from core.tasks.classification import softmax
from core.tasks.rows import PATH
from core.tasks.verdicts import SHOWN, Verdicts

Array = np.ndarray[Any, Any]


def suspected(told: Judgement, verdicts: Verdicts, seen: Array) -> dict[str, Any] | None:
    """Labels that the model doubts among rows that its training did not see.

    {"rows": how many, "of": labels looked at, "labels": the most doubtful, each with its place
    under "row", its "truth", what it "seems" to be, and the "margin" between them}; None for a task
    without classes, and where training saw every row: it may have learnt the labels by heart.
    """
    rows = np.flatnonzero(~np.isin(told.rids, seen))
    if not (told.task.tells_classes and len(rows)):
        return None
    doubts = suspicious(told.target[rows], softmax(told.found[rows]))
    labels = told.task.labels  # type: ignore[attr-defined]
    return {
        "rows": len(doubts.rows),
        "of": len(rows),
        "labels": [
            {
                "row": int(rows[at]),
                "truth": verdicts.truth(int(rows[at])),
                "seems": labels[meant],
                "margin": float(margin),
            }
            for at, meant, margin in zip(
                doubts.rows[:SHOWN], doubts.meant, doubts.margin, strict=False
            )
        ],
    }


def name_rows(view: View, rids: Array, entries: Iterable[dict[str, Any]]) -> None:
    """Give each entry the id of its row, and its path where rows have one, for its place "row"."""
    named = [*entries]
    for each in named:
        each[ROW_ID] = int(rids[each.pop("row")])
    if PATH in view.version.column_names:
        found = view.rows([each[ROW_ID] for each in named], [PATH])
        paths = {row[ROW_ID]: row[PATH] for row in found}
        for each in named:
            each[PATH] = str(paths[each[ROW_ID]])
