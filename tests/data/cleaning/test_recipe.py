"""Recipes on a real lake: what each step does, what is learned from where, the step back."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.data.cleaning import sheet
from core.data.cleaning.apply import clean, undo
from core.data.cleaning.preview import preview
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.near import near_duplicate_texts
from core.data.sources import Reading, import_source
from core.errors import LeptonError, UsageError


@pytest.fixture
def people(lake: Lake) -> Lake:
    table = pa.table(
        {
            "name": [" Ann ", "bob", "bob", None, "eve"],
            "age": [30, None, None, 50, 1000],
            'odd "column"': [1.0, 2.0, 2.0, float("nan"), 4.0],
            "kind": ["a", "b", "b", "a", None],
            "split": ["train", "train", "train", "test", "test"],
        }
    )
    lake.commit("people", table, op="import", target="kind", task="tabular-classification")
    return lake


def run(lake: Lake, *steps: str, **options: Any) -> list[dict[str, Any]]:
    version = clean(lake, "people", Recipe.from_words(steps), **options)
    with lake.open(version) as view:
        return view.rows(range(10))


def test_duplicates_go_and_rows_keep_their_ids(people: Lake) -> None:
    rows = run(people, "drop-duplicates")
    assert [row["_rid"] for row in rows] == [0, 1, 3, 4]
    version = people.version("people")
    assert (version.op, version.parents, version.target) == ("clean", ("people@1",), "kind")
    assert version.params["steps"][0]["did"] == {"rows dropped": 1}


@pytest.mark.parametrize("most", [sheet.MOST_BITS, 0])
def test_rows_keep_their_order_through_dropping(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(sheet, "MOST_BITS", most)
    rows = 500_000  # several groups of rows, on several threads
    numbers = [*range(rows), *range(0, rows, 10)]
    steps = ["drop-duplicates", "fill with=mean"]
    version = lake.commit("many", pa.table({"n": numbers}), op="import")
    version = clean(lake, version, Recipe.from_words(steps))
    (tmp_path / "many.csv").write_text("n\n" + "\n".join(map(str, numbers)))
    arrived = import_source(
        lake, tmp_path / "many.csv", "same", reading=Reading(recipe=Recipe.from_words(steps))
    ).version
    for made in (version, arrived):
        with lake.open(made) as view:
            assert view.arrow("SELECT _rid, n FROM rows").to_pydict() == {
                "_rid": [*range(rows)],
                "n": [*range(rows)],
            }


def test_rows_named_by_id_go_and_ids_that_are_not_there_are_none(people: Lake) -> None:
    rows = run(people, "drop-rows ids=1,4,99")
    assert [row["_rid"] for row in rows] == [0, 2, 3]
    assert people.version("people").params["steps"][0]["did"] == {"rows dropped": 2}


@pytest.mark.parametrize(
    ("step", "filled"),
    [
        ("fill columns=age with=median", 50),
        ("fill columns=age with=mean", 360),
        ("fill columns=age with=median from=train", 30),
        ("fill columns=age with=constant value=7", 7),
    ],
)
def test_gaps_are_filled_with_what_was_asked(people: Lake, step: str, filled: float) -> None:
    assert [row["age"] for row in run(people, step)] == [30, filled, filled, 50, 1000]


def test_numbers_are_scaled_by_the_training_rows_alone(people: Lake) -> None:
    rows = run(people, "fill columns=age with=constant value=10", "scale columns=age from=train")
    mean, spread = 50 / 3, (800 / 9) ** 0.5
    for row, age in zip(rows, [30, 10, 10, 50, 1000], strict=True):
        assert row["age"] == pytest.approx((age - mean) / spread)


def test_text_is_trimmed_and_renamed_columns_stay_the_target(people: Lake) -> None:
    rows = run(people, "trim columns=name", "rename names=kind:label")
    assert rows[0]["name"] == "Ann"
    assert people.version("people").target == "label"


def test_a_dropped_target_is_no_target(people: Lake) -> None:
    run(people, "drop-columns columns=kind")
    assert (people.version("people").target, people.version("people").task) == (None, None)


def test_the_step_back_of_a_recipe_is_one_step(people: Lake) -> None:
    run(people, "drop-duplicates", "fill columns=age with=constant value=7")
    back = undo(people, "people")
    with people.open(back) as view:
        assert [row["age"] for row in view.rows(range(5))] == [30, None, 50, 1000]
    again = undo(people, "people")
    assert again.rows == 5
    assert again.files == people.version("people@1").files, "nothing is written again"
    with pytest.raises(UsageError, match="no step to take back"):
        undo(people, "people")


def test_tomorrows_rows_are_filled_with_what_was_learned_today(people: Lake) -> None:
    recipe = Recipe.from_words(["fill columns=age with=median"])
    today = clean(people, "people", recipe)
    tomorrow = pa.table({"age": pa.array([1, None], pa.int64())})
    people.commit("tomorrow", tomorrow, op="import")
    version = clean(people, "tomorrow", recipe, as_learned=today)
    with people.open(version) as view:
        assert [row["age"] for row in view.rows([0, 1])] == [1, 50]


@pytest.mark.parametrize(
    "where",
    [
        "age IN (SELECT 1)",
        "true; COPY (SELECT 1) TO '/tmp/never.csv'",
        "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
        "age > 1) FROM rows; DROP VIEW rows; --",
    ],
)
def test_typed_sql_is_one_expression_over_a_row(people: Lake, where: str) -> None:
    with pytest.raises(UsageError):
        clean(people, "people", Recipe.of([{"do": "filter", "where": where}]))
    assert people.version("people").n == 1


def test_a_filter_keeps_what_is_true(people: Lake) -> None:
    version = clean(people, "people", Recipe.of([{"do": "filter", "where": "age < 100"}]))
    assert version.rows == 2


def test_a_recipe_comes_back_from_its_file(tmp_path: Path) -> None:
    recipe = Recipe.from_words(["drop-duplicates columns=a,b", "fill columns=x with=mean by=g"])
    recipe.save(tmp_path / "recipe.toml")
    assert Recipe.load(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize(
    ("step", "words", "hint"),
    [
        ({"do": "fil"}, 'no step "fil"', "fill"),
        ({"do": "fill", "wiht": "mean"}, "step 1", "with"),
        ({"do": "fill", "with": "maen"}, "step 1", "mean"),
        ({"do": "fill", "columns": ["aeg"]}, "aeg", "age"),
        ({}, "what to do", ""),
    ],
)
def test_a_wrong_step_says_which_and_what_was_meant(
    people: Lake, step: dict[str, Any], words: str, hint: str
) -> None:
    with pytest.raises(LeptonError) as caught:
        clean(people, "people", Recipe.of([step]))
    assert words in str(caught.value)
    assert hint in str(caught.value) + caught.value.hint
    assert people.version("people").n == 1


def test_a_preview_shows_before_and_after_and_keeps_nothing(people: Lake) -> None:
    with people.open("people") as view:
        found = preview(people, view, Recipe.from_words(["fill columns=age with=median"]))
    assert (found.rows_changed, found.rows_dropped, found.columns_changed) == (2, 0, ("age",))
    assert [(each.rid, each.before["age"]) for each in found.examples] == [(1, None), (2, None)]
    assert people.version("people").n == 1


def test_a_preview_of_many_columns_is_made_some_at_a_time(
    people: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = [
        ["fill columns=age,'odd \"column\"' with=median"],
        ["drop-rows columns=age", "derive column=twice sql='age * 2'"],
        ["derive column=age sql='age + 1'", "drop-rows columns=name"],
    ]

    def previews() -> list[str]:
        with people.open("people") as view:
            # As text, for NaN is not itself.
            return [repr(preview(people, view, Recipe.from_words(steps))) for steps in recipes]

    before = previews()
    monkeypatch.setattr("core.data.cleaning.preview.COLUMNS_AT_ONCE", 1)
    monkeypatch.setattr("core.data.cleaning.steps.missing.COLUMNS_AT_ONCE", 1)
    assert previews() == before
    assert "rows_changed=3" in before[0]
    assert "'cells filled': 3" in before[0]


def test_near_duplicates_are_found_and_others_left_alone(lake: Lake) -> None:
    chance = random.Random(5)
    words = [f"word{i}" for i in range(3000)]
    texts = [" ".join(chance.choices(words, k=60)) for _ in range(1500)]
    planted = {}
    for i in range(0, 300):
        parts = texts[i].split()
        parts[chance.randrange(60)] = "changed"
        planted[len(texts)] = i
        texts.append(" ".join(parts).upper())
    texts += ["", "  ", texts[0]]
    lake.commit("texts", pa.table({"t": [*texts, None]}), op="import")
    with lake.open("texts") as view:
        found = dict(near_duplicate_texts(view.connection, "rows", "t"))
    assert found.pop(len(texts) - 1) == 0, "an equal text is near too"
    hits = sum(found.get(rid) == keep for rid, keep in planted.items())
    assert hits >= 0.99 * len(planted)
    assert set(found) <= set(planted), "texts that share nothing stay"
    version = clean(lake, "texts", Recipe.from_words(["drop-near-duplicates column=t"]))
    assert version.rows == len(texts) + 1 - len(found) - 1
