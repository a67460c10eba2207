"""A wrong answer goes back to the data set: as the label of its row, or as a new row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.splitting.split import split
from core.errors import UsageError
from core.inference.correcting import Corrected, correct
from core.inference.inputs import read_inputs
from core.inference.messages import Row
from core.models.registry import Models, task_of
from core.tasks import facts, guess, task
from core.workspace import Workspace
from tests.inference.conftest import digits, flowers, learn, png, publish


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Workspace.open(tmp_path / "home")
    lake = Lake(made)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    for name in ("flowers", "digits"):
        publish(made, learn(made, name), name, dataset=name)
    return lake


def corrected(lake: Lake, model: str, *given: object, label: str, new: bool = False) -> Corrected:
    folder = Models(lake.workspace).get(model)
    rows = read_inputs(lake.workspace, task_of(folder), given)
    return correct(lake.workspace, folder, rows, label, new=new)


def rows_of(lake: Lake, ref: str) -> list[dict[str, object]]:
    with lake.open(ref) as view:
        return view.arrow("SELECT * FROM rows ORDER BY _rid").to_pylist()


def test_a_row_of_the_data_set_gets_the_label(lake: Lake) -> None:
    made = corrected(lake, "flowers", "flowers#7", label="long")
    assert (made.version.ref, made.places, made.added) == ("flowers@2", [("flowers@1", 7)], 0)
    assert (made.version.op, made.version.parents) == ("label", ("flowers@1",))
    assert made.version.params["corrected"] == {"model": "flowers@1", "label": "long"}
    before, after = rows_of(lake, "flowers@1"), rows_of(lake, "flowers@2")
    assert after[7]["species"] == "long"
    assert [row for row in after if row["_rid"] != 7] == [row for row in before if row["_rid"] != 7]
    again = corrected(lake, "flowers", "flowers@1#7", label="short")
    assert again.version.parents == ("flowers@2",), "the newest version, whichever was asked of"
    assert rows_of(lake, "flowers")[7]["species"] == "short"


def test_anything_else_becomes_a_new_row(lake: Lake, tmp_path: Path) -> None:
    made = corrected(lake, "flowers", "petal length=9.5 colour=", label="long")
    assert (made.version.ref, made.places, made.added) == ("flowers@2", [("flowers@2", 60)], 1)
    assert (made.version.op, made.version.rows) == ("correct", 61)
    assert made.version.params == {"model": "flowers@1", "label": "long", "added": 1}
    row = {"_rid": 60, "petal length": 9.5, "colour": None, "species": "long"}
    assert rows_of(lake, "flowers")[-1] == row
    (tmp_path / "a.png").write_bytes(png(40))
    (tmp_path / "b.png").write_bytes(png(41))
    made = corrected(lake, "digits", str(tmp_path / "*.png"), "digits#3", label="2")
    assert made.places == [("digits@3", 24), ("digits@3", 25), ("digits@1", 3)]
    assert [each["image"] for each in rows_of(lake, "digits")[-2:]] == [png(40), png(41)]
    assert {row["label"] for row in rows_of(lake, "digits")[3:24:21]} == {"2"}
    assert made.version.column("image").media == "image"
    # What was corrected can be learnt from, and asked about.
    assert (
        read_inputs(lake.workspace, learn(lake.workspace, "digits"), ["digits#25"])[0].truth == "2"
    )


def test_a_new_row_is_for_training_and_the_test_rows_stay(lake: Lake) -> None:
    split(lake, "flowers", validation=0.2, test=0.2, seed=0)
    before = rows_of(lake, "flowers@2")
    corrected(lake, "flowers", "petal length=9.5 colour=red", label="long")
    after = rows_of(lake, "flowers")
    assert after[:-1] == before
    assert after[-1]["split"] == "train"


def test_labels_of_others_stand(lake: Lake) -> None:
    """Several at once: nobody's correction is lost, whoever is first."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        wishes = [
            pool.submit(corrected, lake, "flowers", given, label="long")
            for at in range(4)
            for given in (f"flowers#{at}", f"petal length=9.{at} colour=red")
        ]
        for wish in wishes:
            wish.result()
    rows = rows_of(lake, "flowers")
    assert [row["species"] for row in rows[:4]] == ["long"] * 4
    assert sorted(row["petal length"] for row in rows[60:]) == [9.0, 9.1, 9.2, 9.3]


