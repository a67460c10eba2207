"""Boxes and masks: COCO, Pascal VOC, and folders of masks."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from core.data.exporting.export import export
from core.data.lake.lake import Lake
from core.data.sources import Options, import_source, renew_source
from core.data.sources.tables.json_elements import elements
from core.data.splitting.split import split
from core.errors import LeptonError
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write
from tests.data.sources.media import mask, picture

TRIANGLE = [[0, 0, 4, 0, 0, 3]]


def coco(
    images: dict[int, str], annotations: list[dict[str, Any]], names: tuple[str, ...] = ("cat",)
) -> str:
    """As the field writes it: the images first, the categories last."""
    return json.dumps(
        {
            "info": {"year": 2017, "deep": [[{"a": "]}"}], 1.5e3]},
            "licenses": [],
            "images": [{"id": n, "file_name": name} for n, name in images.items()],
            "annotations": [{"id": n, **each} for n, each in enumerate(annotations)],
            "categories": [{"id": n * 7, "name": name} for n, name in enumerate(names, 1)],
        }
    )


def box(image: int, *edges: float, category: int = 7, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(edges), **more}


def objects(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The objects of each image by its path."""
    return {row[2]: json.loads(row[1]) for row in rows}


def test_coco_with_boxes_shapes_crowds_and_images_without_any(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(4):
        write(root / "images" / f"{i}.jpg", picture(i, "JPEG"))
    crowd = {"counts": [2, 5], "size": [4, 8]}
    content = coco(
        {1: "0.jpg", 2: "1.jpg", 3: "2.jpg"},
        [
            box(1, 1, 2.5, 3, 4),
            box(2, 0, 0, 4, 3, category=14, segmentation=TRIANGLE, iscrowd=0, area=6),
            box(1, 0, 0, 8, 6, segmentation=crowd, iscrowd=1),
            {"image_id": 2, "category_id": 7, "segmentation": TRIANGLE},
        ],
        ("cät", "dog"),
    )
    write(root / "annotations" / "instances.json", content)
    report, rows = read(lake, root)
    assert report.version.params["format"] == "coco"
    assert types(report) == {"image": "BLOB", "objects": "VARCHAR", "path": "VARCHAR"}
    assert rows[0][0] == picture(0, "JPEG")
    assert objects(rows) == {
        "images/0.jpg": [
            {"label": "cät", "bbox": [1, 2.5, 3, 4]},
            {"label": "cät", "bbox": [0, 0, 8, 6], "segmentation": crowd, "iscrowd": 1},
        ],
        "images/1.jpg": [
            {"label": "dog", "bbox": [0, 0, 4, 3], "segmentation": TRIANGLE},
            {"label": "cät", "bbox": [0, 0, 4, 3], "segmentation": TRIANGLE},
        ],
        "images/2.jpg": [],
    }
    assert any("1 image left out: no annotations name them" in note for note in report.notes)


def test_coco_splits_by_file_names_and_prefers_instances(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for part, count in (("train2017", 3), ("val2017", 2)):
        for i in range(count):
            write(root / part / f"{i}.png", picture(i))
        found = coco({i: f"{i}.png" for i in range(count)}, [box(0, 0, 0, 1, 1)])
        write(root / "annotations" / f"instances_{part}.json", found)
        write(root / "annotations" / f"captions_{part}.json", found.replace("cat", "no"))
    report, rows = read(lake, root)
    assert [row[2:] for row in rows] == [
        *((f"train2017/{i}.png", "train") for i in range(3)),
        *((f"val2017/{i}.png", "validation") for i in range(2)),
    ]
    assert "no" not in str(objects(rows))
    assert any("captions_train2017.json was not read" in note for note in report.notes)


def test_coco_beside_its_images_in_an_archive(lake: Lake, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in ("train", "valid", "test"):
            archive.writestr(f"{part}/a.jpg", picture(1, "JPEG"))
            content = coco({5: "a.jpg"}, [box(5, 1, 1, 2, 2)])
            archive.writestr(f"{part}/_annotations.coco.json", content)
    _, rows = read(lake, tmp_path / "a.zip")
    assert [row[2:] for row in rows] == [
        ("train/a.jpg", "train"),
        ("valid/a.jpg", "validation"),
        ("test/a.jpg", "test"),
    ]


def test_coco_that_is_named_as_the_labels_of_a_folder(lake: Lake, tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "pictures" / "deep" / f"{i}.png", picture(i))
    table = write(tmp_path / "boxes.json", coco({0: "0.png", 2: "2.png"}, [box(2, 0, 0, 1, 1)]))
    _, rows = read(lake, tmp_path / "pictures", labels=str(table))
    assert objects(rows) == {
        "deep/0.png": [],
        "deep/2.png": [{"label": "cat", "bbox": [0, 0, 1, 1]}],
    }


def test_what_cannot_be_in_coco_is_left_out_by_place(lake: Lake, tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "set" / f"{i}.png", picture(i))
    bad = [
        box(0, 1, 2, 3),
        box(0, 1, 2, 3, float("nan")),
        box(0, 1, 2, -3, 4),
        {"image_id": 0, "category_id": 7},
        {"bbox": [0, 0, 1, 1]},
        box(0, 1, 1, 1, 1, category=8),
        box(9, 1, 1, 1, 1),
    ]
    good = [box(i % 3, i, i, 1, 1) for i in range(9)]
    images = {0: "0.png", 1: "1.png", 2: "2.png", 3: "gone.png", 4: "../../etc/passwd"}
    write(tmp_path / "set" / "a.json", coco(images, good + bad))
    report, rows = read(lake, tmp_path / "set")
    assert sum(map(len, objects(rows).values())) == 9
    assert [reject.what for reject in report.rejects] == [
        "its box is not four numbers",
        "its box is not four numbers",
        "its box is less than nothing wide or high",
        "it has neither a box nor a shape",
        'it has no "image_id"',
        "1 objects of no category",
        "1 objects in an image that is not listed",
        "there is no such image",
        "there is no such image",
    ]


def test_coco_that_is_broken(tmp_path: Path, refuses: Refuses) -> None:
    write(tmp_path / "set" / "0.png", picture(0))
    whole = coco({0: "0.png"}, [box(0, 0, 0, 1, 1)] * 50)
    path = write(tmp_path / "set" / "a.json", whole[:2000])
    refuses(tmp_path / "set", "the JSON is broken", format="coco")
    path.write_text(whole.replace("}, {", "} {", 1))
    refuses(tmp_path / "set", "the JSON is broken: , should stand here, at character")
    path.write_text(coco({0: "0.png"}, [box(0, 1)] * 3))
    refuses(tmp_path / "set", "3 of 3 annotations cannot be read")
    path.write_text(coco({0: "gone.png"}, []))
    refuses(tmp_path / "set", "none of the images", code=2)
    path.unlink()
    refuses(tmp_path / "set", "no JSON file of annotations", code=2, format="coco")


@pytest.mark.parametrize("width", [3, 7, 64, 1 << 20])
def test_a_list_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("core.data.sources.tables.json_elements.PIECE", width)
    listed = [{"n": i, "w": "é]},{" * i, "f": -1.25e-3 * i} for i in range(40)] + [12345, "x", []]
    path = write(
        tmp_path / "a.json",
        "\ufeff" + json.dumps({"skip": [1, [2]], "a": listed, "z": 12, "b": [], "c": [None]}),
    )
    assert [each for _, each in elements(path, {"a"})] == listed
    assert list(elements(path, {"b", "c", "z"})) == [("c", None)]
    path.write_text('{"a": ' + "[" * 5000)
    with pytest.raises(LeptonError, match="the JSON is broken"):
        list(elements(path, {"a"}))


def test_coco_comes_back_as_it_was_written(lake: Lake, tmp_path: Path) -> None:
    for i in range(8):
        write(tmp_path / "set" / f"{i}.png", picture(i))
    some = [
        box(i % 7, 1, 1, 2, 2, segmentation=TRIANGLE, category=7 + 7 * (i % 2)) for i in range(9)
    ]
    table = coco({i: f"{i}.png" for i in range(8)}, some, ("cat", "dog"))
    write(tmp_path / "set" / "a.json", table)
    read(lake, tmp_path / "set")
    made = split(lake, lake.version("it"), validation=0.25, test=0.25)
    with lake.open(made) as view:
        export(view, tmp_path / "out", format="coco")
        truth = sorted(row[1:] for row in view.page(0, 99, ["image", "objects", "split"]))
    again = import_source(lake, tmp_path / "out", "again").version
    with lake.open(again) as view:
        found = sorted(row[1:] for row in view.page(0, 99, ["image", "objects", "split"]))
    assert found == truth


def voc(*seen: tuple[str, int, int, int, int], name: str = "") -> str:
    return (
        f"<annotation><filename>{name}</filename><size><width>8</width></size>"
        + "".join(
            f"<object><name>{label}</name><difficult>{int(label == 'dog')}</difficult>"
            f"<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
            "</object>"
            for label, a, b, c, d in seen
        )
        + "</annotation>"
    )


def test_pascal_voc_with_its_lists_of_splits(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for i in range(4):
        write(root / "JPEGImages" / f"{i}.jpg", picture(i, "JPEG"))
        write(root / "SegmentationClass" / f"{i}.png", mask(i))
    write(root / "Annotations" / "0.xml", voc(("cat", 1, 2, 5, 4), ("dog", 0, 0, 8, 6)))
    write(root / "Annotations" / "1.xml", voc())
    write(root / "Annotations" / "2.xml", voc(("cat", 1, 1, 2, 2)))
    write(root / "ImageSets" / "Main" / "train.txt", "0\n1\n")
    write(root / "ImageSets" / "Main" / "cat_train.txt", "2 1\n")
    write(root / "ImageSets" / "Main" / "val.txt", "2\n")
    report, rows = read(lake, tmp_path / "VOCdevkit")
    assert report.version.params["format"] == "voc"
    assert objects(rows) == {
        "VOC2012/JPEGImages/0.jpg": [
            {"label": "cat", "bbox": [1, 2, 4, 2]},
            {"label": "dog", "bbox": [0, 0, 8, 6], "difficult": 1},
        ],
        "VOC2012/JPEGImages/1.jpg": [],
        "VOC2012/JPEGImages/2.jpg": [{"label": "cat", "bbox": [1, 1, 1, 1]}],
    }
    assert [row[3] for row in rows] == ["train", "train", "validation"]
    assert any("1 image left out: no XML file" in note for note in report.notes)


def test_voc_beside_its_images_and_what_cannot_be(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(5):
        write(root / "train" / f"{i}.png", picture(i))
        write(root / "train" / f"{i}.xml", voc(("cat", 1, 1, 2, 2)))
    write(root / "train" / "2.xml", voc(("cat", 5, 1, 2, 2), ("", 1, 1, 2, 2), ("dog", 1, 1, 3, 3)))
    write(root / "train" / "other.xml", voc(("cat", 1, 1, 2, 2), name="C:\\x\\2.png"))
    write(root / "train" / "3.xml", "<annotation><object></annotation>")
    write(root / "train" / "gone.xml", voc(("cat", 1, 1, 2, 2)))
    report, rows = read(lake, root)
    assert [row[3] for row in rows] == ["train"] * 4
    assert len(objects(rows)["train/2.png"]) == 1
    assert sorted(reject.what for reject in report.rejects) == [
        "it has no name",
        "its box ends before it begins",
        "its image came before",
        "the XML is broken: mismatched tag: line 1, column 22",
        "there is no such image",
    ]


def test_xml_with_entities_is_not_read(lake: Lake, tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><annotation>&l9;</annotation>'
    spy = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation><object/></annotation>'
    for i in range(3):
        write(tmp_path / "set" / f"{i}.png", picture(i))
        write(tmp_path / "set" / f"{i}.xml", voc(("cat", 1, 1, 2, 2)))
    for name, content in (("3", bomb), ("4", spy)):
        write(tmp_path / "set" / f"{name}.png", picture(3))
        write(tmp_path / "set" / f"{name}.xml", content)
    report, rows = read(lake, tmp_path / "set")
    assert (len(rows), report.rejected) == (3, 2)
    assert {reject.what for reject in report.rejects} == {
        "the XML declares a document type, which no annotation needs"
    }


@pytest.mark.parametrize(
    ("image", "other", "part"),
    [
        ("images/{}.jpg", "masks/{}.png", None),
        ("train/images/{}.jpg", "train/Masks/{}_mask.png", "train"),
        ("JPEGImages/val/{}.jpg", "SegmentationClass/val/{}.png", "validation"),
    ],
)
def test_images_with_masks(
    lake: Lake, tmp_path: Path, image: str, other: str, part: str | None
) -> None:
    root = tmp_path / "set"
    for i in range(4):
        write(root / image.format(i), picture(i, "JPEG"))
        write(root / other.format(i), mask(i))
    write(root / image.format("odd"), picture(1, "JPEG"))
    write(root / other.format("3"), mask(3, (9, 9)))
    report, rows = read(lake, root)
    assert report.version.params["format"] == "masks"
    assert [(c.name, c.media) for c in report.version.columns][:3] == [
        ("image", "image"),
        ("mask", "image"),
        ("path", None),
    ]
    assert [row[0] for row in rows] == [picture(i, "JPEG") for i in range(3)]
    assert [row[1] for row in rows] == [mask(i) for i in range(3)]
    assert [row[2:] for row in rows] == [
        (image.format(i), *([part] if part else [])) for i in range(3)
    ]
    assert [reject.what for reject in report.rejects] == [
        "there is no mask for it, or no image for this mask",
        "the image is 8 x 6 pixels, its mask 9 x 9",
    ]


def test_a_refresh_of_coco_brings_new_images(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(3):
        write(root / f"{i}.png", picture(i))
    table = write(root / "a.json", coco({i: f"{i}.png" for i in range(2)}, [box(0, 1, 1, 1, 1)]))
    read(lake, root)
    table.write_text(coco({i: f"{i}.png" for i in range(3)}, [box(0, 1, 1, 1, 1)]))
    report = renew_source(lake, "it")
    assert (report.version.rows, report.version.params["added"]) == (3, 1)


def test_folders_without_what_is_asked_for(tmp_path: Path, refuses: Refuses) -> None:
    write(tmp_path / "set" / "a" / "0.png", picture(0))
    refuses(tmp_path / "set", "no annotated images", code=2, format="voc")
    refuses(tmp_path / "set", "beside a folder of masks", code=2, format="masks")
    write(tmp_path / "b.json", "{}")
    said = Options(labels=str(tmp_path / "b.json"))
    refuses(tmp_path / "set", "name no images", format="coco", said=said)
