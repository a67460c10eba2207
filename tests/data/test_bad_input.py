"""Bad input, one line each: refused in words, or imported with what was left out told.

Whatever comes, the lake ends as it was or with one whole version more, and what was there before
is whole. None of it may crash the process or hang it.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import json
import os
import random
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pyarrow import feather

from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.sources import import_source
from core.errors import LeptonError
from tests.data.conftest import state
from tests.data.sources.media import picture, wav

LONGEST_SECONDS = 120
HUNDRED_MB = 100_000_000


@dataclass(frozen=True)
class Bad:
    """One input: how it is made in a folder, and what must become of it.

    It is refused with `says` and `code`, or it gives `rows`, `rejects`, and a note with `says`.
    """

    make: Callable[[Path], Path]
    says: str = ""
    code: int = 0
    rows: int = 0
    rejects: int = 0


def file(name: str, content: bytes | str | Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = content() if callable(content) else content
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.encode() if isinstance(made, str) else made)
        return path

    return make


def lines(rows: int) -> str:
    return "".join(f"{i},w{i},{i / 2}\n" for i in range(rows))


def objects(rows: int) -> str:
    return "".join(json.dumps({"n": i, "w": f"w{i}"}) + "\n" for i in range(rows))


TABLE = "a,b,c\n" + lines(2000)


def parquet(rows: int = 5000) -> bytes:
    held = io.BytesIO()
    table = pa.table({"x": pa.array(range(rows), pa.int64()), "y": [i / 7 for i in range(rows)]})
    pq.write_table(table, held, compression="none", use_dictionary=False)
    return held.getvalue()


def noisy(content: bytes, changes: int, first: int = 1000, last: float = 0.9) -> bytes:
    altered, noise = bytearray(content), random.Random(0)
    for _ in range(changes):
        altered[noise.randrange(first, int(len(altered) * last))] = noise.randrange(256)
    return bytes(altered)


def two_schemas(folder: Path) -> Path:
    (folder / "two").mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "two" / "a.parquet")
    pq.write_table(pa.table({"z": [1]}), folder / "two" / "b.parquet")
    return folder / "two"


def cut_feather() -> bytes:
    held = io.BytesIO()
    feather.write_feather(pa.table({"n": range(9999)}), held)
    return held.getvalue()[:-50]


def offsets_beyond_the_end() -> bytes:
    """An Arrow stream whose last text begins and ends far outside of what is there."""
    held = io.BytesIO()
    table = pa.table({"w": ["some", "words", "here"]})
    with pa.ipc.new_stream(held, table.schema) as writer:
        writer.write_table(table)
    good = struct.pack("<iiii", 0, 4, 9, 13)
    assert good in held.getvalue()
    return held.getvalue().replace(good, struct.pack("<iiii", 0, 4, 9, 1 << 30))


def far_corner(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "n", 1
    book.save(folder / "far.xlsx")
    return folder / "far.xlsx"


def cut_sqlite(folder: Path) -> Path:
    path = folder / "t.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (w)")
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 900,)] * 500)
        db.commit()
    path.write_bytes(path.read_bytes()[:100_000])
    return path


def spying_duckdb(folder: Path) -> Path:
    with duckdb.connect(str(folder / "t.duckdb")) as db:
        db.execute("CREATE VIEW t AS SELECT * FROM read_csv('/etc/passwd')")
    return folder / "t.duckdb"


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def locked_zip() -> bytes:
    content = bytearray(zipped({"a.csv": b"a\n1\n"}))
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def zip_with_a_lie() -> bytes:
    """An archive that says one megabyte of a member of two hundred."""
    content = bytearray(zipped({"a.csv": bytes(200 << 20)}))
    for magic, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(magic) + at
        content[place : place + 4] = struct.pack("<I", 1 << 20)
    return bytes(content)


def linking_tar() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        table = tarfile.TarInfo("t/a.csv")
        table.size = len(TABLE)
        archive.addfile(table, io.BytesIO(TABLE.encode()))
        for name, kind in (("t/soft.csv", tarfile.SYMTYPE), ("t/hard.csv", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "../../../etc/passwd"
            archive.addfile(link)
    return held.getvalue()


def link_out(folder: Path) -> Path:
    secret = file("secret/s.csv", "a,b,c\n6,6,6\n")(folder)
    made = file("set/a.csv", TABLE)(folder).parent
    (made / "out.csv").symlink_to(secret)
    (made / "loop").symlink_to(made)
    return made


def pipe_in_folder(folder: Path) -> Path:
    made = file("set/a.csv", TABLE)(folder).parent
    os.mkfifo(made / "b.csv")
    return made


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.csv")
    return folder / "a.csv"


def png(width: int, height: int) -> bytes:
    """A picture that says how large it is, and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pictures(bad: bytes) -> Callable[[Path], Path]:
    """Three good pictures in a class folder, and this one."""

    def make(folder: Path) -> Path:
        (folder / "set" / "cat").mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (4, 4), (i, i, i)).save(folder / "set" / "cat" / f"{i}.png")
        (folder / "set" / "cat" / "bad.png").write_bytes(bad)
        return folder / "set"

    return make


