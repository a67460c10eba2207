"""Folders for other tools: COCO, and Hugging Face `datasets`."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.exporting import huggingface
from core.data.exporting.export import export
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.sources import import_source
from core.data.splitting.split import split
from core.errors import LeptonError, UsageError


def png(shade: int, size: tuple[int, int] = (6, 4)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, shade).save(out, "png")
    return out.getvalue()


def pictures(lake: Lake, count: int = 20, **columns: list[Any]) -> Version:
    table = pa.table({"image": [png(n, (6 + n, 4)) for n in range(count)], **columns})
    target = "label" if "label" in columns else None
    return lake.commit("pictures", table, op="import", media={"image": "image"}, target=target)


def written(lake: Lake, version: Version, folder: Path, format: str, **how: Any) -> Any:
    with lake.open(version) as view:
        return export(view, folder, format=format, **how)


def instances(folder: Path, name: str = "instances") -> dict[str, Any]:
    return json.loads((folder / "annotations" / f"{name}.json").read_text())


def test_coco_has_boxes_polygons_and_crowds(lake: Lake, tmp_path: Path) -> None:
    triangle = [0, 0, 4, 0, 0, 3]
    objects = [
        [{"label": "dog", "bbox": [1, 0.5, 3, 2]}, {"label": "cat", "bbox": [0, 0, 6, 4]}],
        [{"label": "dog", "bbox": [0, 0, 4, 3], "segmentation": [triangle]}],
        [
            {
                "label": "dog",
                "bbox": [0, 0, 8, 4],
                "segmentation": {"counts": [2, 5, 20, 5], "size": [4, 8]},
                "iscrowd": 1,
            }
        ],
        [],
        None,
    ]
    given = [None if each is None else json.dumps(each) for each in objects]
    base = pictures(lake, 5, objects=given)
    done = written(lake, base, tmp_path / "out", "coco")
    assert done.rows == 5
    found = instances(tmp_path / "out")
    assert [(c["id"], c["name"]) for c in found["categories"]] == [(1, "cat"), (2, "dog")]
    assert [(i["id"], i["width"], i["height"]) for i in found["images"]] == [
        (n + 1, 6 + n, 4) for n in range(5)
    ]
    for number, image in enumerate(found["images"]):
        path = tmp_path / "out" / "images" / image["file_name"]
        assert path.read_bytes() == png(number, (6 + number, 4))
    told = [(a["id"], a["image_id"], a["category_id"], a["area"]) for a in found["annotations"]]
    assert told == [(1, 1, 2, 6.0), (2, 1, 1, 24.0), (3, 2, 2, 6.0), (4, 3, 2, 10.0)]
    assert found["annotations"][0]["bbox"] == [1, 0.5, 3, 2]
    assert found["annotations"][2]["segmentation"] == [triangle]
    assert found["annotations"][3]["segmentation"] == {"counts": [2, 5, 20, 5], "size": [4, 8]}
    assert [a["iscrowd"] for a in found["annotations"]] == [0, 0, 0, 1]


def test_coco_of_classes_numbers_them_alike_in_every_split(lake: Lake, tmp_path: Path) -> None:
    base = pictures(lake, 20, label=["cat", "dog", "eel", "fox"] * 5)
    made = split(lake, base, validation=0.2, test=0.2, by=None, hash=None)
    written(lake, made, tmp_path / "out", "coco")
    with lake.open(made) as view:
        truth = {
            rid + 1: (label, part) for rid, label, part in view.page(0, 99, ["label", "split"])
        }
    seen = 0
    for part in ("train", "validation", "test"):
        found = instances(tmp_path / "out", f"instances_{part}")
        names = {c["id"]: c["name"] for c in found["categories"]}
        assert names == {1: "cat", 2: "dog", 3: "eel", 4: "fox"}
        assert len(found["images"]) == len(found["annotations"]) > 0
        for image, annotation in zip(found["images"], found["annotations"], strict=True):
            assert (tmp_path / "out" / part / image["file_name"]).is_file()
            assert annotation["image_id"] == image["id"]
            assert (names[annotation["category_id"]], part) == truth[image["id"]]
            assert annotation["bbox"] == [0, 0, image["width"], image["height"]]
            seen += 1
    assert seen == 20
    one = written(lake, made, tmp_path / "one", "coco", split="test")
    assert one.rows == len(instances(tmp_path / "one", "instances_test")["images"]) == 4
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["annotations", "test"]


def test_coco_leaves_out_what_is_no_image_and_says_so(lake: Lake, tmp_path: Path) -> None:
    table = pa.table({"image": [png(1), None, b"nothing"], "label": ["a", "b", "c"]})
    base = lake.commit("p", table, op="import", media={"image": "image"}, target="label")
    done = written(lake, base, tmp_path / "out", "coco")
    assert done.rows == 1
    assert done.notes == [
        "1 row without image left out",
        "1 image left out: not decoded",
    ]


@pytest.mark.parametrize(
    "objects", ["no json", "5", '[{"label": "cat"}]', '[{"label": "cat", "bbox": [1, 2, 3]}]']
)
def test_coco_with_broken_objects_is_refused_by_row(
    lake: Lake, tmp_path: Path, objects: str
) -> None:
    base = pictures(lake, 2, objects=["[]", objects])
    with pytest.raises(LeptonError, match=r"no list of labels and boxes.*row 1"):
        written(lake, base, tmp_path / "out", "coco")
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_huggingface_has_a_file_for_each_split_and_says_what_columns_are(
    lake: Lake, tmp_path: Path
) -> None:
    base = pictures(
        lake,
        20,
        label=["cat", "dog"] * 10,
        tags=[["a", "b"], None] * 10,
        box=[{"x": 1, "names": ["n"]}] * 20,
        day=[dt.date(2024, 1, 1)] * 20,
        **{'odd: "name" é': [1.5] * 20},
    )
    made = split(lake, base, validation=0.2, test=0.2)
    done = written(lake, made, tmp_path / "out", "huggingface")
    assert done.rows == 20
    with lake.open(made) as view:
        truth = {rid: row for rid, *row in view.page(0, 99, ["image", "label", "split"])}
    rows = 0
    for part in ("train", "validation", "test"):
        table = pq.read_table(tmp_path / "out" / "data" / f"{part}-00000-of-00001.parquet")
        for row in table.to_pylist():
            rid = int(row["image"]["path"].removesuffix(".png"))
            assert [row["image"]["bytes"], row["label"], part] == truth[rid]
            rows += 1
    assert rows == 20
    told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    text, whole = {"dtype": "string", "_type": "Value"}, {"dtype": "int64", "_type": "Value"}
    assert told == {
        "image": {"_type": "Image"},
        "label": text,
        "tags": [text],
        "box": {"x": whole, "names": [text]},
        "day": {"dtype": "date32", "_type": "Value"},
        'odd: "name" é': {"dtype": "float64", "_type": "Value"},
    }
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\ndataset_info:\n  features:\n")
    assert '  - name: "image"\n    dtype: image\n' in card
    assert '  - name: "tags"\n    list: string\n' in card
    assert '  - name: "odd: \\"name\\" \\u00e9"\n    dtype: float64\n' in card
    assert "  - split: validation\n    path: data/validation-*.parquet\n" in card
    assert "    num_examples: 12\n" in card


def test_huggingface_without_splits_is_train_and_large_splits_have_several_files(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "SHARD_BYTES", 1000)
    monkeypatch.setattr(huggingface, "GROUP_ROWS", 8192)
    base = lake.commit("things", pa.table({"x": list(range(20_000))}), op="import")
    done = written(lake, base, tmp_path / "out", "huggingface")
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [p.name for p in files] == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    assert [x for p in files for x in pq.read_table(p)["x"].to_pylist()] == list(range(20_000))
    assert done.rows == 20_000


def test_huggingface_leaves_out_rows_of_no_split(lake: Lake, tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2, 3], "split": ["train", None, "my test!"]})
    base = lake.commit("things", table, op="import")
    done = written(lake, base, tmp_path / "out", "huggingface")
    assert (done.rows, done.notes) == (2, ["1 row of no split left out"])
    names = sorted(p.name for p in (tmp_path / "out" / "data").iterdir())
    assert names == ["my_test-00000-of-00001.parquet", "train-00000-of-00001.parquet"]
    only = written(lake, base, tmp_path / "only", "huggingface", split="train", columns=["x"])
    assert only.rows == 1


@pytest.mark.parametrize(
    ("format", "options", "words"),
    [
        ("coco", {}, "no images, which the format coco needs"),
        ("images", {}, "no images, which the format images needs"),
        ("coco", {"columns": ["x"]}, "takes the columns that it needs"),
        ("huggingface", {"columns": ["y"]}, 'no column "y"'),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    lake: Lake, tmp_path: Path, format: str, options: dict[str, Any], words: str
) -> None:
    base = lake.commit("things", pa.table({"x": [1]}), op="import")
    with pytest.raises(UsageError, match=words):
        written(lake, base, tmp_path / "out", format, **options)
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_a_folder_that_is_there_is_never_replaced(lake: Lake, tmp_path: Path) -> None:
    base = lake.commit("things", pa.table({"x": [1]}), op="import")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="something is there already"):
        written(lake, base, tmp_path / "out", "huggingface", replace=True)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_set_of_objects_is_no_folder_of_classes(lake: Lake, tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": [png(number) for number in range(3)],
            "objects": ['[{"label": "cat", "bbox": [0, 0, 2, 2], "difficult": 1}]', "[]", "[]"],
        }
    )
    lake.commit("seen", table, op="import", media={"image": "image"}, target="objects")
    with lake.open("seen") as view:
        with pytest.raises(UsageError, match="objects in them") as caught:
            export(view, tmp_path / "classes", format="images")
        assert "coco" in caught.value.hint
        assert export(view, tmp_path / "out").format == "coco", "the folder that suits it"
    import_source(lake, tmp_path / "out", "again")
    with lake.open("seen") as one, lake.open("again") as other:
        query = "SELECT image, objects FROM rows ORDER BY _rid"
        assert one.sql(query) == other.sql(query)
