"""Archives and packed files: what is in them is read, and nothing in them does harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.sources import Options, import_source
from tests.data.conftest import Refuses, state
from tests.data.sources.files import read, write
from tests.data.sources.media import picture

CSV = b"a,b\n1,x\n2,y\n"
ROWS = [(1, "x"), (2, "y")]


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        ("csv.gz", gzip.compress),
        ("csv.bz2", bz2.compress),
        ("csv.xz", lzma.compress),
        ("csv.zst", zstd),
        ("zip", lambda content: zipped({"table.csv": content})),
        ("tar", lambda content: tar({"table.csv": content})),
        ("tar.gz", lambda content: tar({"table.csv": content}, "w:gz")),
        ("tgz", lambda content: tar({"table.csv": content}, "w:gz")),
        ("tar.bz2", lambda content: tar({"table.csv": content}, "w:bz2")),
        ("tar.xz", lambda content: tar({"table.csv": content}, "w:xz")),
        ("tar.zst", lambda content: zstd(tar({"table.csv": content}))),
    ],
)
def test_every_packing_is_read_by_what_it_is(
    lake: Lake, tmp_path: Path, refuses: Refuses, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(CSV)
    path = write(tmp_path / f"things.{ending}", packed)
    report = import_source(lake, path)
    assert report.version.dataset == "things"
    assert report.version.params["format"] == "csv"
    assert list(report.version.params["files"]) == [str(path)]
    with lake.open(report.version) as view:
        assert [row[1:] for row in view.page(0, 9)] == ROWS
    assert state(lake)[1] == [report.version.files[0].name], "nothing is left unpacked"
    body = pack(b"a,b\n" + b"".join(os.urandom(9).hex().encode() + b",x\n" for _ in range(9000)))
    write(path, body[: len(body) * 2 // 3])
    assert str(path) in refuses(path, "is cut short or damaged").where


def test_folders_of_images_in_an_archive(lake: Lake, tmp_path: Path) -> None:
    from tests.data.test_images import picture

    files = {f"photos/{c}/{i}.png": picture(i) for c in ("cat", "dog") for i in range(3)}
    files |= {"__MACOSX/photos/cat/._0.png": b"junk", "photos/.DS_Store": b"junk"}
    report, rows = read(lake, write(tmp_path / "photos.zip", zipped(files)))
    assert sorted(row[1] for row in rows) == ["cat"] * 3 + ["dog"] * 3
    assert not report.rejects


def test_messages_name_the_archive_and_no_scratch_file(
    lake: Lake, tmp_path: Path, refuses: Refuses
) -> None:
    path = write(tmp_path / "two.zip", zipped({"in/a.csv": CSV, "in/b.csv": b"z\n1\n"}))
    error = refuses(path, "do not have the same columns")
    assert str(lake.workspace.tmp) not in str(error)
    path = write(tmp_path / "one.zip", zipped({"a.parquet": b"PAR1" + b"x" * 50}))
    error = refuses(path, "cut short or damaged")
    assert f"{path}/a.parquet" in error.where


GOOD = b"a,b\n" + b"1,x\n" * 50


def hostile_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in (
            "../out.csv",
            "/tmp/lepton-out.csv",
            "a/../../up.csv",
            "C:\\x.csv",
            "..\\b.csv",
        ):
            archive.writestr(name, CSV)
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.csv", GOOD)
    return held.getvalue()


def hostile_tar() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, content in (
            ("../out.csv", CSV),
            ("/tmp/lepton-out.csv", CSV),
            ("good.csv", GOOD),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, kind, target in (
            ("soft.csv", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.csv", tarfile.LNKTYPE, "../out.csv"),
            ("device.csv", tarfile.CHRTYPE, ""),
            ("pipe.csv", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return held.getvalue()


@pytest.mark.parametrize("make", [hostile_zip, hostile_tar])
def test_names_and_links_that_lead_out_are_left_out(
    lake: Lake, tmp_path: Path, make: Callable[[], bytes]
) -> None:
    path = write(tmp_path / "deep" / "down" / "bad.pack", make())
    before = sorted(tmp_path.glob("deep/**/*"))
    report, rows = read(lake, path)
    assert len(rows) == 50
    assert report.rejected == 6
    assert {reject.what for reject in report.rejects} <= {
        "its name leads out of the archive",
        "it is a link or a device, not a file",
        "it is a link to what is not in the archive",
    }
    assert {row["file"] for row in rejected_rows(lake, "it").to_pylist()} == {str(path)}
    assert sorted(tmp_path.glob("deep/**/*")) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a home with 'quotes'", "deep"]
    assert not Path("/tmp/lepton-out.csv").exists()


def test_a_hard_link_within_an_archive_is_a_copy(lake: Lake, tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        member = tarfile.TarInfo("t/one.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
        link = tarfile.TarInfo("t/two.csv")
        link.type, link.linkname = tarfile.LNKTYPE, "t/one.csv"
        archive.addfile(link)
    _, rows = read(lake, write(tmp_path / "t.tar", held.getvalue()))
    assert rows == ROWS * 2


def test_a_name_that_comes_twice_is_told(lake: Lake, tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", CSV)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.csv", b"a,b\n7,z\n")
    report, rows = read(lake, write(tmp_path / "t.zip", held.getvalue()))
    assert rows == ROWS
    assert [r.what for r in report.rejects] == ["the archive holds this name twice"]


def test_a_locked_zip(tmp_path: Path, refuses: Refuses) -> None:
    content = bytearray(zipped({"a.csv": CSV}))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + at] |= 1
    refuses(write(tmp_path / "a.zip", bytes(content)), "is locked with a password")


@pytest.mark.parametrize("kind", ["zip", "gz", "tar.gz"])
def test_a_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, refuses: Refuses, kind: str
) -> None:
    path = tmp_path / f"bomb.csv.{kind}"
    size = 300 << 20
    if kind == "zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("bomb.csv", "w") as out,
        ):
            for _ in range(size >> 20):
                out.write(bytes(1 << 20))
    else:
        with gzip.open(path, "wb", compresslevel=1) as out:
            if kind == "tar.gz":
                member = tarfile.TarInfo("bomb.csv")
                member.size = size
                out.write(member.tobuf())
            for _ in range(size >> 20):
                out.write(bytes(1 << 20))
    refuses(path, "more than 200 times its size")


def test_no_more_is_unpacked_than_is_allowed(tmp_path: Path, refuses: Refuses) -> None:
    noise = os.urandom(200_000).hex().encode()
    for name, content in (
        ("a.zip", zipped({"a.csv": noise})),
        ("a.csv.gz", gzip.compress(noise)),
        ("a.tar.gz", tar({"a.csv": noise}, "w:gz")),
    ):
        path = write(tmp_path / name, content)
        refuses(path, "unpacks into more than 100,000 bytes", said=Options(most_bytes=100_000))


def test_archives_inside_are_opened(lake: Lake, tmp_path: Path) -> None:
    deep = zipped({"a.csv": CSV, "in.tgz": tar({"b.csv": CSV, "x.zip": b"no archive"}, "w:gz")})
    files = {"a.csv": CSV, "more.zip": zipped({"c.csv": CSV}), "set/more.ZIP": deep}
    report, rows = read(lake, write(tmp_path / "t.zip", zipped(files)))
    assert len(rows) == 8
    assert any("1 archive inside" in note and "such as x.zip" in note for note in report.notes)
    for one in ("only.zip", "only.zip.gz"):
        content = zipped({"in.zip": zipped({"a.csv": CSV})})
        packed = gzip.compress(content) if one.endswith("gz") else content
        assert read(lake, write(tmp_path / one, packed))[1] == ROWS


def test_archives_of_classes_in_an_archive(lake: Lake, tmp_path: Path) -> None:
    files = {
        f"{name}.tar": tar({f"{i}.png": picture(i) for i in range(3)}) for name in ("cat", "dog")
    }
    report, rows = read(lake, write(tmp_path / "t.zip", zipped(files)))
    assert [row[1] for row in rows] == ["cat"] * 3 + ["dog"] * 3
    assert report.version.column("image").media == "image"


def test_archives_without_end_are_not_opened(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    content = CSV
    for depth in range(5):
        content = zipped({"a.csv": content} if not depth else {f"{depth}.zip": content})
    refuses(
        write(tmp_path / "t.zip", content),
        "this is a zip archive, which cannot be imported",
        code=2,
    )
    damaged = zipped({"a.csv": CSV, "in.zip": zipped({"b.csv": CSV})[:-30]})
    error = refuses(write(tmp_path / "t.zip", damaged), "the zip archive is cut short or damaged")
    assert error.where.endswith("t.zip/in.zip")
    bomb = zipped({"a.csv": CSV, "in.zip": zipped({"b.csv": bytes(150_000_000)})})
    refuses(write(tmp_path / "t.zip", bomb), "more than 200 times its size")


def test_a_damaged_header_does_not_end_a_tar_silently(tmp_path: Path, refuses: Refuses) -> None:
    content = bytearray(tar({"a.csv": CSV, "b.csv": CSV, "c.csv": CSV}))
    content[1024 + 100 : 1024 + 150] = b"\xff" * 50
    refuses(write(tmp_path / "t.tar", bytes(content)), "the tar archive is cut short or damaged")


def test_a_header_that_would_fill_the_memory(tmp_path: Path, refuses: Refuses) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    path = write(tmp_path / "t.tar.gz", gzip.compress(member.tobuf() + bytes(1 << 20)))
    refuses(path, "the tar archive is cut short or damaged")


def test_an_archive_that_holds_nothing(tmp_path: Path, refuses: Refuses) -> None:
    refuses(write(tmp_path / "t.zip", zipped({})), "there is nothing in the zip archive")
    refuses(write(tmp_path / "t.tar", tar({})), "there is nothing in the tar archive")


def test_a_zip_with_a_wrong_check_sum(tmp_path: Path, refuses: Refuses) -> None:
    content = zipped({"a.csv": CSV}, zipfile.ZIP_STORED).replace(b"2,y", b"9,y")
    refuses(write(tmp_path / "t.zip", content), "the zip archive is cut short or damaged")