def linked_picture(folder: Path) -> Path:
    made = pictures(png(4, 4))(folder)
    secret = (made / "cat" / "bad.png").rename(folder / "secret.png")
    (made / "cat" / "out.png").symlink_to(secret)
    (made / "cat" / "up").symlink_to(folder)
    (made / "dog").symlink_to(folder)
    return made


def sounds(bad: bytes, name: str = "bad.wav") -> Callable[[Path], Path]:
    """Three good sounds in a class folder, and this one."""

    def make(folder: Path) -> Path:
        (folder / "set" / "yes").mkdir(parents=True)
        for i in range(3):
            (folder / "set" / "yes" / f"{i}.wav").write_bytes(wav(100 + i))
        (folder / "set" / "yes" / name).write_bytes(bad)
        return folder / "set"

    return make


def linked_sound(folder: Path) -> Path:
    made = sounds(wav(10))(folder)
    secret = (made / "yes" / "bad.wav").rename(folder / "secret.wav")
    (made / "yes" / "out.wav").symlink_to(secret)
    return made


def annotated(name: str, content: str) -> Callable[[Path], Path]:
    """Three pictures in a folder, and a file that speaks of them."""

    def make(folder: Path) -> Path:
        (folder / "set").mkdir()
        for i in range(3):
            (folder / "set" / f"{i}.png").write_bytes(picture(i))
        (folder / "set" / name).write_text(content)
        return folder / "set"

    return make


def boxes(count: int, box: object) -> str:
    """COCO with so many annotations, each with this box."""
    lists = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [{"image_id": 0, "category_id": 1, "bbox": box}] * count,
        "categories": [{"id": 1, "name": "cat"}],
    }
    return json.dumps(lists)


def voc_bomb(folder: Path) -> Path:
    """Two good annotations, and one whose entities are a billion laughs."""
    made = annotated("0.xml", "<annotation></annotation>")(folder)
    (made / "1.xml").write_text("<annotation></annotation>")
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><annotation>&l9;</annotation>'
    (made / "2.xml").write_text(bomb)
    return made


def wide(columns: int) -> str:
    names = ",".join(f"column {i}" for i in range(columns))
    return f"{names}\n" + "".join(",".join([str(i)] * columns) + "\n" for i in range(3))


def named(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}",b\n1,2\n3,4\n'


