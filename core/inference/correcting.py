"""What a model should have said, told to the data set that it learnt from.

A row of that data set gets the label as any other that a person gives; whatever else the model was
asked becomes a new row of it. Either is a new version with its lineage, so the next training learns
from the mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.labelling.labels import Labels, NothingWaits, fits, publish
from core.data.lake.journal import Entry
from core.data.lake.lake import Lake
from core.data.lake.layout import quoted
from core.data.lake.rows_file import copy_rows
from core.data.lake.version import Version
from core.data.lake.view import SPLIT
from core.data.lake.writing import Overtaken
from core.data.several_labels import label_text
from core.errors import UsageError, nearest
from core.inference.messages import Row, contents, packed
from core.inference.tables import require
from core.models.registry import ModelFolder, task_of
from core.tasks.base import Task
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OP = "correct"
TRAIN = "train"
CORRECTED = ("label", "labels", "number", "text", "boxes")
"""Kinds of answers (`Task.gives`) that a person can say better."""


@dataclass(frozen=True)
class Corrected:
    """The version that knows it, and where each row stands in it, in their order."""

    version: Version
    places: list[tuple[str, int]]
    added: int

    def to_json(self) -> dict[str, Any]:
        rows = [f"{self.version.ref}#{row}" for _, row in self.places]
        return {"dataset": self.version.ref, "rows": rows, "added": self.added}


def correct(
    workspace: Workspace, model: ModelFolder, rows: Sequence[Row], label: str, *, new: bool = False
) -> Corrected:
    """Say what the answer to these rows is, as a person types it. New rows are for training.

    With `new` the label may be one that the model does not know.

    Raises:
        UsageError: the model's answers are no labels, it does not know this one, or does not say
            what it was trained on; the data set is gone or has other columns.
        LeptonError: the disk is full; the lake is as it was.
    """
    task = task_of(model)
    version = _home(workspace, model, task)
    _known(task, label, new=new)
    lake = Lake(workspace)
    there, others = _parted(lake, version, rows)
    said = {"model": model.ref, "label": label}
    if there:
        entries = [Entry(row.place[1], label) for row in there if row.place]
        with Labels(lake, version, task.target) as session:
            session.add(entries)
        version = _published(lake, version.dataset, task.target, said)
    first = 0
    if others:
        version, first = _added(lake, version.dataset, task, others, said)
    places = {id(row): row.place for row in there if row.place}
    places |= {id(row): (version.ref, first + at) for at, row in enumerate(others)}
    return Corrected(version, [places[id(row)] for row in rows], len(others))


def _home(workspace: Workspace, model: ModelFolder, task: Task) -> Version:
    """The newest version of what a model was trained on, if it can be corrected there."""
    if task.gives not in CORRECTED or task.gathers or task.target in task.columns:
        raise UsageError(f"answers of {task.name} cannot be corrected one by one")
    dataset = model.info.get("dataset")
    if not dataset:
        raise UsageError(
            "the model does not say what it was trained on",
            where=model.ref,
            hint="Give a label in a data set that you name: lepton data label NAME ROW=LABEL",
        )
    version = Lake(workspace).version(str(dataset))
    require((*task.columns, task.target), version.column_names, version.ref)
    return version


def _known(task: Task, label: str, *, new: bool) -> None:
    if not label.strip():
        raise UsageError("the label is empty")
    truth = task.truth(label)
    said = truth["labels"] if isinstance(truth, Mapping) and "labels" in truth else [label]
    labels = list(getattr(task, "labels", ())) if task.gives in ("label", "labels") else []
    strange = [each for each in said if each not in labels] if labels and not new else []
    if strange:
        raise UsageError(
            f'the model knows no label "{strange[0]}"',
            hint=f"{nearest(strange[0], labels)} A new one: --new-label".strip(),
        )


def _parted(lake: Lake, version: Version, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Those that are rows of the data set, and the others.

    Raises:
        UsageError: one is a row of another import under the same name.
    """
    there: list[Row] = []
    others: list[Row] = []
    of = {ref: lake.version(ref) for ref in {row.place[0] for row in rows if row.place}}
    for row in rows:
        place = of[row.place[0]] if row.place else None
        if place is None or place.dataset != version.dataset:
            others.append(row)
        elif not place.has_rows_of(version):
            raise UsageError(
                f"{version.ref} has other rows than {place.ref}, which this one is of",
                where=row.input,
                hint=f"Ask about a row of the newest version: {version.dataset}#0",
            )
        else:
            there.append(row)
    return there, others


def _published(lake: Lake, dataset: str, column: str, said: dict[str, Any]) -> Version:
    try:
        return publish(lake, dataset, column, params={"corrected": said}).version
    except NothingWaits:
        # Somebody who published at the same moment had it too.
        return lake.version(dataset)


def _added(
    lake: Lake, dataset: str, task: Task, rows: Sequence[Row], said: dict[str, Any]
) -> tuple[Version, int]:
    """A version with these rows after its own, and the row id of the first of them."""
    cells = [{name: _cell(row.values[name]) for name in task.columns} for row in rows]
    while True:
        newest = lake.version(dataset)
        with lake.staged() as (path, connection):
            given = _table([{**each, task.target: said["label"]} for each in cells], newest)
            connection.register("given", given)
            _check(connection, newest, given.column_names)
            casts = ", ".join(
                f"CAST({quoted(name)} AS {newest.column(name).type}) AS {quoted(name)}"
                for name in given.column_names
            )
            copy_rows(connection, f"SELECT {casts} FROM given", path)
            try:
                made = lake.append(newest, path, op=OP, params={**said, "added": len(rows)})
            except Overtaken:
                continue
        with lake.open(made) as view:
            ((last,),) = view.sql("SELECT max(_rid) FROM rows")
        return made, int(last) - len(rows) + 1


def _check(connection: duckdb.DuckDBPyConnection, version: Version, names: Sequence[str]) -> None:
    """Hold the cells of `given` against the types of their columns.

    Raises:
        UsageError: one does not fit.
    """
    for name in names:
        own, kind = quoted(name), version.column(name).type
        query = f"SELECT {own} FROM given WHERE {own} IS NOT NULL AND NOT {fits(own, kind)} LIMIT 1"
        if unfit := connection.execute(query).fetchall():
            raise UsageError(
                f'"{str(unfit[0][0])[:40]}" does not fit "{name}", which holds {kind.lower()}',
                where=version.ref,
            )


def _table(rows: Sequence[dict[str, Any]], version: Version) -> pa.Table:
    """Rows as text or bytes, in the order of the version's columns; those it can, for training."""
    import pyarrow as pa

    names = [name for name in version.column_names if name in rows[0]]
    columns = {
        name: pa.array(
            [row[name] for row in rows],
            pa.binary() if any(isinstance(row[name], bytes) for row in rows) else pa.string(),
        )
        for name in names
    }
    if SPLIT in version.column_names:
        columns[SPLIT] = pa.array([TRAIN] * len(rows), pa.string())
    return pa.table(columns)


def _cell(value: Any) -> bytes | str | None:
    """A cell as text or as a file's bytes.

    Raises:
        UsageError: the file cannot be read.
    """
    if isinstance(value, Path):
        return contents(value)
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, float):
        return label_text(value)
    return str(packed(value))
