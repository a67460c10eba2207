"""Archives and packed files, unpacked into scratch files. What could do harm in one is left out.

Nothing is written outside the scratch folder, no link is followed, and what unpacks into far more
than it should is refused before it fills the disk.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from core.data.sources.desk import Desk
from core.data.sources.file_kind import by_name, is_idx, office_kind
from core.data.sources.formats import BY_SUFFIX
from core.data.sources.said import counted
from core.errors import LeptonError

CHUNK = 1 << 20
MOST_MEMBERS = 5_000_000
# Archives in archives in archives are opened; what lies deeper hides something.
MOST_DEEP = 3
# Honest data packs to a hundredth at best; below the size, nothing is harmed.
MOST_RATIO = 200
RATIO_FROM = 100 << 20
LONGEST_HEADER = 1 << 20
STREAMS = {
    "a gzip file": re.compile(rb"\x1f\x8b"),
    "a zstd file": re.compile(rb"\x28\xb5\x2f\xfd"),
    "a bzip2 file": re.compile(rb"BZh[1-9]1AY&SY"),
    "an xz file": re.compile(rb"\xfd7zXZ\0"),
}
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
ZIPPED, TAR = "the zip archive", "the tar archive"
JUNK = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"})
NESTED = re.compile(r"(?i)(?<=.)\.(zip|7z|rar|tar|tgz|tbz2|txz|tzst|tar\.(gz|bz2|xz|zst))$")
# Long names and extended headers, which Python reads into memory whole.
READ_WHOLE = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
LEADS_OUT = "its name leads out of the archive"
TWICE = "the archive holds this name twice"


def unpack(desk: Desk, path: Path, *, archives: bool = True, deep: int = 0) -> Path:
    """What a packed file or an archive holds, as a scratch file or a scratch folder.

    `path` itself where it is neither, where its name says a format that it is not, or where it is
    a packed file of IDX. Without `archives` only single packed files are unpacked. `deep` says in
    how many others it lay.

    Raises:
        LeptonError: it is cut short, damaged, locked with a password, or far larger unpacked than
            it should be.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return path
    is_tar = _is_tar(head) or (path.suffix == ".tar" and tarfile.is_tarfile(path))
    if head.startswith(ZIP) or is_tar:
        if not archives or path.suffix.lower() in BY_SUFFIX or office_kind(path) is not None:
            return path
        return _Unpacking(desk, path, TAR if is_tar else ZIPPED, deep).archive()
    packing = next((kind for kind, magic in STREAMS.items() if magic.match(head)), None)
    if packing is None:
        return path
    work = _Unpacking(desk, path, "the " + packing.split(" ", 1)[1], deep)
    with work.guarded(), _opened(path, packing) as stream:
        inner = stream.read(1024)
    if is_idx(inner):
        return path
    if _is_tar(inner):
        return _Unpacking(desk, path, TAR, deep).archive(packing) if archives else path
    content = work.single(packing)
    return unpack(desk, content, deep=deep + 1) if archives and inner.startswith(ZIP) else content


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _opened(path: Path, packing: str | None) -> BinaryIO:
    if packing == "a gzip file":
        return cast(BinaryIO, gzip.open(path))
    if packing == "a bzip2 file":
        return cast(BinaryIO, bz2.open(path))
    if packing == "an xz file":
        return cast(BinaryIO, lzma.open(path))
    if packing == "a zstd file":
        import pyarrow as pa

        return cast(BinaryIO, pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


class _Unpacking:
    """One file being unpacked: how much came out of it, and where it is put."""

    def __init__(self, desk: Desk, path: Path, spoken: str, deep: int) -> None:
        self.desk = desk
        self.path = path
        self.spoken = spoken
        self.packed = path.stat().st_size
        self.bytes = 0
        self.members = 0
        self.deep = deep
        self.nested: list[Path] = []
        self.folder = desk.scratch_folder()

    def single(self, packing: str) -> Path:
        """Unpack a file that holds one other; it keeps its name without the last suffix."""
        place = self.folder / (self.path.stem or "unpacked")
        self.desk.stand_for(place, self.desk.called(self.path))
        with self.guarded(), _opened(self.path, packing) as stream, place.open("xb") as out:
            self._pour(stream, out)
        return place

    def archive(self, packing: str | None = None) -> Path:
        """Unpack an archive: its one file, its one folder, or the folder that holds what it had."""
        self.desk.stand_for(self.folder, self.desk.called(self.path))
        with self.guarded():
            if self.spoken == ZIPPED:
                self._unzip()
            else:
                self._untar(packing)
        self._open_nested()
        place = self.folder
        while True:
            inside = [entry for entry in place.iterdir() if not entry.name.startswith(".")]
            if not inside:
                raise self._refused("there is nothing in {} that can be read", "Look into it.")
            if len(inside) > 1:
                return place
            if inside[0].is_dir() and _is_class(inside[0]):
                return place
            (place,) = inside
            if place.is_file():
                return place

    def _open_nested(self) -> None:
        """Put what the archives inside this one hold where they lay."""
        closed = []
        for path in filter(Path.is_file, self.nested):
            if self.deep + 1 == MOST_DEEP:
                content = path
            else:
                content = unpack(self.desk, path, deep=self.deep + 1)
            if content == path:
                closed.append(path.name)
                continue
            path.unlink()
            place = path.with_name(NESTED.sub("", path.name))
            place = path if place.exists() else place
            if content.is_file():
                place.mkdir()
                place /= content.name
            content.rename(place)
        if closed:
            self.desk.note(
                f"{counted(len(closed), 'archive')} inside {self.desk.called(self.path)} not"
                f" opened, such as {closed[0]}; unpack and import such by themselves"
            )

    def _unzip(self) -> None:
        with zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
            if any(member.flag_bits & 1 for member in members):
                raise self._refused(
                    "{} is locked with a password", "Unpack it yourself and import its folder."
                )
            self._hold_against_limits(sum(member.file_size for member in members))
            for member in members:
                kind = stat.S_IFMT(member.external_attr >> 16)
                if member.is_dir() or (place := self._place(member.filename)) is None:
                    continue
                if kind not in (0, stat.S_IFREG):
                    self._leave_out(member.filename, "it is a link or a device, not a file")
                    continue
                with archive.open(member) as stream:
                    self._put(stream, place, member.filename)

    def _untar(self, packing: str | None) -> None:
        with (
            _opened(self.path, packing) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive,
        ):
            while (member := archive.next()) is not None:
                # It would keep every member's header.
                archive.members.clear()  # type: ignore[attr-defined]
                name = member.name
                if member.isdir() or (place := self._place(name)) is None:
                    continue
                if member.islnk():
                    self._copy_link(member, place)
                elif not member.isreg():
                    self._leave_out(name, "it is a link or a device, not a file")
                else:
                    content = archive.extractfile(member)
                    assert content is not None
                    self._put(cast(BinaryIO, content), place, name)
            # The check sum of a packed stream stands at its end.
            while chunk := stream.read(CHUNK):
                self._count(len(chunk))

    def _copy_link(self, member: tarfile.TarInfo, place: Path) -> None:
        """A hard link is a second name of a file that came before; it gets a copy."""
        parts = PurePosixPath(member.linkname).parts
        target = self.folder.joinpath(*parts) if parts and _fault(member.linkname) is None else None
        if target is None or not target.is_file():
            self._leave_out(member.name, "it is a link to what is not in the archive")
            return
        with target.open("rb") as stream:
            self._put(stream, place, member.name)

    def _place(self, name: str) -> Path | None:
        """Where a member goes; None when it goes nowhere."""
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise self._refused(
                f"{{}} holds more than {MOST_MEMBERS:,} files", "Unpack it, and import it in parts."
            )
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or JUNK & set(parts) or parts[-1].startswith("._"):
            return None
        if fault := _fault(name):
            self._leave_out(name, fault)
            return None
        clean = (part.encode(errors="surrogateescape").decode(errors="replace") for part in parts)
        place = self.folder.joinpath(*clean)
        if NESTED.search(place.name):
            self.nested.append(place)
        return place

    def _put(self, stream: BinaryIO | object, place: Path, name: str) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            out = place.open("xb")
        except (FileExistsError, NotADirectoryError):
            self._leave_out(name, TWICE)
            return
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            self._leave_out(name, "its name is too long")
            return
        with out:
            self._pour(cast(BinaryIO, stream), out)

    def _pour(self, stream: BinaryIO, out: BinaryIO) -> None:
        while chunk := stream.read(CHUNK):
            self._count(len(chunk))
            out.write(chunk)

    def _count(self, size: int) -> None:
        self.bytes += size
        self.desk.unpacked += size
        self._hold_against_limits(self.bytes)
        self.desk.progress(self.bytes, 0)

    def _hold_against_limits(self, size: int) -> None:
        if size > RATIO_FROM and size > MOST_RATIO * self.packed:
            raise self._refused(
                f"{{}} unpacks into more than {MOST_RATIO} times its size, which no honest data"
                " does",
                "Unpack it yourself if you trust it.",
            )
        most = self.desk.options.most_bytes
        if max(size, self.desk.unpacked) > most:
            raise self._refused(
                f"{{}} unpacks into more than {most:,} bytes", "Import it in parts, or unpack it."
            )

    def _leave_out(self, name: str, what: str) -> None:
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        self.desk.reject(shown, what, file=self.desk.called(self.path))

    def _refused(self, what: str, hint: str) -> LeptonError:
        return LeptonError(what.format(self.spoken), where=str(self.path), hint=hint)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn what the libraries raise into one error that names the file."""
        try:
            yield
        except (NotImplementedError, RuntimeError) as error:
            raise self._refused(
                f"{{}} is packed in a way that cannot be read: {error}",
                "Unpack it yourself and import its folder.",
            ) from error
        except (
            EOFError,
            ValueError,
            OSError,
            zlib.error,
            lzma.LZMAError,
            tarfile.TarError,
            zipfile.BadZipFile,
        ) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._refused("{} does not fit on the disk", "Make room.") from error
            raise self._refused(
                "{} is cut short or damaged", "Copy or download it again."
            ) from error


def _is_class(folder: Path) -> bool:
    """Whether a folder holds pictures or sounds alone, so that its name says what they are."""
    return all(
        entry.is_file() and by_name(entry) in ("images", "audio") for entry in folder.iterdir()
    )


def _fault(name: str) -> str | None:
    """Why a file of an archive may not be put where its name says."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:/", plain):
        return LEADS_OUT
    return LEADS_OUT if ".." in PurePosixPath(plain).parts else None


class _Member(tarfile.TarInfo):
    """A header of a tar archive; one that is damaged ends the reading, where Python stops silently.

    It would take an archive with a broken header for one that ends there.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        try:
            member = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error
        if member.type in READ_WHOLE and member.size > LONGEST_HEADER:
            raise tarfile.ReadError("a header is far too large")
        return member