DAMAGED = "cut short or damaged"
CASES: dict[str, Bad] = {
    # What readers commonly swallow in silence.
    "one short line": Bad(file("a.csv", TABLE + "1,2\n"), rows=2000, rejects=1),
    "one long line": Bad(file("a.csv", TABLE + "1,2,3,4\n"), rows=2000, rejects=1),
    "a line of totals": Bad(file("a.csv", TABLE + "total rows: 12\n"), rows=2000, rejects=1),
    "an open quotation mark at the top": Bad(
        file("a.csv", 'a,b,c\n1,"x,2\n' + lines(50)), "opened on line 2 is not closed", 1
    ),
    "an open quotation mark in the middle": Bad(
        file("a.csv", TABLE + '1,"x,2\n' + lines(50)), "a quotation mark opened on line 2002", 1
    ),
    "a title above the header": Bad(
        file("a.csv", "Sales\n" + TABLE), "the first line has 1 field", 1
    ),
    "a word after 30,000 numbers": Bad(
        file("a.csv", "n\n" + "7\n" * 30_000 + "oops\n"), rows=30_000, rejects=1
    ),
    "a Parquet file with other bytes in it": Bad(
        file("a.parquet", lambda: noisy(parquet(20_000), 2000)), "damaged", 1
    ),
    "a Parquet file with another beginning": Bad(
        file("a.parquet", lambda: b"XXXX" + parquet()[4:]), "a Parquet file was expected", 2
    ),
    "a line of broken JSON": Bad(
        file("a.jsonl", objects(50) + '{"n": \n' + objects(50)), rows=100, rejects=1
    ),
    "numbers that are none in JSON": Bad(
        file("a.jsonl", objects(50) + '{"n": NaN}\n'), "1 value such as NaN", rows=51
    ),
    "Latin letters in another encoding": Bad(
        file("a.csv", ("a,b\n" + "é,1\n" * 50).encode("latin-1")), "read as cp1252", rows=50
    ),
    # Text.
    "wide letters": Bad(file("a.csv", TABLE.encode("utf-16")), "read as utf-16", rows=2000),
    "wide letters, cut": Bad(file("a.csv", TABLE.encode("utf-16")[:-3]), rows=1999, rejects=1),
    "half of a letter": Bad(file("a.csv", TABLE.encode() + b"1,\xc3,2\n"), "cp1252", rows=2001),
    "NUL bytes": Bad(file("a.csv", TABLE + "5,x\0y,1\n"), "1 NUL", rows=2001),
    "nothing": Bad(file("a.csv", ""), "the file is empty", 2),
    "nothing but a header": Bad(file("a.csv", "a,b,c\n"), "a header and no rows", 2),
    "nothing but line ends": Bad(file("a.csv", "\n\n\r\n\n"), "blank lines", 2),
    "noise": Bad(file("a.csv", random.Random(1).randbytes(9999)), "binary data", 2),
    "a cell of 100 MB": Bad(
        file("a.csv", lambda: (TABLE + f"1,{'x' * HUNDRED_MB},2\n").encode()), rows=2000, rejects=1
    ),
    "a cell of 20 MB, and rows after it": Bad(
        file("a.csv", lambda: (TABLE + f"1,{'x' * (20 << 20)},2\n" + "7,x,7\n" * 9).encode()),
        rows=2009,
        rejects=1,
    ),
    "two cells of 40 MB, and rows after each": Bad(
        file(
            "a.csv",
            lambda: (TABLE + (f"1,{'x' * (40 << 20)},2\n" + "7,x,7\n" * 9) * 2).encode(),
        ),
        rows=2018,
        rejects=2,
    ),
    "a quotation mark that swallows 20 MB of lines": Bad(
        file("a.csv", lambda: (TABLE + '1,"x,2\n' + "7,x,7\n" * (4 << 20) + '1,x",2\n').encode()),
        "a quotation mark opened on line 2002",
        1,
    ),
    "a line of 100 MB": Bad(file("a.txt", lambda: b"so\n" + b"x" * HUNDRED_MB), rows=2),
    "columns of one name": Bad(file("a.csv", "a,a,A,\n1,2,3,4\n"), 'is called "a_1"', rows=1),
    "a column called select": Bad(file("a.csv", named("select")), rows=2),
    "a column called with quotes": Bad(file("a.csv", named('it\'s "x"; --')), rows=2),
    "a column called _rid": Bad(file("a.csv", named("_rid")), '"source_rid"', rows=2),
    "5,000 columns": Bad(file("a.csv", wide(5000)), rows=3),
    "times of several zones": Bad(
        file("a.csv", "t,n\n2026-01-01 10:00:00+02:00,1\n2026-01-01 10:00:00,2\n"),
        "without a time zone",
        rows=2,
    ),
    "numbers of 30 digits": Bad(file("a.csv", f"n,m\n{'9' * 30},1\n1,2\n"), rows=2),
    "mostly bad lines": Bad(file("a.csv", "a,b,c\n" + "1\n" * 9), "", 1),
    "a text that is none": Bad(file("a.txt", random.Random(2).randbytes(9999)), "binary data", 2),
    # JSON.
    "JSON 20,000 levels deep": Bad(
        file("a.jsonl", objects(9) + '{"n": ' * 20_000 + "\n"), rows=9, rejects=1
    ),
    "an array that is cut": Bad(file("a.json", '[{"n": 1}, {"n": '), "the JSON is broken", 1),
    "numbers, one a line": Bad(file("a.jsonl", "1\n2\n"), "JSON Lines was expected", 2),
    "a text of 100 MB in JSON": Bad(
        file("a.jsonl", lambda: b'{"w": "' + b"x" * HUNDRED_MB + b'"}\n'), rows=1
    ),
    # Files of other programs.
    "a Parquet file without its last byte": Bad(
        file("a.parquet", lambda: parquet()[:-1]), DAMAGED, 1
    ),
    "half a Parquet file": Bad(file("a.parquet", lambda: parquet()[:9000]), DAMAGED, 1),
    "a Parquet file without rows": Bad(file("a.parquet", lambda: parquet(0)), "no rows", 2),
    "Parquet files of two schemas": Bad(two_schemas, "do not have the same columns: x, z", 1),
    "a Feather file that is cut": Bad(file("a.feather", cut_feather), DAMAGED, 1),
    "Arrow texts beyond the end": Bad(file("a.arrows", offsets_beyond_the_end), DAMAGED, 1),
    "a workbook that is none": Bad(
        file("a.xlsx", zipped({"a.csv": b"a\n1\n"})), "this is a zip archive", 2
    ),
    "a cell at the far corner of a sheet": Bad(far_corner, "for 2 cells", 1),
    "an SQLite file that is cut": Bad(cut_sqlite, "cannot be read", 1),
    "a text that is called SQLite": Bad(file("a.sqlite", TABLE), "this is text", 2),
    "a DuckDB view that reads a file": Bad(spying_duckdb, "outside its database", 1),
    "a pickle": Bad(file("a.pkl", b"\x80\x04\x95" + bytes(99)), "this is a pickle", 2),
    # Archives.
    "a gzip file that is cut": Bad(
        file("a.csv.gz", gzip.compress(TABLE.encode())[:-20]), DAMAGED, 1
    ),
    "a zip that is cut": Bad(file("a.zip", zipped({"a.csv": TABLE.encode()})[:-30]), "", 1),
    "a zip bomb": Bad(file("a.zip", lambda: zipped({"a.csv": bytes(200 << 20)})), "200 times", 1),
    "a zip bomb that lies": Bad(file("a.zip", zip_with_a_lie), DAMAGED, 1),
    "a gzip bomb": Bad(
        file("a.csv.gz", lambda: gzip.compress(bytes(200 << 20))), "200 times its size", 1
    ),
    "names that lead out of a zip": Bad(
        file("a.zip", zipped({"../up.csv": b"a\n1\n", "/abs.csv": b"", "a.csv": TABLE.encode()})),
        rows=2000,
        rejects=2,
    ),
    "links out of a tar": Bad(file("a.tar", linking_tar), rows=2000, rejects=2),
    "a zip with a password": Bad(file("a.zip", locked_zip), "locked with a password", 1),
    # Folders.
    "links out of a folder": Bad(link_out, "2 links out of the folder", rows=2000),
    "a pipe in a folder": Bad(pipe_in_folder, rows=2000),
    "a pipe": Bad(pipe, "a pipe, not a file", 2),
    "a picture of 600 megapixels": Bad(pictures(png(30_000, 20_000)), rows=3, rejects=1),
    "a link to a picture outside": Bad(linked_picture, "2 links out of the folder", rows=3),
    "a picture that is cut": Bad(pictures(png(400, 400)), rows=3, rejects=1),
    "a sound without length": Bad(sounds(wav(0)), rows=3, rejects=1),
    "a sound that is cut": Bad(sounds(wav(4000)[:-99]), rows=3, rejects=1),
    "a FLAC that is noise": Bad(
        sounds(b"fLaC" + random.Random(3).randbytes(999), "a.flac"), rows=3, rejects=1
    ),
    "a link to a sound outside": Bad(linked_sound, "1 link out of the folder", rows=3),
    "COCO that is cut": Bad(
        annotated("a.json", boxes(900, [0, 0, 1, 1])[:-900]), "the JSON is broken", 1
    ),
    "COCO with a picture that leads out": Bad(
        annotated("a.json", boxes(9, [0, 0, 1, 1]).replace("1.png", "../../etc/passwd")),
        rows=2,
        rejects=1,
    ),
    "COCO with boxes of words": Bad(
        annotated("a.json", boxes(9, list("abcd"))), "9 of 9 annotations", 1
    ),
    "COCO with boxes without end": Bad(
        annotated("a.json", boxes(1, [float("inf")] * 4)), "1 of 1 annotations", 1
    ),
    "annotations with an entity bomb": Bad(voc_bomb, rows=2, rejects=1),
    "labels of other files": Bad(
        annotated("labels.csv", "file,label\na.png,11\nb.png,12\n"), "no column of the labels", 2
    ),
    "labels whose classes are called like files": Bad(
        annotated("labels.csv", "file,label\n" + "".join(f"x{i}.png,1\n" for i in range(9))),
        "the labels name 1 of 3 images, in 9 rows",
        2,
    ),
    "labels that are no table": Bad(annotated("labels.csv", ""), "the file is empty", 2),
    "a picture that is text": Bad(pictures(b"hello"), rows=3, rejects=1),
}


