"""The lake: data sets as numbered versions of immutable, content-addressed Parquet files.

A write is: `COPY` to a temporary name, hash, sync, then in one catalogue transaction rename and
enter the version. So several processes work at once, readers are never blocked, and a kill at any
moment leaves the last committed version whole. This interface is narrow on purpose: a second back
end can stand behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake import garbage
from core.data.lake.author import author_here
from core.data.lake.catalogue import Catalogue
from core.data.lake.files import verify_files
from core.data.lake.labels import Labels
from core.data.lake.layout import ROW_ID, rows_of
from core.data.lake.names import split_ref, valid_name
from core.data.lake.quality import Quality
from core.data.lake.rows_file import columns_of, copy_rows, hashed, row_count, row_group, stage
from core.data.lake.version import Column, DataFile, Version, numbers_in_words
from core.data.lake.view import View
from core.data.lake.writing import Writing
from core.errors import LeptonError, UsageError, nearest
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Lake:
    """The data sets of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._catalogue = Catalogue(workspace.catalogue)
        self._writing = Writing(workspace, self._catalogue)
        self.labels = Labels(self._catalogue)
        self.quality = Quality(self._catalogue)

    def datasets(self) -> list[Version]:
        """The newest version of each data set, by name."""
        newest: dict[str, Version] = {}
        for version in self._catalogue.versions():
            newest.setdefault(version.dataset, version)
        return list(newest.values())

    def versions(self, name: str) -> list[Version]:
        """All versions of a data set, newest first.

        Raises:
            UsageError: there is no data set of that name.
        """
        found = self._catalogue.versions(name)
        if not found:
            raise self._unknown(name)
        return found

    def version(self, ref: str | Version) -> Version:
        """Resolve `"name"` (its newest version), `"name@3"`, or `"name@best"` by a tag.

        Raises:
            UsageError: no such data set, or no such version of it.
        """
        if isinstance(ref, Version):
            return ref
        name, n = split_ref(ref)
        if isinstance(n, str):
            return self._tagged(name, n)
        found = self._catalogue.versions(name, n=n)
        if found:
            return found[0]
        every = self.versions(name)
        raise UsageError(
            f'no version {n} of the data set "{name}"',
            hint=f"There {numbers_in_words(every)}.",
        )

    def _tagged(self, name: str, tag: str) -> Version:
        every = self.versions(name)
        for version in every:
            if tag in version.tags:
                return version
        tags = [tag for version in every for tag in version.tags]
        raise UsageError(
            f'no version of the data set "{name}" has the tag "{tag}"',
            hint=nearest(tag, tags) or f"There {numbers_in_words(every)}, and no tags.",
        )

    def tag(self, ref: str | Version, name: str) -> Version:
        """Give a version a name that goes with it: `"mnist@best"`. It moves from any other.

        Raises:
            UsageError: no such version; a name that cannot be one, or is a number.
        """
        version = self.version(ref)
        if valid_name(name).isdigit():
            raise UsageError(f'"{name}" is the number of a version', hint="Use a word for a tag.")
        with self._catalogue.write() as db:
            self._catalogue.tag(db, version, name)
        return self.version(version.ref)

    def untag(self, dataset: str, name: str) -> None:
        """Take a tag away.

        Raises:
            UsageError: no version of the data set has it.
        """
        self._tagged(dataset, name)
        with self._catalogue.write() as db:
            self._catalogue.untag(db, dataset, name)

    def open(self, ref: str | Version) -> View:
        """Open a version for reading, in a private DuckDB.

        Raises:
            UsageError: no such data set or version.
            LeptonError: a file of it is missing.
        """
        return View(self.version(ref), self.workspace.data)

    def commit(
        self,
        name: str,
        rows: str | pa.Table | pa.RecordBatchReader | Path,
        *,
        op: str,
        params: Mapping[str, Any] | None = None,
        parents: Sequence[str] = (),
        media: Mapping[str, str] | None = None,
        task: str | None = None,
        target: str | None = None,
        inputs: Sequence[str] | None = None,
        connection: duckdb.DuckDBPyConnection | None = None,
        rejects: Callable[[], pa.Table | None] | None = None,
        in_order: bool = False,
    ) -> Version:
        """Write rows as the next version of a data set.

        `rows` is an Arrow table or reader, a query for `connection`, or a file in the workspace's
        `tmp` that `copy_rows` has made, which is taken over. Rows without a `_rid`
        column are numbered by their place, from 0 on. `media` names the columns whose bytes are
        images. `rejects` is asked, after the rows, for a table of what was left out: it is kept
        beside the version. `params` is read after that. `in_order` says that rows with a `_rid`
        come by it, so that they need not be sorted.

        Raises:
            UsageError: the name cannot be one.
            LeptonError: there are no rows, or the disk is full; the lake is as it was.
        """
        valid_name(name)
        media = media or {}
        with self._writing.staged() as unused:
            staged = rows if isinstance(rows, Path) else unused
            first: int | None = 0
            with self._writing.using(connection) as con:
                if isinstance(rows, Path):
                    count = row_count(rows)
                else:
                    count, first = stage(con, rows, staged, bool(media), in_order)
                columns = columns_of(con, staged)
            if count == 0:
                raise LeptonError("there are no rows to keep", where=name)
            left_out = rejects() if rejects else None
            return self._writing.enter(
                Version(
                    dataset=name,
                    n=0,
                    rows=count,
                    columns=tuple(Column(each, kind, media.get(each)) for each, kind in columns),
                    files=(replace(hashed(staged), first=first),),
                    op=op,
                    params=dict(params or {}),
                    parents=tuple(parents),
                    task=task,
                    target=target,
                    inputs=None if inputs is None else tuple(inputs),
                    author=author_here(),
                    rejects=None if left_out is None else self._writing.keep(left_out),
                ),
                staged,
            )

    def append(
        self,
        base: Version,
        rows: Path,
        *,
        op: str,
        params: Mapping[str, Any] | None = None,
        rejects: Callable[[], pa.Table | None] | None = None,
    ) -> Version:
        """Write rows after those of the newest version, as its next one; no old row is rewritten.

        `rows` is a file that `copy_rows` has made, without row ids. Columns that it lacks, such as
        a split, are NULL in the new rows.

        Raises:
            Overtaken: another version came in the meantime.
            LeptonError: the disk is full; the lake is as it was.
        """
        laid_over = {name for file in base.files for name in file.provides or ()}
        kept: tuple[DataFile, ...]
        with self.open(base) as view:
            own = [name for name, _ in columns_of(view.connection, rows)]
            ((last,),) = view.sql("SELECT max(_rid) FROM rows")
            if laid_over & set(own):
                # An overlay answers for every row: columns that were laid over are put in place.
                merged = self._writing.scratch()
                both = f"SELECT * FROM rows UNION ALL BY NAME {rows_of(str(rows), last + 1)}"
                query = f"SELECT * FROM ({both}) ORDER BY {ROW_ID}"
                group = row_group(any(column.media for column in base.columns))
                copy_rows(view.connection, query, merged, group)
                rows.unlink()
                rows, kept = merged, ()
            else:
                kept = base.files
        count = row_count(rows) + (base.rows if kept else 0)
        first = last + 1 if kept else None
        left_out = rejects() if rejects else None
        try:
            return self._writing.enter(
                replace(
                    base,
                    rows=count,
                    files=(*kept, replace(hashed(rows), first=first)),
                    op=op,
                    params=dict(params or {}),
                    parents=(base.ref,),
                    author=author_here(),
                    tags=(),
                    rejects=None if left_out is None else self._writing.keep(left_out),
                ),
                rows,
                after=base,
            )
        finally:
            rows.unlink(missing_ok=True)

    def commit_columns(
        self,
        base: Version,
        columns: str | pa.Table,
        *,
        op: str,
        params: Mapping[str, Any] | None = None,
        labelled: Mapping[str, int] | None = None,
        connection: duckdb.DuckDBPyConnection | None = None,
        if_newest: bool = False,
    ) -> Version:
        """Write columns over a version as its next one, without rewriting its rows.

        `columns` is an Arrow table, or a query for `connection`, with `_rid` and the columns to add
        or replace; a row id that it lacks gets NULL. `labelled` says up to which of its labels each
        column holds them now.

        Raises:
            Overtaken: one of those labels was taken back in the meantime, or, with `if_newest`,
                another version came.
            LeptonError: the disk is full; the lake is as it was.
        """
        with self._writing.staged() as staged, self._writing.using(connection) as con:
            if not isinstance(columns, str):
                con.register("overlay", columns)
                columns = "SELECT * FROM overlay"
            copy_rows(con, f"SELECT * FROM ({columns}) ORDER BY _rid", staged)
            new = {column: Column(column, kind) for column, kind in columns_of(con, staged)}
            provides = tuple(new)
            kept = tuple(new.pop(column.name, column) for column in base.columns)
            return self._writing.enter(
                replace(
                    base,
                    columns=(*kept, *new.values()),
                    files=(*base.files, replace(hashed(staged), provides=provides)),
                    op=op,
                    params=dict(params or {}),
                    parents=(base.ref,),
                    author=author_here(),
                    rejects=None,
                    labelled={**base.labelled, **(labelled or {})},
                ),
                staged,
                after=base if if_newest else None,
                labelled=labelled,
            )

    def describe(
        self,
        version: Version,
        *,
        task: str | None,
        target: str | None,
        inputs: Sequence[str] | None,
    ) -> Version:
        """Note what a version is for; its rows stay as they are."""
        noted = replace(
            version, task=task, target=target, inputs=None if inputs is None else tuple(inputs)
        )
        with self._catalogue.write() as db:
            self._catalogue.note_task(db, noted)
        return noted

    def restore(self, ref: str | Version, *, params: Mapping[str, Any] | None = None) -> Version:
        """Make the rows of an earlier version the newest again; no file is written.

        Raises:
            UsageError: no such data set or version.
            LeptonError: a file of it is missing.
        """
        version = self.version(ref)
        entered = replace(
            version,
            op="restore",
            params=dict(params or {}),
            parents=(version.ref,),
            author=author_here(),
            rejects=None,
        )
        with self._catalogue.write() as db:
            self._writing.check_there(version.ref, version.files)
            n = self._catalogue.insert(db, entered)
        return self._catalogue.versions(version.dataset, n=n)[0]

    def verify(self, ref: str | Version) -> None:
        """Hash every file of a version again (about 2 GB a second).

        Raises:
            LeptonError: a file is missing, or its bytes have changed since it was written.
        """
        verify_files(self.version(ref), self.workspace.data)

    def remove(self, ref: str) -> None:
        """Remove a data set, or one version of it, and the files that nothing else uses.

        What checks found in it goes too: a person who removes a version wants nothing kept of it.

        Raises:
            UsageError: there is no such data set or version.
        """
        name, n = split_ref(ref)
        doomed = self.versions(name) if n is None else [self.version(ref)]
        with self._catalogue.write() as db:
            for version in doomed:
                self._catalogue.forget_quality(db, name, version.n)
            self._catalogue.delete(db, name, None if n is None else doomed[0].n)
        # Only now: a kill in between leaves files too many, not a version without its files.
        files = {file.name for version in doomed for file in version.every_file}
        garbage.free(self._catalogue, self.workspace.data, files)

    @contextmanager
    def held(self, ref: str | Version) -> Iterator[Version]:
        """Keep a version from being removed while something that refers to it is written down.

        Raises:
            UsageError: it is gone already.
        """
        with self._catalogue.write():
            yield self.version(ref.ref if isinstance(ref, Version) else ref)

    @contextmanager
    def staged(self) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
        """A temporary file name that is gone afterwards, and a DuckDB to fill it with.

        Raises:
            LeptonError: the disk is full.
        """
        with self._writing.staged() as path, self._writing.using() as connection:
            yield path, connection

    def _unknown(self, name: str) -> UsageError:
        names = self._catalogue.names()
        hint = nearest(name, names) or "Import one: lepton data import SOURCE --name NAME"
        return UsageError(f'no data set "{name}"', hint=hint)
