"""How a version is written: files under temporary names, then all of it in one transaction."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from core.atomic import sync_path
from core.data.engine import connect
from core.data.lake import journal
from core.data.lake.catalogue import Catalogue
from core.data.lake.rows_file import hashed
from core.data.lake.version import DataFile, Version
from core.errors import LeptonError
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Overtaken(LeptonError):  # noqa: N818 - nothing is wrong, somebody was quicker
    """A version was to follow another that is not the newest any more."""


class Writing:
    """Puts files into a workspace, and enters the versions that they make."""

    def __init__(self, workspace: Workspace, catalogue: Catalogue) -> None:
        self.workspace = workspace
        self.catalogue = catalogue

    def scratch(self) -> Path:
        """A name in `tmp` that nobody has, and that is swept when this process has died."""
        return self.workspace.tmp / f"{os.getpid()}-{uuid4().hex}.parquet"

    def keep(self, table: pa.Table) -> DataFile:
        """A small table put beside the data; until a version refers to it, it is garbage."""
        import pyarrow.parquet as pq

        staged = self.scratch()
        try:
            pq.write_table(table, staged, compression="zstd")
            file = hashed(staged)
            staged.chmod(0o444)
            sync_path(staged)
            staged.replace(self.workspace.data / file.name)
        finally:
            staged.unlink(missing_ok=True)
        return file

    def enter(
        self,
        version: Version,
        staged: Path,
        after: Version | None = None,
        labelled: Mapping[str, int] | None = None,
    ) -> Version:
        """Give the staged file its final name and the version its number, in one transaction.

        With `after` only if that version is still the newest, with `labelled` only if those labels
        still stand.
        """
        final = self.workspace.data / version.files[-1].name
        staged.chmod(0o444)
        sync_path(staged)
        with self.catalogue.write() as db:
            if after is not None and self.catalogue.newest(db, after.dataset) != after.n:
                raise Overtaken(
                    f"{after.dataset} has a newer version than {after.n} now",
                    hint="Somebody changed it in the meantime: do it again.",
                )
            if labelled and journal.taken_back(db, version, labelled):
                raise Overtaken("a label was taken back meanwhile", hint="Publish once more.")
            # What it is laid over or put behind may have been removed while it was made.
            self.check_there(", ".join(version.parents), version.files[:-1])
            staged.replace(final)
            sync_path(final.parent)
            n = self.catalogue.insert(db, version)
        return self.catalogue.versions(version.dataset, n=n)[0]

    def check_there(self, ref: str, files: Sequence[DataFile]) -> None:
        """Inside a write transaction, for which a removal of the same files waits.

        Raises:
            LeptonError: a file is missing.
        """
        for file in files:
            if not (self.workspace.data / file.name).exists():
                raise LeptonError(
                    f"a data file of {ref} is missing",
                    where=str(self.workspace.data / file.name),
                    hint="It was removed, or lost: import the data set again, or restore the file.",
                )

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A temporary file name that is gone afterwards."""
        import duckdb

        self._sweep()
        staged = self.scratch()
        try:
            yield staged
        except (duckdb.IOException, OSError) as error:
            raise LeptonError(
                f"the data could not be written: {error}",
                where=str(self.workspace.data),
                hint="Check that the disk has room; nothing was changed.",
            ) from error
        finally:
            staged.unlink(missing_ok=True)

    def using(
        self, given: duckdb.DuckDBPyConnection | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The DuckDB that was given, or one that is closed afterwards."""
        return connect(self.workspace) if given is None else nullcontext(given)

    def _sweep(self) -> None:
        """Remove what killed writers left behind."""
        import psutil

        for left in self.workspace.tmp.iterdir():
            owner = left.name.partition("-")[0]
            if owner.isdigit() and not psutil.pid_exists(int(owner)):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
