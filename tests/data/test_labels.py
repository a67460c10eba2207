"""Labels: the journal, what stands when several label, undo, and publishing over newer versions."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.cleaning.apply import clean, undo
from core.data.cleaning.recipe import Recipe
from core.data.labelling.labels import Labels, publish, stranded, waiting
from core.data.lake.journal import Entry
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.splitting.split import split
from core.errors import LeptonError, UsageError

KINDS = ["cat", "dog", "cat", None, "dog", "cat"]


@pytest.fixture
def pets(lake: Lake) -> Version:
    rows = pa.table(
        {
            "name": [f"n{n}" for n in range(6)],
            "age": [1, 2, 3, 4, 5, 6],
            "weight": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
            "kind": KINDS,
            "photo": [b"x"] * 6,
            "tags": [["a"]] * 6,
        }
    )
    return lake.commit("pets", rows, op="import", target="kind", task="text-classification")


def say(
    lake: Lake, ref: str | Version, labels: Iterable[tuple], column=None, **how: object
) -> None:
    new = bool(how.pop("new", False))
    with Labels(lake, ref, column, new=new) as session:
        session.add([Entry(*label) for label in labels], **how)


def held(lake: Lake, ref: str | Version = "pets", column: str | None = None) -> dict[int, object]:
    return {each.row: each.value for each in lake.labels.waiting(lake.version(ref), column).labels}


def cells(lake: Lake, ref: str | Version, column: str) -> list[object]:
    with lake.open(ref) as view:
        return [value for (value,) in view.sql(f'SELECT "{column}" FROM rows ORDER BY _rid')]


def test_labels_wait_and_are_published_over_the_rows(lake: Lake, pets: Version) -> None:
    say(lake, "pets", [(3, "cat"), (0, "fox")], author="anna")
    say(lake, "pets", [(1, None), (0, "wolf", 0.5)], author="ben")
    (first, *_) = lake.labels.waiting(lake.version("pets")).labels
    assert first[1:7] == (0, "kind", "wolf", "ben", "human", 0.5)
    assert held(lake) == {0: "wolf", 1: None, 3: "cat"}
    assert lake.version("pets") == pets, "until then the data set is as it was"
    done = publish(lake, "pets")
    assert (done.labels, done.gone, done.made) == ({"kind": 3}, [], [])
    assert cells(lake, "pets", "kind") == ["wolf", None, "cat", "cat", "dog", "cat"]
    made = done.version
    assert (made.ref, made.op, made.parents) == ("pets@2", "label", ("pets@1",))
    assert made.params["by"] == ["anna", "ben"]
    assert made.files[0] == pets.files[0], "the rows are not written again"
    assert (made.target, made.task) == (pets.target, pets.task)
    assert held(lake) == {}
    with pytest.raises(UsageError, match="no labels wait"):
        publish(lake, "pets")
    assert len(lake.versions("pets")) == 2


def test_a_new_column_holds_the_labels_alone(lake: Lake, pets: Version) -> None:
    say(lake, "pets", [(5, "late")], "mood", new=True)
    say(lake, "pets", [(2, "calm"), (2, "wild")], "mood")
    done = publish(lake, "pets", "mood")
    assert done.made == ["mood"]
    assert cells(lake, "pets", "mood") == [None, None, "wild", None, None, "late"]
    say(lake, "pets", [(0, "7")], "age")
    say(lake, "pets", [(0, "late")], "mood")
    assert publish(lake, "pets").labels == {"age": 1, "mood": 1}
    assert cells(lake, "pets", "age") == [7, 2, 3, 4, 5, 6]
    assert cells(lake, "pets", "mood") == ["late", None, "wild", None, None, "late"]


def test_a_person_stands_above_a_model_and_a_rule(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "owl", 0.9), (1, "owl", 0.8)], source="model", author="net@1")
    say(lake, pets, [(0, "fox")], author="anna")
    say(lake, pets, [(0, "ape", 0.99), (2, "ape")], source="model", author="net@2")
    say(lake, pets, [(2, "bat")], source="rule", author="short names")
    assert held(lake) == {0: "fox", 1: "owl", 2: "bat"}
    publish(lake, "pets")
    say(lake, "pets", [(0, "emu", 1.0), (1, "emu")], source="model", author="net@3")
    assert held(lake) == {1: "emu"}, "what a person said is published, and stands"
    say(lake, "pets", [(0, "elk")], author="ben")
    assert held(lake) == {0: "elk", 1: "emu"}


def test_an_undo_takes_back_ones_own_and_what_was_before_holds(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox"), (1, "fox")], author="anna")
    say(lake, pets, [(0, "ape")], author="ben")
    say(lake, pets, [(2, "elk")], author="anna")
    assert [each.row for each in lake.labels.undo(pets, 2, author="anna")] == [2, 1]
    assert held(lake) == {0: "ape"}
    lake.labels.undo(pets, author="ben")
    assert held(lake) == {0: "fox"}
    assert lake.labels.undo(pets, 9, author="ben") == [], "nothing is taken back twice"
    assert lake.labels.undo(pets, author="anna", source="model") == []
    say(lake, pets, [(1, "7")], "age", author="anna")
    assert [each.column for each in lake.labels.undo(pets, author="anna", column="kind")] == [
        "kind"
    ]
    assert held(lake) == {1: "7"}
    publish(lake, "pets")
    assert lake.labels.undo(pets, author="anna") == [], "what is published goes with its version"


def test_a_publication_taken_back_waits_again(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox")])
    publish(lake, "pets")
    undo(lake, "pets")
    assert cells(lake, "pets", "kind") == KINDS
    assert held(lake) == {0: "fox"}
    assert held(lake, "pets@2") == {}
    lake.restore("pets@2")
    assert held(lake) == {}


def test_labels_are_laid_over_what_was_made_of_the_rows_since(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox"), (3, "cat"), (5, "cat")])
    split(lake, "pets", by="kind")
    clean(lake, "pets", Recipe.from_words(["drop-rows columns=kind"]))
    say(lake, pets, [(3, "dog")])
    done = publish(lake, "pets")
    assert (done.labels, done.gone) == ({"kind": 2}, [3])
    assert cells(lake, "pets", "kind") == ["fox", "dog", "cat", "dog", "cat"]
    assert "split" in done.version.column_names
    assert held(lake) == {}
    lake.restore("pets@1")
    assert held(lake) == {0: "fox", 3: "dog", 5: "cat"}


class Busy(Lake):
    """A lake where somebody does something just before a publication is entered."""

    def commit_columns(self, base: Version, columns: object, **how: object) -> Version:
        if how["op"] == "label" and (acts := vars(self).pop("between", None)):
            acts()
        return super().commit_columns(base, columns, **how)  # type: ignore[arg-type]


def test_what_happens_amid_a_publication_is_not_lost(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox"), (1, "elk")], author="anna")
    busy = Busy(lake.workspace)
    busy.between = lambda: split(lake, "pets")
    done = publish(busy, "pets")
    assert (done.version.ref, done.version.parents) == ("pets@3", ("pets@2",))
    assert "split" in done.version.column_names
    say(lake, "pets", [(2, "owl"), (3, "emu")], author="anna")
    busy.between = lambda: lake.labels.undo(pets, author="anna")
    assert publish(busy, "pets").labels == {"kind": 1}
    assert cells(lake, "pets", "kind") == ["fox", "elk", "owl", None, "dog", "cat"]
    say(lake, "pets", [(5, "bat")])
    busy.between = lambda: say(lake, "pets", [(5, "bee"), (4, "ant")])
    publish(busy, "pets")
    assert held(lake) == {4: "ant", 5: "bee"}, "what came in between waits for the next time"


def test_appended_rows_take_labels_too(lake: Lake, pets: Version) -> None:
    from core.data.lake.rows_file import copy_rows

    more = lake.workspace.tmp / "more.parquet"
    with lake.open(pets) as view:
        copy_rows(view.connection, "SELECT * EXCLUDE (_rid) FROM rows LIMIT 2", more)
    say(lake, pets, [(1, "fox")])
    appended = lake.append(pets, more, op="append")
    say(lake, appended, [(7, "elk")])
    publish(lake, "pets")
    assert cells(lake, "pets", "kind") == ["cat", "fox", *KINDS[2:], "cat", "elk"]


def test_pictures_that_are_labelled_and_appended_to_lie_in_small_groups(lake: Lake) -> None:
    from core.data.lake.rows_file import copy_rows, row_group

    rows = pa.table({"photo": [b"x"] * 3000, "kind": ["cat"] * 3000})
    photos = lake.commit("photos", rows, op="import", media={"photo": "image"}, target="kind")
    more = lake.workspace.tmp / "more.parquet"
    with lake.open(photos) as view:
        copy_rows(view.connection, "SELECT * EXCLUDE (_rid) FROM rows LIMIT 2", more)
    say(lake, photos, [(1, "fox")])
    publish(lake, "photos")
    appended = lake.append(lake.version("photos"), more, op="append")
    (file,) = appended.files
    metadata = pq.read_metadata(lake.workspace.data / file.name)
    assert metadata.row_group(0).num_rows == row_group(media=True)
    assert cells(lake, appended, "kind") == ["cat", "fox", *["cat"] * 3000]


def test_rows_imported_anew_are_other_rows(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox"), (1, "fox")])
    lake.commit("pets", pa.table({"kind": ["emu", "elk"]}), op="import")
    assert held(lake) == {}
    with pytest.raises(UsageError, match="no labels wait") as caught:
        publish(lake, "pets")
    assert "lepton data label pets@1 --publish" in caught.value.hint
    assert stranded(lake, pets) == ""
    assert [(at.ref, count) for at, count in waiting(lake, "pets")] == [("pets@1", 2)]
    assert publish(lake, "pets@1").version.parents == ("pets@1",)
    assert cells(lake, "pets@3", "kind") == ["fox", "fox", *KINDS[2:]]


def test_the_same_file_imported_again_has_the_same_rows(lake: Lake, pets: Version) -> None:
    with lake.open(pets) as view:
        rows = view.arrow("SELECT * EXCLUDE (_rid) FROM rows")
    say(lake, pets, [(0, "fox")])
    again = lake.commit("pets", rows, op="import")
    assert again.files == pets.files
    assert held(lake) == {0: "fox"}


def test_labels_go_with_the_last_version_of_their_rows(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, "fox")])
    split(lake, pets)
    lake.commit("pets", pa.table({"kind": ["emu"]}), op="import")
    lake.remove("pets@1")
    assert held(lake, "pets@2") == {0: "fox"}
    lake.remove("pets@2")
    with lake._catalogue.read() as db:
        assert db.execute("SELECT count(*) FROM label").fetchone() == (0,)


def test_a_version_removed_under_a_session_is_told(lake: Lake, pets: Version) -> None:
    with Labels(lake, pets) as session:
        session.add([Entry(0, "fox")])
        lake.remove("pets")
        with pytest.raises(LeptonError, match="is missing"):
            session.add([Entry(0, "elk")])
    with pytest.raises(UsageError, match="was removed"):
        lake.labels.add(pets, "kind", [Entry(0, "elk")])


@pytest.mark.parametrize(
    ("column", "label", "words", "hint"),
    [
        (None, (6, "cat"), "there is no row 6", "lepton data rows pets"),
        (None, (-1, "cat"), "there is no row -1", "_rid"),
        (None, (2**70, "cat"), f"there is no row {2**70}", "_rid"),
        ("knd", (0, "cat"), 'no column "knd"', 'Did you mean "kind"? --new'),
        ("age", (0, "old"), 'row 0: "old" does not fit "age", which holds bigint', "to=text"),
        ("age", (0, "3.7"), "does not fit", "to=text"),
        ("age", (0, "1e3"), "does not fit", "to=text"),
        ("weight", (0, "nan"), "does not fit", "to=text"),
        ("photo", (0, "x"), '"photo" takes no labels: it holds blob', "--new"),
        ("tags", (0, "x"), "takes no labels: it holds varchar[]", "--new"),
        ("_rid", (0, "1"), '"_rid" cannot be a new column', "another name"),
        ("KIND", (0, "cat"), '"KIND" cannot be a new column', 'There is "kind".'),
    ],
)
def test_what_cannot_be_a_label_is_refused_and_nothing_is_kept(
    lake: Lake, pets: Version, column: str | None, label: tuple, words: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        say(lake, pets, [(0, "1"), label], column)
    assert words in str(caught.value)
    assert hint in caught.value.hint
    assert held(lake) == {}


def test_labels_that_fit(lake: Lake, pets: Version) -> None:
    say(lake, pets, [(0, " 12 "), (1, "+3")], "age")
    say(lake, pets, [(0, "1e3"), (1, "2")], "weight")
    publish(lake, "pets")
    assert cells(lake, "pets", "age")[:2] == [12, 3]
    assert cells(lake, "pets", "weight")[:2] == [1000.0, 2.0]


def test_a_column_cast_since_is_told(lake: Lake, pets: Version) -> None:
    clean(lake, pets, Recipe.from_words(["cast columns=age to=text"]))
    say(lake, "pets", [(0, "old")], "age")
    clean(lake, "pets", Recipe.from_words(["cast columns=age to=integer"]))
    with pytest.raises(UsageError, match='"old" does not fit "age", which holds bigint') as caught:
        publish(lake, "pets")
    assert "--undo" in caught.value.hint
    assert held(lake) == {0: "old"}


def test_classes_that_do_not_occur_yet_are_known(lake: Lake, pets: Version) -> None:
    entries = [Entry(0, "fox"), Entry(1, "cat"), Entry(2, "elk"), Entry(3, None)]
    with Labels(lake, pets) as session:
        assert session.unseen(entries) == ["elk", "fox"]
        session.add([Entry(0, "elk")])
        assert session.unseen(entries) == ["fox"]
    with Labels(lake, pets, "age") as session:
        assert session.unseen([Entry(0, "6"), Entry(0, "7"), Entry(0, "old")]) == ["7"]


def test_a_row_is_put_into_no_split_that_training_does_not_know(lake: Lake, pets: Version) -> None:
    say(lake, "pets", [(0, "train"), (1, "validation"), (2, "test")], column="split", new=True)
    before = held(lake, "pets", "split")
    for value, hint in (("banana", "name another column"), ("tests", 'Did you mean "test"')):
        with pytest.raises(UsageError, match=f'row 3: "{value}" is no part of a split') as told:
            say(lake, "pets", [(4, "train"), (3, value)], column="split")
        assert hint in told.value.hint
    assert held(lake, "pets", "split") == before
    say(lake, "pets", [(0, None)], column="split")
    assert cells(lake, publish(lake, "pets").version, "split")[:3] == [None, "validation", "test"]


def test_one_that_was_given_before_that_was_looked_at_is_not_published(
    lake: Lake, pets: Version
) -> None:
    lake.labels.add(pets, "split", [Entry(0, "banana")], source="human", author="anna")
    with pytest.raises(UsageError, match="no part of a split") as told:
        publish(lake, "pets")
    assert "--undo" in told.value.hint
