"""Quality checks name what is wrong, how many rows, and which."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.quality.check import Finding, check
from core.data.splitting.split import split
from core.errors import UsageError


def picture(value: int) -> bytes:
    held = io.BytesIO()
    Image.new("L", (8, 8), value).save(held, "PNG")
    return held.getvalue()


def findings(
    lake: Lake, columns: dict[str, list[object]], target: str | None = None, **more: object
) -> dict[tuple[str, str | None], Finding]:
    version = lake.commit("things", pa.table(columns), op="import", **more)
    with lake.open(version) as view:
        found = check(view, target)
    json.dumps([finding.to_json() for finding in found])
    order = {"error": 0, "warning": 1, "info": 2}
    assert [order[f.severity] for f in found] == sorted(order[f.severity] for f in found)
    assert all(finding.hint for finding in found)
    return {(finding.kind, finding.column): finding for finding in found}


def clean(rows: int = 60) -> dict[str, list[object]]:
    return {
        "n": [i / 7 for i in range(rows)],
        "label": ["a" if i % 2 else "b" for i in range(rows)],
        "split": ["train"] * (rows - 10) + ["validation"] * 5 + ["test"] * 5,
    }


def test_clean_data_has_no_findings(lake: Lake) -> None:
    assert findings(lake, clean(), "label") == {}


def test_missing_values_and_columns(lake: Lake) -> None:
    columns = clean() | {"gap": [None if i in (3, 7) else i / 3 for i in range(60)]}
    columns["empty"] = pa.nulls(60, pa.string())
    found = findings(lake, columns, "label")
    gap = found["missing", "gap"]
    assert (gap.severity, gap.rows, gap.examples) == ("info", 2, (3, 7))
    assert found["missing", "empty"].severity == "error"


def test_duplicates_conflicts_and_leaks_between_splits(lake: Lake) -> None:
    columns = clean()
    columns["n"][10] = columns["n"][4]
    columns["n"][58] = columns["n"][5]
    columns["label"][10], columns["label"][58] = "a", columns["label"][5]
    columns["label"][4] = "b"
    found = findings(lake, columns, "label")
    assert (found["duplicates", None].rows, found["duplicates", None].examples) == (2, (10, 58))
    assert found["label-conflict", "label"].examples == (4, 10)
    leak = found["leak", None]
    assert (leak.severity, leak.rows, leak.examples) == ("error", 2, (5, 58))


def test_equal_images_are_found_whatever_their_path(lake: Lake) -> None:
    columns = {
        "image": [picture(i) for i in range(30)],
        "label": ["a", "b"] * 15,
        "path": [f"{i}.png" for i in range(30)],
    }
    columns["image"][20] = columns["image"][2]
    columns["image"][25] = picture(25)[:-30]
    columns["image"][26] = b"no image"
    media = {"image": "image"}
    found = findings(lake, columns, "label", media=media)
    assert found["duplicate-images", "image"].examples == (20,)
    broken = found["undecodable", "image"]
    assert (broken.severity, broken.rows, broken.examples) == ("error", 2, (25, 26))
    assert "25.png" in broken.what
    assert ("id-like", "path") not in found
    assert found["unsplit", None].severity == "info"
    made = split(lake, "things", validation=0, test=0.2, seed=0)
    with lake.open(made) as view:
        places = dict(view.sql("SELECT _rid, split FROM rows"))
        kinds = {finding.kind for finding in check(view)}
    assert ("leak" in kinds) == (places[2] != places[20])


def test_labels(lake: Lake) -> None:
    columns = clean(200) | {"label": ["a"] * 190 + ["rare"] * 4 + [None] * 6}
    found = findings(lake, columns, "label")
    assert found["missing-labels", "label"].examples == tuple(range(194, 200))
    assert found["few-rows", "label"].examples == (190, 191, 192, 193)
    assert '"rare" (4)' in found["few-rows", "label"].what
    assert found["imbalance", "label"].severity == "warning"
    one = findings(lake, clean() | {"label": ["a"] * 60}, "label")
    assert one["one-class", "label"].severity == "error"
    none = findings(lake, clean() | {"label": pa.nulls(60, pa.string())}, "label")
    assert none["missing-labels", "label"].severity == "error"


def test_a_number_target_has_no_classes(lake: Lake) -> None:
    columns = clean(200) | {"y": [i * 3 + 1 for i in range(200)]}
    kinds = {kind for kind, _ in findings(lake, columns, "y")}
    assert kinds.isdisjoint({"few-rows", "imbalance", "one-class", "id-like"})


def test_constants_ids_and_outliers(lake: Lake) -> None:
    columns = clean(100) | {
        "same": ["x"] * 100,
        "key": [f"id{i}" for i in range(100)],
        "number": list(range(100)),
        "text": [f"a sentence with words {i}" for i in range(100)],
        "far": [*(i % 20 / 3 for i in range(98)), 900.0, -900.0],
    }
    found = findings(lake, columns, "label")
    assert found["constant", "same"].rows == 100
    assert {c for kind, c in found if kind == "id-like"} == {"key", "number"}
    assert found["outliers", "far"].examples == (98, 99)
    assert {c for kind, c in found if kind == "outliers"} == {"far"}


def test_values_written_in_several_ways(lake: Lake) -> None:
    columns = clean() | {"label": ["yes", "no", "yes", " Yes", "no", "yes"] * 10}
    spelling = findings(lake, columns, "label")["spelling", "label"]
    assert (spelling.severity, spelling.rows) == ("warning", 10)
    assert spelling.examples[:2] == (3, 9)
    assert '"yes", " Yes"' in spelling.what


def test_text_among_numbers_and_marks(lake: Lake) -> None:
    columns = clean() | {
        "mixed": [str(i) for i in range(50)] + ["about 7"] * 10,
        "marked": ["red", "blue", "N/A"] * 20,
        "code": [f"0{i}" for i in range(60)],
    }
    found = findings(lake, columns, "label")
    assert found["text-in-numbers", "mixed"].examples[0] == 50
    assert found["missing-marks", "marked"].rows == 20
    assert ("text-in-numbers", "code") not in found


def test_hostile_names_and_values(lake: Lake) -> None:
    name = "a \"b\" 'c'; --"
    columns = {name: ["x'", "X'", '"'] * 20, "n": [i / 3 for i in range(60)]}
    assert ("spelling", name) in findings(lake, columns, name)


def test_an_unknown_target_is_refused(lake: Lake) -> None:
    version = lake.commit("things", pa.table(clean()), op="import")
    with lake.open(version) as view, pytest.raises(UsageError, match='no column "lable"'):
        check(view, "lable")
