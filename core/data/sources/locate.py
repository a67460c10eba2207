"""Where a source lies: a path, a pattern, an archive, an address; here it becomes local files."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path

from core.data.sources.desk import Desk, UnchangedError
from core.data.sources.file_kind import by_name, file_kind
from core.data.sources.folders import listing
from core.data.sources.formats import FORMATS, SPOKEN
from core.data.sources.located import AS_THEY_CAME, Located
from core.data.sources.remote.address import WEB, check_address, scheme_of
from core.data.sources.said import counted
from core.data.sources.unpack import unpack
from core.errors import UsageError
from core.workspace import written_path


def locate(desk: Desk, source: str) -> Located:
    """Find what `source` names, fetching or unpacking it into scratch files where that is needed.

    Raises:
        UsageError: no file matches a pattern.
        LeptonError: an archive is damaged or too large, or an address does not answer.
    """
    return _unpacked(desk, _named(desk, source))


def _named(desk: Desk, source: str) -> Located:
    """The files that are named, as they lie on this machine."""
    if scheme := scheme_of(source):
        check_address(source)
        if scheme in WEB:
            from core.data.sources.remote.download import download

            return download(desk, source)
        from core.data.sources.remote.cloud import fetch_cloud

        return fetch_cloud(desk, source)
    path = written_path(source)
    if not path.exists() and glob.has_magic(str(path)):
        matched = [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        files = [found for found in matched if found.is_file()]
        if not files:
            raise UsageError("no file matches", where=source, hint="Check the pattern.")
        return Located(files, [str(file) for file in files])
    return Located([path], [str(path)])


def _unpacked(desk: Desk, located: Located) -> Located:
    paths = [unpack(desk, path) if path.is_file() else path for path in located.paths]
    origins = {
        name: path
        for name, path in zip(located.names, located.paths, strict=True)
        if path.is_file()
    }
    names = [desk.called(path) for path in paths]
    return replace(located, paths=paths, names=names, origins=located.origins | origins)


def row_files(desk: Desk, located: Located, kind: str) -> Located:
    """The same source with each folder replaced by its files of one format of rows.

    A file in it that is empty, or is not what its name says, is rejected; files of other formats,
    and links that lead out of the folder, are left out with a note. A `whole` format keeps its
    folder, for its reader knows what lies where in it.

    Raises:
        UsageError: there is no such file in a folder.
        LeptonError: most of them cannot be read.
    """
    if FORMATS[kind].whole or not any(path.is_dir() for path in located.paths):
        return located
    paths: list[Path] = []
    origins = dict(located.origins)
    for path in located.paths:
        if path.is_dir():
            found, own = _files_of(desk, path, kind, unchanged=bool(located.unchanged))
            paths += found
            if not desk.stands_in(path):
                origins |= own
        else:
            paths.append(path)
    if not paths and located.unchanged:
        raise UnchangedError(AS_THEY_CAME)
    names = [desk.called(path) for path in paths]
    return replace(located, paths=paths, names=names, origins=origins)


def _files_of(
    desk: Desk, folder: Path, kind: str, *, unchanged: bool
) -> tuple[list[Path], dict[str, Path]]:
    listed = listing(folder)
    files = [file for file in listed.files if by_name(file) == kind]
    # Files that a writer gave no suffix, such as part-00000, are known by their content.
    unnamed = not files
    if unnamed:
        files = [file for file in listed.files if by_name(file) is None]
    kept: list[Path] = []
    origins: dict[str, Path] = {}
    others = len(listed.files) - len(files)
    for done, file in enumerate(files, 1):
        try:
            local = unpack(desk, file, archives=False)
            file_kind(local, kind)
        except UsageError as error:
            if unnamed:
                others += 1
            else:
                desk.reject(str(file.relative_to(folder)), error.what, file=desk.called(file))
            continue
        kept.append(local)
        origins[desk.called(file)] = file
        desk.progress(done, len(files))
    if listed.links:
        one = listed.links[0].relative_to(folder)
        desk.note(
            f"{counted(len(listed.links), 'link')} out of the folder, or to folders, such as {one}:"
            " not followed"
        )
    if others:
        desk.note(f"{counted(others, 'file')} in the folder left out: not {SPOKEN[kind]}")
    if not kept and not desk.rejected and not unchanged:
        raise UsageError(
            f"there is no file in the folder that is {SPOKEN[kind]}",
            where=str(folder),
            hint="Name its files with a pattern, such as 'FOLDER/*', if it holds only links."
            if listed.links
            else "Name another folder, or one file.",
        )
    desk.judge(len(kept), "files")
    return kept, origins
