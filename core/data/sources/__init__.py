"""Import: any supported file or folder becomes the next version of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.data.lake.lake import Lake
from core.data.lake.names import valid_name
from core.data.lake.version import Version
from core.data.lake.view import literal
from core.data.sources.desk import (
    Arrived,
    Desk,
    NoRecordsError,
    Options,
    Progress,
    Reject,
    UnchangedError,
)
from core.data.sources.detect import detect
from core.data.sources.folder_kind import labelled_kind
from core.data.sources.formats import FORMATS, SPOKEN
from core.data.sources.keep import ImportReport, commit_arrived, left_out, telling
from core.data.sources.locate import locate, row_files
from core.data.sources.located import Located
from core.data.sources.naming import default_name
from core.data.sources.prints import Seen, fingerprints
from core.data.sources.remote.address import scheme_of, shown
from core.data.sources.renew import (
    append_arrived,
    last_import,
    only_new,
    origin_of,
    seen_files,
    types_of,
)
from core.errors import UsageError, nearest
from core.workspace import written_path

if TYPE_CHECKING:
    from core.data.cleaning.recipe import Recipe

__all__ = [
    "AS_IT_COMES",
    "FORMATS",
    "ImportReport",
    "Options",
    "Preview",
    "Progress",
    "Reading",
    "Reject",
    "commit_arrived",
    "default_name",
    "import_source",
    "preview_source",
    "renew_source",
]

PREVIEW_ROWS = 10


@dataclass(frozen=True)
class Reading:
    """How a source is to be read: as which format, with what said of it, and who is told.

    A `recipe` cleans the rows before they are kept, in the same pass.
    """

    format: str | None = None
    options: Options = field(default_factory=Options)
    progress: Progress | None = None
    should_stop: Callable[[], bool] | None = None
    recipe: Recipe | None = None


AS_IT_COMES = Reading()


@dataclass(frozen=True)
class Preview:
    """What an import would make: the format, the columns with their types, the first rows."""

    format: str
    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]
    count: int
    rejects: list[Reject]
    rejected: int
    notes: list[str]


@dataclass(frozen=True)
class _Source:
    """A source that was found: its files, their format and their fingerprints."""

    located: Located
    kind: str
    params: dict[str, Any]


def import_source(
    lake: Lake,
    source: str | Path,
    name: str | None = None,
    reading: Reading = AS_IT_COMES,
    *,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
) -> ImportReport:
    """Import a file, a folder, a pattern, an archive or an address as the next version of `name`.

    `FORMATS` lists what can be read. Without a name the source's own is used. `task`, `target` and
    `inputs` are noted with the version as they are given.

    Raises:
        UsageError: the source is missing, empty, or not what it is said to be; a name that cannot
            be one; a target or input column that is not there.
        LeptonError: the source is damaged, or more of it had to be rejected than could be kept.
        Cancelled: `should_stop` said so.
        In every case the lake stays as it was.
    """
    named = valid_name(name) if name is not None else default_name(str(source))
    with _found(lake, source, reading) as (desk, found):
        arrived, params = _read_as_said(desk, found), found.params
        if reading.recipe is not None:
            from core.data.sources.cleaned import cleaned

            arrived, steps = cleaned(desk, arrived, reading.recipe, target, inputs)
            params = {**params, "steps": steps}
        return commit_arrived(
            lake,
            desk,
            arrived,
            named,
            op="import",
            params=params,
            task=task,
            target=target,
            inputs=inputs,
        )


def renew_source(
    lake: Lake,
    name: str,
    source: str | Path | None = None,
    reading: Reading = AS_IT_COMES,
) -> ImportReport:
    """Bring only what is new into the data set `name`, as its next version.

    New are files whose content was never brought in, and of files that changed since, the rows
    that are not there yet. Without a `source` the last import's is read again. Where nothing is
    new, the newest version is reported as it is.

    Raises:
        UsageError: there is no such data set, it was never imported, or the source has other
            columns.
        LeptonError: the source is damaged.
        Cancelled: `should_stop` said so.
        In every case the lake stays as it was.
    """
    imported = last_import(lake, valid_name(name))
    op: Literal["append", "refresh"] = "append" if source is not None else "refresh"
    kind = imported.params.get("format")
    if source is None:
        source = origin_of(imported)
        options = reading.options.remembering(imported.params.get("options", {}))
        reading = replace(reading, format=reading.format or kind, options=options)
    # The types are settled: what does not fit them is left out, and said.
    types = {**types_of(imported), **reading.options.types}
    reading = replace(reading, options=replace(reading.options, types=types))
    one_by_one = kind in FORMATS and not FORMATS[kind].whole
    seen = seen_files(lake, name, one_by_one=one_by_one)
    try:
        with _found(lake, source, reading, seen) as (desk, found):
            return _append_new(lake, name, op, desk, found)
    except NoRecordsError:
        return _unchanged(lake.version(name), ["nothing is new: the source is empty now"])
    except UnchangedError as unchanged:
        return _unchanged(lake.version(name), [f"nothing is new: {unchanged.what}"])


def _unchanged(newest: Version, notes: list[str]) -> ImportReport:
    return ImportReport(newest, notes=notes, added=0)


def _append_new(
    lake: Lake, name: str, op: Literal["append", "refresh"], desk: Desk, found: _Source
) -> ImportReport:
    fresh, changed = only_new(found.located, found.params["files"], desk.seen)
    newest = lake.version(name)
    if not fresh.paths:
        desk.note("nothing is new: every file of the source was brought in before")
        return _unchanged(newest, desk.notes)
    params = dict(found.params)
    with telling(desk):
        version = append_arrived(
            lake,
            desk,
            _read(desk, replace(found, located=fresh)),
            name,
            op=op,
            params=params,
            compare=changed,
            left_out=lambda: left_out(desk, params),
        )
    if version is None:
        desk.note("nothing is new: every row of the source is there already")
    added = version.params["added"] if version is not None else 0
    return ImportReport(version or newest, desk.rejects, desk.rejected, desk.notes, added=added)


def preview_source(
    lake: Lake,
    source: str | Path,
    reading: Reading = AS_IT_COMES,
) -> Preview:
    """Read a source as an import would, all of it, and keep nothing.

    Raises:
        UsageError, LeptonError, Cancelled: as `import_source`.
    """
    with _found(lake, source, reading) as (desk, found):
        with telling(desk):
            arrived = _read_as_said(desk, found)
            path = arrived.rows
            if isinstance(path, str):
                path, count = desk.write(path)
            elif not isinstance(path, Path):
                desk.connection.register("stream", path)
                path, count = desk.write("SELECT * FROM stream")
        rows = f"FROM read_parquet({literal(str(path))})"
        described = desk.connection.execute(f"DESCRIBE SELECT * {rows}").fetchall()
        first = desk.connection.execute(f"SELECT * {rows} LIMIT {PREVIEW_ROWS}").fetchall()
        ((count,),) = desk.connection.execute(f"SELECT count(*) {rows}").fetchall()
        return Preview(
            found.kind,
            [(column, arrived.media.get(column, kind)) for column, kind, *_ in described],
            first,
            count,
            desk.rejects,
            desk.rejected,
            desk.notes,
        )


@contextmanager
def _found(
    lake: Lake,
    source: str | Path,
    reading: Reading,
    seen: Seen | None = None,
) -> Iterator[tuple[Desk, _Source]]:
    """A desk, and on it the files of the source, unpacked and known by their format."""
    if not str(source):
        raise UsageError("no source is named", hint="Name a file, a folder or a built-in data set.")
    path = written_path(source)
    remote = scheme_of(str(source)) is not None
    with Desk(
        lake.workspace,
        shown(str(source)) if remote else str(path),
        reading.progress,
        options=reading.options,
        should_stop=reading.should_stop,
        read_often=reading.recipe is not None,
        seen=seen,
    ) as desk:
        with telling(desk):
            located = locate(desk, str(source))
        kind = kind_of(located, reading.format or _labelled_kind(located, reading.options))
        located = row_files(desk, located, kind)
        params = {
            "source": str(path.absolute()) if not remote and path.exists() else str(source),
            "format": kind,
            "files": fingerprints(located),
        }
        if said := reading.options.kept():
            params["options"] = said
        yield desk, _Source(located, kind, params)


def _read(desk: Desk, found: _Source) -> Arrived:
    with telling(desk):
        return FORMATS[found.kind].reader(desk, found.located.paths)


def _read_as_said(desk: Desk, found: _Source) -> Arrived:
    """What the reader hands over, once every column whose type was set is among it."""
    arrived = _read(desk, found)
    for column in desk.options.types:
        if column not in arrived.columns:
            raise UsageError(
                f'no column "{column}"',
                where=str(desk.source),
                hint=nearest(column, arrived.columns),
            )
    return arrived


def _labelled_kind(located: Located, options: Options) -> str | None:
    """The format of a folder whose files a table labels.

    Raises:
        UsageError: it is no folder of images or sounds.
    """
    if options.labels is None:
        return None
    if len(located.paths) == 1 and located.paths[0].is_dir():
        return labelled_kind(located.paths[0], written_path(options.labels))
    raise UsageError(
        "a table of labels goes with a folder of images or sounds",
        where=", ".join(located.names[:3]),
        hint="Name the folder that holds the files.",
    )


def kind_of(located: Located, named: str | None) -> str:
    """The one format of all the files.

    Raises:
        UsageError: a file cannot be read, or the files are of several formats.
    """
    kinds = {detect(path, named): path for path in located.paths}
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise UsageError(
            f"the files are of several formats: {SPOKEN[one]} and {SPOKEN[other]}",
            where=f"{first} beside {second}",
            hint="Import files of one format at a time.",
        )
    return next(iter(kinds))
