"""Rows that a model has not learnt from, to try it on."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError
from core.models.registry import ModelFolder
from core.workspace import Workspace

MOST = 500


@dataclass(frozen=True)
class Unseen:
    """Rows of a data set's version by their ids, in an order without a pattern."""

    dataset: str
    ids: list[int]

    def row(self, at: int) -> str:
        """One of them as `read_inputs` takes it; after the last comes the first."""
        return f"{self.dataset}#{self.ids[at % len(self.ids)]}"


def unseen(workspace: Workspace, model: ModelFolder) -> Unseen:
    """Rows of the test split of what a model was trained on; of all of it where there is none.

    Raises:
        LeptonError: it does not say on what, or that has no rows.
        UsageError: the data set is gone.
    """
    if not model.info.get("dataset"):
        raise LeptonError(
            "the model does not say what it was trained on",
            hint="Ask about a row of a data set by its name: NAME#12.",
        )
    dataset = f"{model.info['dataset']}@{model.info['dataset_version']}"
    with Lake(workspace).open(dataset) as view:
        split = "WHERE split = 'test'" if view.splits().get("test") else ""
        found = view.sql(f"SELECT {ROW_ID} FROM rows {split} ORDER BY hash({ROW_ID}) LIMIT {MOST}")
    if not found:
        raise LeptonError("the data set has no rows", where=dataset)
    return Unseen(dataset, [rid for (rid,) in found])
