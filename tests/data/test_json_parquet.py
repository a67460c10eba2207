"""JSON Lines, JSON arrays and Parquet, whole and broken."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.sources import import_source
from tests.data.conftest import Refuses


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "things.jsonl"


def test_objects_become_rows_and_nested_values_text(lake: Lake, jsonl: Path) -> None:
    jsonl.write_text(
        '{"a": 1, "who": {"name": "Ann", "tags": [1, 2]}, "text": "x\\ny"}\n'
        '\n{"a": 2.5, "text": "z", "list": [1]}\n'
    )
    report = import_source(lake, jsonl)
    with lake.open(report.version) as view:
        first, second = view.rows([0, 1])
    assert (first["a"], first["text"]) == (1.0, "x\ny")
    assert json.loads(first["who"]) == {"name": "Ann", "tags": [1, 2]}
    assert (json.loads(second["list"]), second["who"]) == ([1], None)
    assert len([note for note in report.notes if "JSON text" in note]) == 2


def test_broken_lines_are_rejected_by_number(lake: Lake, jsonl: Path) -> None:
    lines = [json.dumps({"a": i, "b": f"w{i}"}) for i in range(20)]
    lines[3] = '{"a": 3, "b": '
    lines[7] = "[1, 2]"
    lines[9] = '{"a": }'
    lines[11] = '{"a": ' * 5000
    jsonl.write_text("\n".join(lines) + "\n")
    report = import_source(lake, jsonl)
    assert report.version.rows == 16
    assert [reject.where for reject in report.rejects] == ["line 4", "line 8", "line 10", "line 12"]
    assert "broken JSON" in report.rejects[0].what
    assert "no object" in report.rejects[1].what
    assert lake.version("things").params["rejected"] == 4


@pytest.mark.parametrize("bad", ["", '{"a": \n'])
def test_nan_and_infinity_are_missing_values(lake: Lake, jsonl: Path, bad: str) -> None:
    jsonl.write_text('{"a": 1.5}\n{"a": NaN}\n{"a": -Infinity}\n{"a": 2}\n' + bad)
    report = import_source(lake, jsonl)
    assert report.rejected == (1 if bad else 0)
    with lake.open(report.version) as view:
        assert [a for _, a in view.page(0, 9)] == [1.5, None, None, 2]
    assert any("2 values such as NaN" in note for note in report.notes)


def test_text_among_numbers_is_rejected_by_line(lake: Lake, jsonl: Path) -> None:
    lines = [json.dumps({"n": i}) for i in range(60)]
    lines[30] = '{"n": "oops"}'
    jsonl.write_text("\n\n" + "\n".join(lines))
    report = import_source(lake, jsonl)
    assert report.version.column("n").type == "BIGINT"
    assert [(r.where, r.column, r.value) for r in report.rejects] == [("line 33", "n", "oops")]


def test_gzip_and_utf16(lake: Lake, tmp_path: Path) -> None:
    text = '{"word": "café"}\n{"word": "b"}\n'
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert import_source(lake, packed).version.rows == 2
    wide = tmp_path / "wide.jsonl"
    wide.write_bytes(text.encode("utf-16"))
    with lake.open(import_source(lake, wide).version) as view:
        assert view.page(0, 1) == [(0, "café")]


def test_arrays_and_pretty_objects(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"a": 1}, {"a": 2}], indent=2))
    assert import_source(lake, path).version.rows == 2
    path.write_text(json.dumps({"a": 1}, indent=2) + "\n" + json.dumps({"a": 2}, indent=2))
    assert import_source(lake, path).version.rows == 2


def test_broken_json_is_refused(tmp_path: Path, jsonl: Path, refuses: Refuses) -> None:
    array = tmp_path / "list.json"
    array.write_text('[{"a": 1}, {"a": ')
    refuses(array, "the JSON is broken")
    jsonl.write_text('{"a": 1}\n{"a"\n{"b"\n')
    refuses(jsonl, "2 of 3 lines cannot be read; the first is line 2")
    jsonl.write_text('{"a"\n')
    refuses(jsonl, "1 of 1 lines cannot be read")
    jsonl.write_text("[1, 2, 3]\n")
    refuses(jsonl, "the JSON is broken")


def table(rows: int = 1000) -> pa.Table:
    return pa.table({"x": pa.array(range(rows), pa.int64()), "y": [i / 7 for i in range(rows)]})


def png() -> bytes:
    held = io.BytesIO()
    Image.new("L", (8, 8), 100).save(held, "PNG")
    return held.getvalue()


def test_a_parquet_file_keeps_its_rows(lake: Lake, tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "t.parquet")
    report = import_source(lake, tmp_path / "t.parquet")
    with lake.open(report.version) as view:
        assert view.page(500, 1) == [(500, 500, 500 / 7)]


def test_types_that_tasks_cannot_use_are_changed(lake: Lake, tmp_path: Path) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    pq.write_table(
        pa.table(
            {
                "price": [Decimal("1.50"), Decimal("2.25")],
                "when": pa.array(
                    [datetime.datetime(2026, 1, 1, 12, tzinfo=zone)] * 2,
                    pa.timestamp("us", "Europe/Berlin"),
                ),
                "vector": [[1.0, 2.0], [3.0]],
                "kind": pa.array(["a", "b"]).dictionary_encode(),
                "picture": [{"bytes": png(), "path": "a.png"}] * 2,
                "raw": [b"\x01", b"\x02"],
            }
        ),
        tmp_path / "t.parquet",
    )
    version = import_source(lake, tmp_path / "t.parquet").version
    assert [(c.name, c.type, c.media) for c in version.columns] == [
        ("price", "DOUBLE", None),
        ("when", "TIMESTAMP", None),
        ("vector", "VARCHAR", None),
        ("kind", "VARCHAR", None),
        ("picture", "BLOB", "image"),
        ("raw", "BLOB", None),
    ]
    with lake.open(version) as view:
        row = view.rows([0])[0]
    assert row["when"] == datetime.datetime(2026, 1, 1, 10)
    assert row["vector"] == "[1.0,2.0]"
    assert row["picture"] == png()


def test_folders_and_patterns_of_parquet(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("b", "a"):
        pq.write_table(
            pa.table({"x": [f"{name}{i}" for i in range(3)]}), folder / f"{name}.parquet"
        )
    for source in (folder, f"{folder}/*.parquet"):
        with lake.open(import_source(lake, source, "parts").version) as view:
            assert [x for _, x in view.page(0, 9)] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    refuses(f"{folder}/*.nothing", "no file matches", code=2)
    pq.write_table(pa.table({"z": [1]}), folder / "c.parquet")
    refuses(folder, "do not have the same columns: x, z")


@pytest.mark.parametrize("cut", [1, 200])
def test_a_cut_parquet_is_refused(tmp_path: Path, refuses: Refuses, cut: int) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(), path)
    path.write_bytes(path.read_bytes()[:-cut])
    refuses(path, "cut short or damaged")


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_a_parquet_with_altered_bytes_is_refused(
    tmp_path: Path, refuses: Refuses, compression: str
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(20_000), path, compression=compression, use_dictionary=False)
    content = bytearray(path.read_bytes())
    noise = random.Random(0)
    for _ in range(2000):
        content[noise.randrange(1000, len(content) * 9 // 10)] = noise.randrange(256)
    path.write_bytes(content)
    refuses(path, "damaged")


def test_a_parquet_without_rows(tmp_path: Path, refuses: Refuses) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(0), path)
    refuses(path, "there are no rows", code=2)


def test_a_number_that_would_lose_digits_is_kept_as_text(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 18446744073709551615}\n{"id": 1}\n')
    report = import_source(lake, tmp_path / "a.jsonl")
    with lake.open("a") as view:
        assert view.sql("SELECT id FROM rows") == [("18446744073709551615",), ("1",)]
    assert any("too many digits" in note for note in report.notes)
    numbers = [Decimal("12345678901234567.89"), Decimal("0.10"), None]
    table = pa.table({"paid": numbers, "due": [Decimal("0.10")] * 3})
    pq.write_table(table, tmp_path / "b.parquet")
    import_source(lake, tmp_path / "b.parquet")
    assert [c.type for c in lake.version("b").columns] == ["VARCHAR", "DOUBLE"]
    with lake.open("b") as view:
        assert view.sql("SELECT paid, due FROM rows")[0] == ("12345678901234567.89", 0.1)
