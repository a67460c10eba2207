"""Bringing data in, whole: read the source, keep it as a version, and say what task it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.data.builtin.datasets import BUILTIN, load_builtin
from core.data.builtin.naming import builtin_meant, is_builtin
from core.data.labelling.labels import stranded
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.in_short import for_history
from core.data.quality.keeping import broken_rules
from core.data.quality.rule_file import rules_path
from core.data.sources import (
    AS_IT_COMES,
    ImportReport,
    Options,
    Reading,
    default_name,
    import_source,
    renew_source,
)
from core.errors import Cancelled, UsageError
from core.runs.job import Stopped
from core.tasks import facts, guess
from core.tasks.base import Fit
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.runs.job import Job


def ingest(
    workspace: Workspace,
    source: str | None,
    name: str | None = None,
    *,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
    archive: str | None = None,
    only_new: bool = False,
    reading: Reading = AS_IT_COMES,
) -> ImportReport:
    """Import a file, a folder or a built-in data set, and note the task it is for.

    `source` is whatever `import_source` takes, or the name of a built-in data set whose local
    `archive` may be named. With `only_new` what is new in it is added to the data set `name`, from
    where its last import came if `source` is None.

    The version is held against the rules of its data set, and kept when it breaks them: the report
    says so.

    Raises:
        UsageError: the source is not there or not readable, or names columns that are not.
        LeptonError: its content cannot be used. The lake is as it was.
        Cancelled: `reading.should_stop` said so. The lake is as it was.
    """
    lake = Lake(workspace)
    known = {version.dataset for version in lake.datasets()}
    if source is None and not (only_new and name):
        raise UsageError("no source is named", hint="Name a file, a folder or a built-in data set.")
    if source is not None and is_builtin(source):
        if name not in (None, source):
            raise UsageError(f'"{source}" is built in and keeps its name', hint="Leave --name out.")
        before = {version.ref for version in lake.datasets()}
        notes: list[str] = []
        version = load_builtin(lake, source, source=archive, progress=reading.progress, notes=notes)
        report = ImportReport(version, notes=notes)
        noted = _noted(lake, report, target, task, inputs, made=version.ref not in before)
        return _held_to_rules(lake, noted)
    if archive is not None:
        raise UsageError(
            "an archive goes with a built-in data set alone",
            hint=f"There are: {', '.join(BUILTIN)}.",
        )
    if only_new and reading.recipe is not None:
        raise UsageError(
            "a recipe cleans all rows of a version, not those alone that are new",
            hint="Bring them in first, then: lepton data clean DATASET --recipe FILE",
        )
    if source is None or (only_new and (name or default_name(source)) in known):
        renewed = renew_source(lake, name or default_name(source or ""), source, reading)
        return _held_to_rules(lake, renewed)
    if meant := builtin_meant(source):
        raise UsageError("no such file, folder or built-in data set", where=source, hint=meant)
    report = import_source(lake, source, name, reading, target=target, task=task, inputs=inputs)
    return _held_to_rules(lake, _noted(lake, report, target, task, inputs))


def _held_to_rules(lake: Lake, report: ImportReport) -> ImportReport:
    """The report with the rules that the rows break; the version stays, whatever they say."""
    version = report.version
    if not rules_path(lake.workspace, version.dataset).exists():
        return report
    failed = broken_rules(lake, version)
    lake.quality.note(version, "import", None, for_history(failed))
    told = [finding.what for finding in failed]
    return replace(report, notes=[*report.notes, *told], failed_rules=len(failed))


def _noted(
    lake: Lake,
    report: ImportReport,
    target: str | None,
    task: str | None,
    inputs: Sequence[str] | None,
    *,
    made: bool = True,
) -> ImportReport:
    """The report with the task noted; where that cannot be, the version that was made goes."""
    try:
        version = note_task(lake, report.version, target, task, inputs)
    except UsageError:
        if made:
            lake.remove(report.version.ref)
        raise
    words = stranded(lake, version)
    return replace(report, version=version, notes=[*report.notes, *([words] if words else [])])


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
    try:
        fit = fit_of(lake, version, target, task, inputs)
    except UsageError:
        if target or task or inputs:
            raise
        known = version.task is not None
        return lake.describe(version, task=None, target=None, inputs=None) if known else version
    if fit.target in fit.inputs and not (target or task):
        # A text that is to go on is its own target: nobody has said that it is to stay one, so it
        # is not noted as the column to label, to balance or to look for in others.
        return lake.describe(version, task=fit.task, target=None, inputs=None)
    return lake.describe(version, task=fit.task, target=fit.target, inputs=fit.inputs)


def note_again(lake: Lake, version: Version) -> Version:
    """The version that a step made, with its task guessed anew where none was said with a target:
    the step may have made the column that is to be predicted."""
    return note_task(lake, version) if version.target is None else version


def fit_of(
    lake: Lake,
    version: Version,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
) -> Fit:
    """What a version is for.

    Raises:
        UsageError: no task suits it, or what is named does not suit the columns.
    """
    with lake.open(version) as view:
        return guess(facts(view), target=target, task=task, inputs=inputs)


def run(job: Job) -> None:
    """An import as a run of its own: it goes on when the screen that asked for it is gone."""
    spec = dict(job.spec)
    options = Options(**spec.pop("options", None) or {})
    recipe = None
    if steps := spec.pop("recipe", None):
        from core.data.cleaning.recipe import Recipe

        recipe = Recipe.of(steps)
    named = spec.pop("format", None)

    def progress(done: int, whole: int) -> None:
        job.emit("step", step=done, steps=whole)

    try:
        report = ingest(
            job.workspace,
            **spec,
            reading=Reading(named, options, progress, job.should_stop, recipe),
        )
    except Cancelled as error:
        raise Stopped from error
    for note in report.notes:
        job.emit("log", text=note)
    version = report.version
    job.emit(
        "result",
        dataset=version.ref,
        rows=version.rows,
        rejects=report.rejected,
        report=report.to_json(),
    )
