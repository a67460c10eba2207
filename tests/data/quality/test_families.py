"""Each family of checks finds what was planted, names it, and offers a step that mends it."""

from __future__ import annotations

import io
import json
import random
import subprocess
import wave

import pyarrow as pa
import pytest
from PIL import Image

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.quality.check import Finding, check
from core.data.quality.drift import by_chance, stability
from core.data.quality.finding import command_of, shell_word
from core.data.quality.text import check_text
from core.data.sql.selection import Selection
from core.errors import Cancelled

Found = dict[tuple[str, str | None], Finding]


def found_in(lake: Lake, columns: dict[str, object], target: str | None = None, **more) -> Found:
    version = lake.commit("things", pa.table(columns), op="import", target=target, **more)
    with lake.open(version) as view:
        return {finding.key: finding for finding in check(view)}


def rows_of(lake: Lake, finding: Finding) -> list[int]:
    """The rows that the finding's condition finds, as the screen asks for them."""
    with Selection(lake, "things", finding.condition) as chosen:
        return [row for (row,) in chosen.page(0, chosen.find(), [])]


def mended(lake: Lake, finding: Finding) -> Found:
    """What is found once the step that the finding offers has run."""
    assert finding.mend is not None
    Recipe.of([finding.mend])
    version = clean(lake, "things", Recipe.of([finding.mend]))
    with lake.open(version) as view:
        return {each.key: each for each in check(view)}