def test_numbers_and_several_labels_are_typed_as_their_column_has_them(lake: Lake) -> None:
    workspace = lake.workspace
    texts = [f"the {at}th good film of an actor whom all know" for at in range(20)]
    rows = {"text": texts, "tags": ["a;b", "b;c"] * 10}
    lake.commit("tagged", pa.table(rows), op="import", target="tags")
    with lake.open("tagged") as view:
        fit = guess(facts(view))
        learnt = task(fit.task).for_fit(fit).learn(fit, view)
    publish(workspace, learnt, "tagger", dataset="tagged")
    corrected(lake, "tagger", "an awful actor", label="a;c")
    assert rows_of(lake, "tagged")[-1] == {"_rid": 20, "text": "an awful actor", "tags": "a;c"}
    corrected(lake, "tagger", "tagged#0", label="b")
    with pytest.raises(UsageError, match='knows no label "d"'):
        corrected(lake, "tagger", "tagged#1", label="a;d")
    assert rows_of(lake, "tagged")[0]["tags"] == "b"
    prices = {"size": [float(at) for at in range(30)], "price": [at * 1.5 for at in range(30)]}
    lake.commit("prices", pa.table(prices), op="import", target="price")
    publish(workspace, learn(workspace, "prices"), "pricer", dataset="prices")
    corrected(lake, "pricer", "size=7", label="12.5")
    assert rows_of(lake, "prices")[-1] == {"_rid": 30, "size": 7.0, "price": 12.5}
    for given in ("size=7", "prices#3"):
        with pytest.raises(UsageError, match='"dear"'):
            corrected(lake, "pricer", given, label="dear")
    assert lake.version("prices").n == 2
    assert lake.labels.counts(lake.version("prices")) == {}
    counts = {"size": list(range(30)), "price": [at * 2 for at in range(30)]}
    lake.commit("counts", pa.table(counts), op="import", target="price")
    publish(workspace, learn(workspace, "counts"), "counter", dataset="counts")
    for given, label, wrong in (("size=7", "12.5", "12.5"), ("size=2.5", "4", "2.5")):
        with pytest.raises(UsageError, match=f'"{wrong}" does not fit'):
            corrected(lake, "counter", given, label=label)
    corrected(lake, "counter", "size=7", label="12")
    assert rows_of(lake, "counts")[-1] == {"_rid": 30, "size": 7, "price": 12}


def test_what_cannot_be_corrected_is_told_and_changes_nothing(lake: Lake) -> None:
    with pytest.raises(UsageError, match='knows no label "lonk"') as wrong:
        corrected(lake, "flowers", "flowers#1", label="lonk")
    assert 'Did you mean "long"? A new one: --new-label' in wrong.value.hint
    with pytest.raises(UsageError, match="the label is empty"):
        corrected(lake, "flowers", "flowers#1", label=" ")
    row = Row("lost.png", {"image": Path("/nowhere/lost.png")})
    with pytest.raises(UsageError, match="cannot be read"):
        correct(lake.workspace, Models(lake.workspace).get("digits"), [row], "1")
    publish(lake.workspace, learn(lake.workspace, "flowers"), "orphan")
    with pytest.raises(UsageError, match="does not say what it was trained on"):
        corrected(lake, "orphan", "flowers#1", label="long")
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=at) for at in range(60)]
    lake.commit(
        "sales", pa.table({"day": days, "sold": [float(at) for at in range(60)]}), op="import"
    )
    publish(lake.workspace, learn(lake.workspace, "sales"), "sales", dataset="sales")
    with pytest.raises(UsageError, match="cannot be corrected one by one"):
        corrected(lake, "sales", "sales", label="1")
    assert [version.n for version in lake.versions("flowers")] == [1]
    assert corrected(lake, "flowers", "flowers#1", label="huge", new=True).version.n == 2


def test_a_row_of_an_older_import_is_not_confused_with_one_of_the_newest(lake: Lake) -> None:
    lake.commit("flowers", flowers().slice(10), op="import", target="species")
    with pytest.raises(UsageError, match="flowers@2 has other rows than flowers@1"):
        corrected(lake, "flowers", "flowers@1#7", label="long")
    assert corrected(lake, "flowers", "flowers#7", label="long").version.ref == "flowers@3"


def test_a_number_that_is_none_is_missing_in_the_new_row(lake: Lake) -> None:
    lengths = pa.array([float("nan"), *range(1, 60)], pa.float64())
    unknown = flowers().set_column(0, "petal length", lengths)
    lake.commit("meadow", unknown, op="import", target="species")
    corrected(lake, "flowers", "meadow#0", label="long")
    assert rows_of(lake, "flowers")[-1]["petal length"] is None


def test_a_row_of_another_data_set_becomes_a_new_one(lake: Lake) -> None:
    lake.commit("garden", flowers(), op="import", target="species")
    made = corrected(lake, "flowers", "garden#5", label="long")
    assert (made.version.ref, made.added) == ("flowers@2", 1)
    assert lake.version("garden").n == 1
