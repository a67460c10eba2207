"""Answers as columns: what the model says in bulk is what it says one by one, typed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.objects import things_of
from core.tasks import Task, facts, guess, task
from core.tasks.answer_table import row_of, schema_of
from core.workspace import Workspace

ROWS = 40


@pytest.fixture
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    """A learnt task of each kind whose answers are numbers, by what it gives."""
    workspace = Workspace.open(tmp_path_factory.mktemp("home"))
    draw = np.random.default_rng(0)
    size = draw.normal(size=ROWS)
    targets = {
        "label": [("Big", "big", "a b")[at % 3] for at in range(ROWS)],
        "labels": [("red;round", "round", "red", "long;red")[at % 4] for at in range(ROWS)],
        "number": (2 * size + 1).tolist(),
    }
    made = {}
    for gives, values in targets.items():
        table = pa.table({"size": size, "other": draw.normal(size=ROWS), "answer": values})
        Lake(workspace).commit(gives, table, op="import", target="answer")
        with Lake(workspace).open(gives) as view:
            fit = guess(facts(view))
            made[gives] = task(fit.task).for_fit(fit).learn(fit, view)
    return made


@pytest.mark.parametrize("gives", ["label", "labels", "number"])
def test_in_bulk_it_says_what_it_says_one_by_one(tasks: dict[str, Task], gives: str) -> None:
    learnt = tasks[gives]
    assert learnt.gives == gives
    found = np.random.default_rng(1).normal(size=(20, learnt.shape["outputs"])).astype(np.float32)
    found[3] = 0.0  # all alike: the first label is told
    bulk, single = learnt.answers_in_bulk(found), learnt.tabulate(learnt.answers(found))
    assert bulk.schema == single.schema == learnt.answer_schema
    assert bulk.equals(single)
    assert bulk.column(0).null_count == 0


@pytest.mark.parametrize("gives", ["label", "labels", "number"])
def test_of_an_answer_that_is_not_there_all_is_null(tasks: dict[str, Task], gives: str) -> None:
    (row,) = tasks[gives].tabulate([None]).to_pylist()
    assert set(row.values()) == {None}


def test_boxes_are_written_as_the_lake_keeps_objects() -> None:
    answer = {"boxes": [{"label": "cat", "score": 0.75, "box": [10.0, 20.0, 14.5, 30.0]}]}
    table = pa.Table.from_pylist([row_of("boxes", answer)], schema=schema_of("boxes", ("cat",)))
    (cell,) = table.column("prediction").to_pylist()
    assert cell == [{"label": "cat", "score": 0.75, "bbox": [10.0, 20.0, 4.5, 10.0]}]
    (thing,) = things_of(cell)
    assert thing.box == (10.0, 20.0, 14.5, 30.0)


def test_a_text_is_a_text() -> None:
    assert row_of("text", {"text": "so it was"})["prediction"] == "so it was"
    assert schema_of("text", ()) == pa.schema([("prediction", pa.string())])