def sentences(count: int, words: int = 30, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    known = [f"word{i}" for i in range(2000)]
    return [" ".join(chance.choices(known, k=words)) for _ in range(count)]


def test_every_condition_finds_the_rows_that_were_counted(lake: Lake) -> None:
    rows = 200
    columns = {
        "gap": [None if i in (3, 7) else i / 3 for i in range(rows)],
        "nan": [float("nan") if i == 5 else i / 7 for i in range(rows)],
        "far": [*(i % 20 / 3 for i in range(rows - 2)), 900.0, -900.0],
        "price": ["12", "13", "about 7"] * 66 + ["12", "13"],
        "mark": ["red", "blue", "N/A", "Red"] * 50,
        "label": ["a"] * (rows - 4) + ["b"] * 3 + [None],
        "word": [f"w{i}" for i in range(rows - 1)] + ["w0"],
    }
    columns["gap"][20], columns["far"][20] = columns["gap"][10], columns["far"][10]
    found = found_in(lake, columns, "label")
    kinds = {kind for kind, _ in found}
    assert {"missing", "outliers", "text-in-numbers", "missing-marks", "spelling"} <= kinds
    assert {"nearly-unique", "few-rows", "missing-labels", "imbalance"} <= kinds
    assert found["missing", "nan"].examples == (5,)
    for key, finding in found.items():
        if finding.condition is not None:
            rows_found = rows_of(lake, finding)
            assert len(rows_found) == finding.rows, key
            if finding.kind != "nearly-unique":
                assert tuple(rows_found[:20]) == finding.examples or not finding.examples, key


@pytest.mark.parametrize("column", ["gap", "far", "price", "mark", "key", "same", "word"])
def test_the_step_that_is_offered_mends_it(lake: Lake, column: str) -> None:
    columns = {
        "gap": [None if i % 50 == 3 else i / 3 for i in range(200)],
        "far": [*(i % 20 / 3 for i in range(198)), 900.0, -900.0],
        "price": ["12", "13.5", "about 7, or 8"] * 66 + ["12", "13"],
        "mark": ["red", "blue", "N/A", " - "] * 50,
        "key": [f"id{i}" for i in range(200)],
        "same": ["x"] * 200,
        "word": ["Bern", "bern ", "Basel", "Basel"] * 50,
    }
    found = found_in(lake, columns)
    chosen = [finding for finding in found.values() if finding.column == column and finding.mend]
    assert chosen
    for finding in chosen:
        assert finding.key not in mended(lake, finding)


def test_duplicates_conflicts_and_leaks_are_mended(lake: Lake) -> None:
    columns = {
        "n": [i / 7 for i in range(60)],
        "label": ["a", "b"] * 30,
        "split": ["train"] * 50 + ["test"] * 10,
    }
    columns["n"][10], columns["n"][58], columns["n"][31] = (columns["n"][i] for i in (4, 5, 6))
    columns["label"][58] = columns["label"][5]
    found = found_in(lake, columns, "label")
    assert rows_of(lake, found["duplicates", None]) == [10, 31, 58]
    assert rows_of(lake, found["label-conflict", "label"]) == [6, 31]
    assert rows_of(lake, found["leak", None]) == [5, 58]
    left = mended(lake, found["duplicates", None])
    assert ("duplicates", None) not in left
    assert ("leak", None) not in left
    found_in(lake, columns, "label")
    assert ("label-conflict", "label") not in mended(lake, found["label-conflict", "label"])


def test_dates_among_text(lake: Lake) -> None:
    columns = {
        "day": [f"2024-01-{1 + i % 28:02}" for i in range(50)] + ["tomorrow"] * 4 + ["N/A"] * 6,
        "odd": ["green", "blue", "red", "12"] * 15,
    }
    found = found_in(lake, columns)
    day = found["mixed-types", "day"]
    assert (day.rows, day.examples) == (4, (50, 51, 52, 53))
    assert found["mixed-types", "odd"].severity == "info"
    assert ("mixed-types", "day") not in mended(lake, day)
    assert lake.version("things").column("day").type == "DATE"


def test_encoding_damage_is_found_and_put_back(lake: Lake) -> None:
    whole = ["Café Zürich", "it’s “fine” – really", "naïve 😀", "Москва"]
    columns = {
        "t": [text.encode().decode("cp1252", "replace") if i < 2 else text
              for i, text in enumerate(whole * 1)]
        + ["naïve 😀".encode().decode("latin-1"), "Москва".encode().decode("latin-1")]
        + ["«CAFÉ»", "Ångström", "plain"] * 10,
        "lost": ["caf\ufffd"] + ["fine"] * 35,
        "bell": ["ring\x07ring", "nul\x00"] + ["quiet\n"] * 34,
    }  # fmt: skip
    found = found_in(lake, columns)
    damage = found["encoding", "t"]
    assert damage.examples == (0, 1, 4, 5)
    assert rows_of(lake, damage) == [0, 1, 4, 5]
    assert found["lost-characters", "lost"].examples == (0,)
    assert found["lost-characters", "lost"].mend is None
    assert found["control-characters", "bell"].examples == (0, 1)
    assert ("control-characters", "bell") not in mended(lake, found["control-characters", "bell"])
    assert ("encoding", "t") not in mended(lake, damage)
    with lake.open("things") as view:
        texts = [row["t"] for row in view.rows([0, 1, 4, 5, 6, 7], ["t"])]
    assert texts[0] == whole[0]
    assert texts[2:] == [whole[2], whole[3], "«CAFÉ»", "Ångström"]


def test_texts_that_are_nearly_equal_also_across_splits(lake: Lake) -> None:
    texts = sentences(300)
    near = [" ".join([*texts[i].split()[:-1], "changed"]).upper() for i in range(5)]
    columns = {
        "t": [*texts, *near, texts[10]],
        "short": ["yes indeed", "no thanks"] * 153,
        "split": ["train"] * 302 + ["test"] * 4,
    }
    found = found_in(lake, columns)
    nearly = found["near-duplicates", "t"]
    assert rows_of(lake, nearly) == [300, 301, 302, 303, 304], "an equal text is told elsewhere"
    assert rows_of(lake, found["near-leak", "t"]) == [2, 3, 4, 302, 303, 304]
    assert found["near-leak", "t"].severity == "error"
    assert ("near-duplicates", "short") not in found
    left = mended(lake, nearly)
    assert ("near-duplicates", "t") not in left
    assert ("near-leak", "t") not in left


def picture(seed: int, *, quality: int | None = None) -> bytes:
    small = Image.new("L", (6, 6))
    small.putdata(random.Random(seed).choices(range(256), k=36))
    held = io.BytesIO()
    image = small.resize((64, 64), Image.Resampling.BICUBIC)
    image.save(held, "JPEG", quality=quality) if quality else image.save(held, "PNG")
    return held.getvalue()


def test_images_that_look_alike(lake: Lake) -> None:
    images = [picture(i) for i in range(40)] + [picture(3, quality=60), picture(4, quality=70)]
    columns = {"image": [*images, images[7]], "split": ["train"] * 41 + ["test", "train"]}
    found = found_in(lake, columns, media={"image": "image"})
    assert found["near-duplicates", "image"].examples == (40, 41)
    assert found["near-leak", "image"].examples == (4, 41)
    assert found["duplicate-images", "image"].examples == (42,)
    assert ("near-duplicates", "image") not in mended(lake, found["near-duplicates", "image"])


def sound(frames: int) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(random.Random(frames).randbytes(2 * frames))
    return held.getvalue()


def test_sound_that_does_not_decode(lake: Lake) -> None:
    sounds = [sound(800 + i) for i in range(30)]
    sounds[4], sounds[9], sounds[12] = b"", sounds[9][:700], b"RIFFgarbage that is no sound"
    found = found_in(lake, {"a": sounds, "n": [i / 3 for i in range(30)]}, media={"a": "audio"})
    broken = found["undecodable", "a"]
    assert rows_of(lake, broken) == [4, 9, 12]
    assert ("undecodable", "a") not in mended(lake, broken)


def test_a_column_that_tells_the_label(lake: Lake) -> None:
    chance = random.Random(3)
    rows = 2000
    label = [chance.choice(["stay", "leave"]) for _ in range(rows)]
    columns = {
        "cancelled_on": ["monday" if each == "leave" else None for each in label],
        "refund": [chance.gauss(50 if each == "leave" else 10, 2) for each in label],
        "hint": [each if chance.random() < 0.8 else "stay" for each in label],
        "noise": [chance.random() for _ in range(rows)],
        "key": [f"{each}-{i}" for i, each in enumerate(label)],
        "label": label,
    }
    found = found_in(lake, columns, "label")
    assert {c for kind, c in found if kind == "label-leak"} == {"cancelled_on", "refund"}
    assert found["label-leak", "cancelled_on"].severity == "error"
    assert ("label-leak", "refund") not in mended(lake, found["label-leak", "refund"])
    price = [chance.uniform(1, 100) for _ in range(rows)]
    numbers = {
        "with_tax": [each * 1.08 for each in price],
        "near": [each + chance.gauss(0, 8) for each in price],
        "price": price,
    }
    told = found_in(lake, numbers, "price")
    assert {c for kind, c in told if kind == "label-leak"} == {"with_tax"}


def test_a_column_that_is_no_input_leaks_nothing(lake: Lake) -> None:
    label = ["a", "b"] * 200
    columns = {"x": [i * 37 % 101 for i in range(400)], "copy": label, "label": label}
    found = found_in(lake, columns, "label", inputs=["x"])
    assert ("label-leak", "copy") not in found


def test_drift_against_another_version(lake: Lake) -> None:
    chance = random.Random(7)

    def made(rows: int, shift: float, cities: list[str]) -> dict[str, list[object]]:
        return {
            "n": [chance.gauss(shift, 1) for _ in range(rows)],
            "still": [chance.gauss(0, 1) for _ in range(rows)],
            "city": chance.choices(cities, k=rows),
            "gap": [1.5 if chance.random() < 1 - shift / 5 else None for _ in range(rows)],
        }

    old = made(600, 0, ["Bern", "Basel"]) | {
        "gone": ["x"] * 600,
        "type": list(range(600)),
        "split": ["train"] * 600,
    }
    new = made(1500, 1.5, ["Bern", "Genf", "Genf"])
    new |= {"new": ["y"] * 1500, "type": [str(i) for i in range(1500)]}
    lake.commit("old", pa.table(old), op="import")
    lake.commit("things", pa.table(new), op="import")
    with lake.open("things") as view, lake.open("old") as against:
        found = {each.key: each for each in check(view, against=against)}
        same = check(against, against=against)
    drift = {key: each for key, each in found.items() if key[0].startswith("drift")}
    assert set(drift) == {
        ("drift", "n"), ("drift", "city"), ("drift-missing", "gap"), ("drift-gone", "gone"),
        ("drift-new", "new"), ("drift-type", "type"), ("drift-rows", None),
    }  # fmt: skip
    city = drift["drift", "city"]
    assert 'such as "Genf"' in city.what
    assert city.rows == len(rows_of(lake, city)) > 900
    assert not [each for each in same if each.kind.startswith("drift")]
    assert drift["drift-type", "type"].mend == {"do": "cast", "columns": ["type"], "to": "integer"}


def test_the_stability_index() -> None:
    assert stability([50, 50], [50, 50]) == 0
    # (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5)
    assert stability([50_000, 50_000], [80_000, 20_000]) == pytest.approx(0.4159, abs=1e-4)
    chance = random.Random(1)
    small = [[chance.choices(range(10), k=60).count(i) for i in range(10)] for _ in range(40)]
    assert all(stability(small[0], each) < by_chance(small[0], each) for each in small[1:])


def test_a_check_can_be_stopped(lake: Lake) -> None:
    version = lake.commit("things", pa.table({"n": [1, 2, 3]}), op="import")
    with lake.open(version) as view, pytest.raises(Cancelled):
        check(view, should_stop=lambda: True)


def test_a_check_of_many_columns_stops_at_its_next_finding(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = lake.commit("things", pa.table({f"n{n}": [1, None] for n in range(9)}), op="import")
    monkeypatch.setattr("core.data.quality.check.check_duplicates", lambda *_: pytest.fail("late"))
    asked = iter([False, False, True])
    with lake.open(version) as view, pytest.raises(Cancelled):
        check(view, should_stop=lambda: next(asked))


def test_texts_of_many_columns_are_asked_together(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = ["7", "8", "N/A", "Foo", "foo ", "caf\u00c3\u00a9", "bell\x07", "lost\ufffd"] * 30
    monkeypatch.setattr("core.data.lake.view.WIDE", 10)

    def queries(columns: int) -> tuple[int, set[tuple[str, int, tuple[int, ...]]]]:
        table = pa.table({f"c{n}": cells for n in range(columns)})
        version = lake.commit("things", table, op="import")
        with lake.open(version) as view:
            ask, asked = view.sql, []
            monkeypatch.setattr(view, "sql", lambda *of: asked.append(of) or ask(*of))
            found = list(check_text(view, None))
        return len(asked), {(each.kind, each.rows, each.examples) for each in found}

    few, found = queries(10)
    many, same = queries(50)
    assert found == same
    assert {kind for kind, *_ in found} == {
        "mixed-types",
        "missing-marks",
        "spelling",
        "encoding",
        "lost-characters",
        "control-characters",
    }
    # What was meant by damaged letters is asked of each column that has some, and of no other.
    assert many - few == 40


def test_objects_have_classes_and_not_their_lists(lake: Lake) -> None:
    def listed(*labels: str) -> str:
        return json.dumps([{"label": each, "bbox": [1, 2, 3, 4]} for each in labels])

    cells = [listed("cat", "cat"), listed("cat", "dog"), "[]", None] * 10 + [listed("owl"), "owl"]
    columns = {"image": [picture(n) for n in range(len(cells))], "objects": cells}
    found = found_in(lake, columns, "objects", media={"image": "image"})
    few = found["few-rows", "objects"]
    assert few.what == '1 class is in fewer than 10 pictures: "owl" (1)'
    assert rows_of(lake, few) == [40]
    broken = found["unreadable-objects", "objects"]
    assert (broken.severity, rows_of(lake, broken)) == ("error", [41])
    assert found["missing-labels", "objects"].rows == 10
    assert not {"imbalance", "near-duplicates"} & {kind for kind, column in found if column}
    assert ("unreadable-objects", "objects") not in mended(lake, broken)


def test_classes_too_many_to_name_are_counted(lake: Lake) -> None:
    labels = [f"class {n % 1100}" for n in range(2300)] + ["often"] * 20
    found = found_in(lake, {"size": list(range(len(labels))), "kind": labels}, "kind")
    few = found["few-rows", "kind"]
    assert few.what == "1,100 of 1,101 classes have fewer than 10 rows"
    assert rows_of(lake, few) == list(range(2300))
    texts = {"size": list(range(2300)), "kind": [f"a text of its own {n}" for n in range(2300)]}
    assert ("few-rows", "kind") not in found_in(lake, texts, "kind")


def test_rows_in_no_split_that_is_known(lake: Lake) -> None:
    parts = ["train"] * 8 + ["test", "validation", "banana", None]
    found = found_in(lake, {"n": list(range(12)), "split": parts})
    outside = found["no-split", "split"]
    assert outside.severity == "warning"
    assert 'such as "banana"' in outside.what
    assert rows_of(lake, outside) == [10, 11]
    assert not any(kind == "no-split" for kind, _ in found_in(lake, {"n": [1], "split": ["test"]}))


def test_two_values_in_a_column_name_no_rows(lake: Lake) -> None:
    found = found_in(lake, {"n": [n / 3 for n in range(60)], "new": ["a", "b", *[None] * 58]})
    assert ("missing", "new") in found
    assert ("nearly-unique", "new") not in found


def test_a_step_in_the_words_of_the_shell() -> None:
    steps = [
        {"do": "fill", "columns": ["age", "a b"], "with": "median"},
        {"do": "filter", "where": "coalesce(NOT (\"a\" IN ('x, y')), true)"},
        {"do": "map-values", "columns": ["city"], "values": {"bern": "Bern"}},
        {"do": "drop-rows", "ids": [3, 4]},
        {"do": "filter", "where": "a = 'it''s $5 \\ `x`' AND \"b c\" <> '!'"},
        {"do": "filter", "where": "a = '$HOME \\ \"x\"'"},
    ]
    for step in steps:
        (back,) = Recipe.from_words([command_of(step) or ""]).to_json()
        assert Recipe.of([back]) == Recipe.of([step])
        echoed = ["sh", "-c", f"printf %s {shell_word(command_of(step) or '')}"]
        assert subprocess.run(echoed, capture_output=True, text=True).stdout == command_of(step)
    assert shell_word("filter where='age > 3'") == "\"filter where='age > 3'\""
    # Words would take these apart at the comma, the colon or the blank.
    assert command_of({"do": "drop-columns", "columns": ["a,b"]}) is None
    assert command_of({"do": "map-values", "columns": ["c"], "values": {"a:b": "c"}}) is None
    assert command_of({"do": "map-values", "columns": ["c"], "values": {" Yes": "yes"}}) is None
