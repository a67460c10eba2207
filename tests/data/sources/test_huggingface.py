"""Data sets of Hugging Face: saved by the library, as the Hub has them, as we write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.exporting.export import export
from core.data.lake.lake import Lake
from core.data.sources import import_source, renew_source
from core.data.splitting.split import split
from core.errors import LeptonError
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write
from tests.data.sources.media import picture, wav

TEXT = {"dtype": "string", "_type": "Value"}
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "note": TEXT,
    "box": {"x": {"dtype": "int64", "_type": "Value"}},
}
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def rows(first: int, count: int) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "image": pa.array([{"bytes": picture(i), "path": f"{i}.png"} for i in numbers], MEDIA),
            "label": pa.array([i % 3 - 1 for i in numbers], pa.int64()),
            "note": [f"n{i}" if i % 2 else None for i in numbers],
            "box": [{"x": i} for i in numbers],
        }
    )


def save(folder: Path, *tables: pa.Table, features: dict[str, Any] = FEATURES) -> Path:
    """As `Dataset.save_to_disk` writes it: streams, several files, a state and the features."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{len(tables):05}.arrow" for i in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        with pa.OSFile(str(folder / name), "wb") as out, pa.ipc.new_stream(out, table.schema) as w:
            w.write_table(table, 3)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def test_a_saved_data_set_has_media_names_of_classes_and_text(lake: Lake, tmp_path: Path) -> None:
    save(tmp_path / "saved", rows(0, 5), rows(5, 3))
    report, found = read(lake, tmp_path / "saved")
    assert report.version.params["format"] == "huggingface"
    assert report.version.column("image").media == "image"
    assert types(report) == {
        "image": "BLOB",
        "label": "VARCHAR",
        "note": "VARCHAR",
        "box": "VARCHAR",
    }
    names = [None, "cat", "dog"]
    assert found == [
        (picture(i), names[i % 3], f"n{i}" if i % 2 else None, f'{{"x":{i}}}') for i in range(8)
    ]


def test_a_saved_dict_gives_the_split(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "saved"
    save(root / "test", rows(4, 2))
    save(root / "train", rows(0, 4).select(["note", "image", "label", "box"]))
    (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    _, found = read(lake, root)
    assert [(row[0], row[4]) for row in found] == [
        (None, "train"),
        ("n1", "train"),
        (None, "train"),
        ("n3", "train"),
        (None, "test"),
        ("n5", "test"),
    ]


def test_sounds_and_files_that_lie_beside_the_rows(lake: Lake, tmp_path: Path) -> None:
    cells = [
        {"bytes": wav(10), "path": None},
        {"bytes": None, "path": "/home/other/clips/a.wav"},
        {"bytes": None, "path": "gone.wav"},
        {"bytes": None, "path": "../secret.wav"},
        None,
    ]
    table = pa.table({"sound": pa.array(cells, MEDIA)})
    save(tmp_path / "saved", table, features={"sound": {"sampling_rate": 8000, "_type": "Audio"}})
    write(tmp_path / "saved" / "clips" / "a.wav", wav(20))
    write(tmp_path / "secret.wav", wav(30))
    report, found = read(lake, tmp_path / "saved")
    assert [row[0] for row in found] == [wav(10), wav(20), None, None, None]
    assert report.version.column("sound").media == "audio"
    assert any("2 files of the column" in note for note in report.notes)


def test_files_of_the_hub_are_split_by_their_names(lake: Lake, tmp_path: Path) -> None:
    told = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}
    for name, table in (
        ("train-00000-of-00002", rows(0, 2)),
        ("train-00001-of-00002-0123456789abcdef", rows(2, 2)),
        ("validation-00000-of-00001", rows(4, 1)),
    ):
        path = write(tmp_path / "hub" / "data" / f"{name}.parquet", b"")
        pq.write_table(table.replace_schema_metadata(told), path)
    write(tmp_path / "hub" / "README.md", "---\n---\n")
    _, found = read(lake, tmp_path / "hub")
    assert [(row[1], row[4]) for row in found] == [
        (None, "train"),
        ("cat", "train"),
        ("dog", "train"),
        (None, "train"),
        ("cat", "validation"),
    ]


def test_what_we_write_comes_back(lake: Lake, tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / "set" / "ab"[i % 2] / f"{i}.png", picture(i))
        write(tmp_path / "clips" / "ab"[i % 2] / f"{i}.wav", wav(10 + i))
    for source in ("set", "clips"):
        made = split(lake, import_source(lake, tmp_path / source).version, validation=0, test=0.25)
        columns = [c.name for c in made.columns]
        with lake.open(made) as view:
            export(view, tmp_path / f"{source} out", format="huggingface")
            truth = sorted(row[1:] for row in view.page(0, 99, columns))
        again = import_source(lake, tmp_path / f"{source} out", "again").version
        assert [(c.name, c.media) for c in again.columns] == [
            (c.name, c.media) for c in made.columns
        ]
        with lake.open(again) as view:
            assert sorted(row[1:] for row in view.page(0, 99, columns)) == truth


def test_a_refresh_brings_new_rows(lake: Lake, tmp_path: Path) -> None:
    save(tmp_path / "saved", rows(0, 5))
    read(lake, tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "old")
    save(tmp_path / "saved", rows(0, 5), rows(5, 2))
    report = renew_source(lake, "it")
    assert (report.version.rows, report.version.params["added"]) == (7, 2)


def test_damaged_data_sets(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    root = save(tmp_path / "saved", rows(0, 50))
    (data,) = root.glob("*.arrow")
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    refuses(root, "cut short or damaged")
    data.unlink()
    refuses(root, "a file of the data set is missing")
    state = root / "state.json"
    state.write_text('{"_data_files": [{"filename": "../../etc/passwd"}]}')
    refuses(root, "a file of the data set is missing")
    state.write_text('{"_data_files": 5}')
    refuses(root, "does not list the files")
    state.write_text('{"_data_files": [], "_indices_data_files": [{"filename": "i"}]}')
    assert "flatten_indices" in refuses(root, "chosen by a list of numbers").hint
    state.write_text("[")
    refuses(root, "cannot be read")
    state.write_text('{"_data_files": []}')
    refuses(root, "no rows", code=2)
    features = FEATURES | {"label": {"names": ["one"], "_type": "ClassLabel"}}
    refuses(save(tmp_path / "few", rows(0, 9), features=features), "beyond the 1 that are named")


def test_splits_of_other_columns(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "saved"
    save(root / "train", rows(0, 4))
    save(root / "test", rows(4, 2).drop_columns(["note"]))
    (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(LeptonError, match="same columns: note"):
        import_source(lake, root)
    (root / "dataset_dict.json").write_text('{"splits": ["train", "../x"]}')
    with pytest.raises(LeptonError, match="does not list the splits"):
        import_source(lake, root)
