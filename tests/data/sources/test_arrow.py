"""Arrow files, streams and Feather: every type that Arrow has, and damaged files."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather

from core.data.lake.lake import Lake
from core.data.sources import import_source
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write

ODD = pa.table(
    {
        "word": pa.array(["a", None, "a"]).dictionary_encode(),
        "half": pa.array([1.5, 2.5, None], pa.float16()),
        "price": pa.array([Decimal("1.25"), None, Decimal("2.5")], pa.decimal128(10, 2)),
        "nothing": pa.nulls(3),
        "list": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "who": pa.array([{"name": "Ann"}, None, {"name": None}]),
        "view": pa.array(["x", "y", None], pa.string_view()),
        "long": pa.array(["x", "y", None], pa.large_string()),
        "when": pa.array([datetime.datetime(2026, 1, 1, 12)] * 3, pa.timestamp("ns", "UTC")),
        "took": pa.array([datetime.timedelta(hours=1)] * 3),
        "raw": pa.array([b"1", None, b"3"], pa.large_binary()),
        "flag": [True, None, False],
        "small": pa.array([1, 2, None], pa.uint8()),
    }
)


def write_stream(path: Path, table: pa.Table, rows: int = 1000) -> None:
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


@pytest.mark.parametrize("form", ["file", "stream", "feather", "uncompressed"])
def test_every_type_in_every_form(lake: Lake, tmp_path: Path, form: str) -> None:
    path = tmp_path / "t.arrow"
    if form == "stream":
        write_stream(path, ODD, rows=1)
    elif form == "file":
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, ODD.schema) as writer:
            writer.write_table(ODD)
    else:
        feather.write_feather(ODD, str(path), compression="zstd" if form == "feather" else None)
    report, rows = read(lake, path)
    assert types(report) == {
        "word": "VARCHAR",
        "half": "FLOAT",
        "price": "DOUBLE",
        "nothing": "VARCHAR",
        "list": "VARCHAR",
        "who": "VARCHAR",
        "view": "VARCHAR",
        "long": "VARCHAR",
        "when": "TIMESTAMP",
        "took": "VARCHAR",
        "raw": "BLOB",
        "flag": "BOOLEAN",
        "small": "UTINYINT",
    }
    when = datetime.datetime(2026, 1, 1, 12)
    first = ("a", 1.5, 1.25, None, "[1,2]", '{"name":"Ann"}', "x", "x", when)
    assert rows[0][:9] == first
    assert rows[2][:6] == ("a", None, 2.5, None, "[]", '{"name":null}')


def test_dictionaries_that_change_between_batches(lake: Lake, tmp_path: Path) -> None:
    schema = pa.schema([("w", pa.dictionary(pa.int8(), pa.string()))])
    path = tmp_path / "t.arrows"
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, schema) as writer:
        for words in (["a", "b"], ["c", "d"], ["a", None]):
            batch = pa.record_batch(
                [pa.array(words).dictionary_encode().cast(schema[0].type)], ["w"]
            )
            writer.write_batch(batch)
    assert [w for (w,) in read(lake, path)[1]] == ["a", "b", "c", "d", "a", None]


def test_names_that_come_twice(lake: Lake, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "A", ""])
    write_stream(tmp_path / "t.arrows", table)
    assert list(types(read(lake, tmp_path / "t.arrows")[0])) == ["a", "A_1", "column"]


@pytest.mark.parametrize("form", ["feather", "arrows"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(tmp_path: Path, refuses: Refuses, form: str, share: float) -> None:
    path = tmp_path / f"t.{form}"
    table = pa.table({"n": range(50_000), "w": [f"w{i}" for i in range(50_000)]})
    if form == "arrows":
        write_stream(path, table)
    else:
        feather.write_feather(table, str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refuses(path, "the Arrow file is cut short or damaged")


@pytest.mark.parametrize("seed", range(12))
def test_altered_bytes_never_crash(lake: Lake, tmp_path: Path, seed: int) -> None:
    """Arrow has no check sums, so numbers may change; but nothing is read beyond its end."""
    table = pa.table(
        {"w": [f"w{i}" * (i % 5) for i in range(2000)], "l": [[i] for i in range(2000)]}
    )
    write_stream(tmp_path / "t.arrows", table, rows=200)
    content = bytearray((tmp_path / "t.arrows").read_bytes())
    noise = random.Random(seed)
    for _ in range(60):
        content[noise.randrange(8, len(content))] = noise.randrange(256)
    path = write(tmp_path / "t.arrows", bytes(content))
    try:
        import_source(lake, path)
    except Exception as error:
        assert type(error).__name__ in ("LeptonError", "UsageError"), error
        assert not lake.datasets()


def test_no_rows(tmp_path: Path, refuses: Refuses) -> None:
    write_stream(tmp_path / "t.arrows", pa.table({"a": pa.array([], pa.int64())}))
    refuses(tmp_path / "t.arrows", "there are no rows", code=2)