@pytest.fixture(autouse=True)
def _guard() -> Iterator[None]:
    """A hang ends the test run, with the place where it hangs."""
    faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("name", CASES)
def test_bad_input(lake: Lake, tmp_path: Path, name: str) -> None:
    bad = CASES[name]
    (tmp_path / "before").mkdir()
    there = import_source(lake, file("before/there.csv", "a,b\n1,2\n")(tmp_path), "it").version
    (tmp_path / "source").mkdir()
    source = bad.make(tmp_path / "source")
    before = state(lake)
    everything = sorted(tmp_path.glob("source/**/*"))
    if bad.code:
        with pytest.raises(LeptonError) as caught:
            import_source(lake, source, "it")
        assert bad.says in str(caught.value)
        assert caught.value.exit_code == bad.code, str(caught.value)
        assert caught.value.hint
        assert len(str(caught.value)) < 1000
        assert str(lake.workspace.tmp) not in str(caught.value)
        assert state(lake) == before
    else:
        report = import_source(lake, source, "it")
        assert (report.version.rows, report.rejected) == (bad.rows, bad.rejects)
        assert bad.says in "\n".join(report.notes)
        assert state(lake)[0] == ["it@2", "it@1"]
        assert rejected_rows(lake, report.version).num_rows == bad.rejects
        lake.verify(report.version)
        with lake.open(report.version) as view:
            assert len(view.page(0, 10)) == min(10, bad.rows)
    lake.verify(there)
    assert sorted(tmp_path.glob("source/**/*")) == everything


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 40
