"""Bringing data in, whole: read the source, keep it as a version, and say what task it is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.builtin import BUILTIN, load_builtin
from core.data.lake import Lake
from core.data.sources import ImportReport, import_source
from core.data.version import Version
from core.errors import UsageError, nearest
from core.tasks import facts, guess
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.runs.job import Job


def ingest(
    workspace: Workspace,
    source: str,
    name: str | None = None,
    *,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
    format: str | None = None,
    archive: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import a file, a folder or a built-in data set, and note the task it is for.

    `source` is a path, or the name of a built-in data set whose local `archive` may be named.
    `progress` is called with what is done and the whole (0 when it is not known).

    Raises:
        UsageError: the source is not there or not readable, or names columns that are not.
        LeptonError: its content cannot be used. The lake is as it was.
    """
    lake = Lake(workspace)
    before = {version.ref for version in lake.datasets()}
    path = Path(source).expanduser()
    if source in BUILTIN and not path.exists():
        if name not in (None, source):
            raise UsageError(f'"{source}" is built in and keeps its name', hint="Leave --name out.")
        notes: list[str] = []
        version = load_builtin(lake, source, source=archive, progress=progress, notes=notes)
        report = ImportReport(version=version, rejects=[], notes=notes)
    elif archive is not None:
        raise UsageError(
            "an archive goes with a built-in data set alone",
            hint=f"There are: {', '.join(BUILTIN)}.",
        )
    elif meant := _builtin_meant(source, path):
        raise UsageError("no such file, folder or built-in data set", where=source, hint=meant)
    else:
        report = import_source(
            lake,
            source,
            name,
            target=target,
            task=task,
            inputs=inputs,
            format=format,
            progress=progress,
        )
    try:
        version = note_task(lake, report.version, target, task, inputs)
    except UsageError:
        if report.version.ref not in before:
            lake.remove(report.version.ref)
        raise
    return replace(report, version=version)


def _builtin_meant(source: str, path: Path) -> str:
    """The hint for a word that is no path but nearly a built-in data set's name; else empty."""
    if path.exists() or path.suffix or path.name != source:
        return ""
    hint = nearest(source, BUILTIN)
    return hint if "mean" in hint else ""


def note_task(
    lake: Lake,
    version: Version,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
) -> Version:
    """Guess what a version is for, unless it is named, and keep that with the version.

    Raises:
        UsageError: what is named does not suit the columns.
    """
    with lake.open(version) as view:
        try:
            fit = guess(facts(view), target=target, task=task, inputs=inputs)
        except UsageError:
            if target or task or inputs:
                raise
            return version
    return lake.describe(version, task=fit.task, target=fit.target, inputs=fit.inputs)


def run(job: Job) -> None:
    """An import as a run of its own: it goes on when the screen that asked for it is gone."""
    spec = job.spec

    def progress(done: int, whole: int) -> None:
        job.emit("step", step=done, steps=whole)

    report = ingest(job.workspace, **spec, progress=progress)
    for note in report.notes:
        job.emit("log", text=note)
    version = report.version
    job.emit("result", dataset=version.ref, rows=version.rows, rejects=len(report.rejects))
