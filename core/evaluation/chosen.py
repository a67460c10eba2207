"""What a model is judged on: the data set, the split, the columns, and what training saw of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View
from core.errors import UsageError
from core.models.registry import ModelFolder
from core.tasks.base import Task

ALL = "all"

Array = np.ndarray[Any, Any]


def chosen_version(
    lake: Lake, folder: ModelFolder, dataset: str | None
) -> tuple[Version, list[str]]:
    """The version to judge on, and what a person should know about the choice.

    Training splits a data set that came without a split, as a version of its own. Who names the
    data set as it was before means the rows that training did not see.

    Raises:
        UsageError: there is no such data set, or none is named and the model's own is gone.
    """
    trained = trained_on(lake, folder)
    if dataset is None:
        if trained is None:
            raise UsageError(
                "the data set that the model was trained on is not here",
                where=str(folder.info.get("dataset") or folder.ref),
                hint=f"Name one: lepton eval {folder.ref} DATASET",
            )
        return trained, []
    version = lake.version(dataset)
    if "split" not in version.column_names and trained and version.ref in trained.parents:
        return trained, [f"{version.ref} is not split: judged on {trained.ref}, its split rows"]
    return version, []


def trained_on(lake: Lake, folder: ModelFolder) -> Version | None:
    """The version that a model was trained on, as far as it is known and here."""
    try:
        return lake.version(f"{folder.info['dataset']}@{folder.info['dataset_version']}")
    except (KeyError, UsageError):
        return None


def check_columns(task: Task, version: Version, folder: ModelFolder) -> None:
    missing = [
        name
        for name in dict.fromkeys((*task.columns, task.target))
        if name not in version.column_names
    ]
    if missing:
        one = len(missing) == 1
        named = ", ".join(f'"{name}"' for name in missing)
        raise UsageError(
            f"{folder.ref} reads the column{'' if one else 's'} {named},"
            f" which {version.ref} does not have",
            hint=f"It has: {', '.join(version.column_names)}.",
        )


def chosen_part(view: View, split: str | None) -> str:
    """The split to judge on.

    Raises:
        UsageError: the data set has no such split, or only rows for training.
    """
    if split is not None:
        view.check_split(split, ALL)
        return split
    splits = view.splits()
    if not splits:
        return ALL
    for part in ("test", "validation"):
        if part in splits:
            return part
    raise UsageError(
        f"{view.version.ref} has no test or validation rows",
        hint="Name a split with --split, or split the data set: lepton data split.",
    )


def rows_seen(lake: Lake, folder: ModelFolder, version: Version) -> Array:
    """The ids of the rows of a version that its training saw, int64; none where it is unknown."""
    trained = trained_on(lake, folder)
    if trained is None or not trained.has_rows_of(version) or "split" not in trained.column_names:
        return np.empty(0, np.int64)
    with lake.open(trained) as view:
        parts = [batch.column(ROW_ID).to_numpy() for batch in view.batches([], split="train")]
    return np.concatenate([np.empty(0, np.int64), *parts])
