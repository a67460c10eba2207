"""Checks as runs: once with a model, or again and again on a schedule, telling what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.atomic import write_json
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import worst_first
from core.data.quality.in_short import for_history, in_short, kept_in_short, said
from core.data.quality.keeping import RULE, check_rules
from core.data.quality.rule_file import rules_path
from core.data.quality.score import CHECK, Checked, check_version, note
from core.errors import Cancelled, LeptonError, UsageError
from core.runs.job import Stopped

if TYPE_CHECKING:
    from core.runs.job import Job

REPORT = "check.json"
SHORTEST = 1.0


def run(job: Job) -> None:
    """Check what the spec names; started by the runs' worker process.

    `dataset` is a name or a version, or None for every data set; `target`, `against` and `model`
    are as `lepton data check` has them. With `every`, in seconds, it goes on until it is stopped,
    and an event of the kind "log" tells each finding that is new or gone.

    Raises:
        UsageError: the spec, or a name in it, is wrong.
        LeptonError: the check failed.
        Stopped: it was asked to stop.
    """
    every = job.spec.get("every")
    if every is not None and every < SHORTEST:
        raise UsageError("a schedule of less than a second is too quick", hint="Such as: 1h")
    try:
        if every is None:
            _once(job)
            return
        watch = Watch(job)
        watch.round()
        while not job.wait(every):
            watch.round()
    except Cancelled:
        pass
    raise Stopped


def _once(job: Job) -> None:
    lake = Lake(job.workspace)
    reports = []
    for version in _versions(lake, job.spec):
        checked, notes = _checked(job, lake, version)
        for text in notes:
            job.emit("log", text=text)
        note(lake, checked)
        reports.append(checked.to_json() | {"notes": notes})
    write_json(job.run.artifacts / REPORT, reports)
    job.emit(
        "result",
        dataset=job.spec.get("dataset"),
        failed_rules=sum(report["failed_rules"] for report in reports),
        artifacts=[REPORT],
    )


def _versions(lake: Lake, spec: dict[str, Any]) -> list[Version]:
    ref = spec.get("dataset")
    return [lake.version(ref)] if ref else lake.datasets()


def _checked(job: Job, lake: Lake, version: Version) -> tuple[Checked, list[str]]:
    """What is found in a version, by a model too where one is named, and notes on it."""
    spec = job.spec
    checked = check_version(lake, version, spec.get("target"), spec.get("against"), job.should_stop)
    if not spec.get("model"):
        return checked, []
    import torch

    from core.devices.facts import choose_threads
    from core.evaluation.suspicion import suspicious_labels

    torch.set_num_threads(choose_threads())

    def on_progress(done: int, whole: int) -> None:
        job.emit("step", step=done, steps=whole)

    doubts, notes = suspicious_labels(
        job.workspace,
        version,
        spec["model"],
        device=spec.get("device") or "auto",
        should_stop=job.should_stop,
        on_progress=on_progress,
    )
    return replace(checked, findings=tuple(worst_first([*checked.findings, *doubts]))), notes


class Watch:
    """The rounds of a schedule: what was found last is what a round is held against.

    A version and its rules do not change, so a round that finds the same ones asks again only the
    rules, of which some are about the time.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lake = Lake(job.workspace)
        self._last: dict[str, tuple[object, Checked]] = {}
        self._told: dict[str, str] = {}

    def round(self) -> None:
        """Check each data set once, and tell and note what is new.

        A data set that cannot be checked is told once, and stops no other.
        """
        try:
            versions = _versions(self._lake, self._job.spec)
        except LeptonError as error:
            self._trouble(str(self._job.spec.get("dataset")), error)
            return
        for version in versions:
            try:
                self._look(version)
            except Cancelled:
                raise
            except LeptonError as error:
                self._trouble(version.dataset, error)
            else:
                self._told.pop(version.dataset, None)

    def _trouble(self, dataset: str, error: LeptonError) -> None:
        if self._told.get(dataset) != str(error):
            self._told[dataset] = str(error)
            self._say(f"{dataset}: it cannot be checked: {error}")

    def _look(self, version: Version) -> None:
        known, last = self._last.get(version.dataset, (None, None))
        state = self._state(version)
        if last is not None and known == state and not self._job.spec.get("model"):
            with self._lake.open(version) as view:
                failed = check_rules(self._lake, view, None, self._job.should_stop)
            others = [each for each in last.findings if each.kind != RULE]
            checked = Checked(version, tuple(worst_first([*failed, *others])))
        else:
            checked, notes = _checked(self._job, self._lake, version)
            if last is None:
                for text in notes:
                    self._say(text)
        self._tell(version, checked)
        self._last[version.dataset] = (state, checked)

    def _state(self, version: Version) -> object:
        """What a check depends on besides the time."""
        path = rules_path(self._job.workspace, version.dataset)
        against = self._job.spec.get("against")
        return (
            version.ref,
            path.read_bytes() if path.exists() else None,
            self._lake.version(against).ref if against else None,
        )

    def _tell(self, version: Version, checked: Checked) -> None:
        new, gone = self._changes(version.dataset, checked)
        for text in new:
            self._say(f"{version.ref}: new {text}")
        for text in gone:
            self._say(f"{version.ref}: gone {text}")
        if new or gone or not self._noted(version):
            note(self._lake, checked)

    def _changes(self, dataset: str, checked: Checked) -> tuple[list[str], list[str]]:
        """What is new and what is gone since the last round, a line each.

        At the start of a schedule since whoever checked before, which the history has in short.
        """
        if dataset in self._last:
            before = dict.fromkeys(map(said, self._last[dataset][1].findings))
            new = [each for each in checked.findings if said(each) not in before]
            now = {*map(said, checked.findings)}
            return [*map(said, in_short(new))], [text for text in before if text not in now]
        history = self._lake.quality.history(dataset)
        last = next((entry.findings for entry in history if entry.kind == CHECK), ())
        was, now_is = kept_in_short(last), kept_in_short(for_history(checked.findings))
        return (
            [text for key, text in now_is.items() if key not in was],
            [text for key, text in was.items() if key not in now_is],
        )

    def _noted(self, version: Version) -> bool:
        return any(
            entry.ref == version.ref and entry.kind == CHECK
            for entry in self._lake.quality.history(version.dataset)
        )

    def _say(self, text: str) -> None:
        self._job.emit("log", text=text)
