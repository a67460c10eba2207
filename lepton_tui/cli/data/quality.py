"""`lepton data check`, `rules`."""

from __future__ import annotations

from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.errors import LeptonError, UsageError
from core.workspace import Workspace, written_path
from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.output import note, put, put_json, table
from lepton_tui.cli.status import working
from screens.text import counted, plain, relative_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.data.quality.finding import Finding
    from core.data.quality.rules import Rule
    from core.runs.run import Run

LONGEST_STEP = 500
HISTORY = 50


@app.command()
def check(
    *,
    dataset: str = typer.Argument(
        None, metavar="DATASET", help='A data set, "name" or "name@version"; all if not named.'
    ),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    against: str = typer.Option(
        None, metavar="DATASET", help="Compare with another version: what drifted."
    ),
    model: str = typer.Option(
        None, metavar="MODEL", help="Doubt labels that this model contradicts with confidence."
    ),
    every: str = typer.Option(
        None, metavar="TIME", help="Again and again: 15m, 1h, 1d. It tells what is new."
    ),
    detach: bool = typer.Option(False, "--detach", "-d", help="With --every: do not follow it."),
    save: Path = typer.Option(
        None, metavar="FILE", help="Write the steps that mend it as a recipe, all as comments."
    ),
    history: bool = typer.Option(False, "--history", help="Show what earlier checks found."),
    json: bool = JSON,
) -> None:
    """Look for what would spoil training, name the rows, and say how to mend it.

    A rule that fails gives exit code 1; what else is found does not.
    """
    if history:
        _history(dataset, json=json)
        return
    if dataset is None and (target or against or model or save):
        raise UsageError(
            "--target, --against, --model and --save go with one data set",
            hint="Name it: lepton data ls",
        )
    if save and every:
        raise UsageError("--save and --every do not go together", hint="Check once to save.")
    if detach and every is None:
        raise UsageError("--detach goes with --every", hint="Such as: --every 1h --detach")
    spec = {"dataset": dataset, "target": target, "against": against, "model": model}
    if every is not None:
        from core.data.quality.duration import seconds_of

        run = _launched({**spec, "every": seconds_of(every)})
        _watch(run, every, detach=detach, json=json)
        return
    reports = _with_model(spec) if model else _checked(spec)
    if json:
        put_json(reports[0] if dataset else reports)
    else:
        for at, report in enumerate(reports):
            if at:
                put()
            _put_report(report)
    if save:
        _save(written_path(save), reports[0])
    failed = sum(report["failed_rules"] for report in reports)
    if failed:
        note(f"{counted(failed, 'rule')} failed.")
        raise typer.Exit(1)


def _save(path: Path, report: dict[str, Any]) -> None:
    from core.data.quality.finding import Finding
    from core.data.quality.mending import save_mending_recipe

    findings = [Finding.from_json(each) for each in report["findings"]]
    steps = save_mending_recipe(path, report["dataset"], findings)
    note(f"Saved {counted(steps, 'step')} as comments to {path}.")


def _checked(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The reports of the data set that is named, or of every one."""
    from core.data.quality.score import check_version
    from core.data.quality.score import note as note_down

    lake = open_lake()
    refs = [spec["dataset"]] if spec["dataset"] else [v.dataset for v in lake.datasets()]
    if not refs:
        note("There are no data sets yet. Bring one in: lepton data import SOURCE")
    reports = []
    for ref in refs:
        with working(f"Checking {ref}"):
            checked = check_version(lake, ref, spec["target"], spec["against"])
        note_down(lake, checked)
        reports.append(checked.to_json())
    return reports


def _with_model(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The report of a check that a model takes part in, in a process of its own.

    Raises:
        LeptonError: it failed.
    """
    from core.evaluation.checking import REPORT
    from lepton_tui.cli.follow import follow

    lake, model = open_lake(), _found(str(spec["model"]))
    version = lake.version(str(spec["dataset"]))
    run = _launched({**spec, "dataset": version.ref, "model": model})
    try:
        state = follow(run, note)
    except KeyboardInterrupt:
        run.stop(now=True)
        run.remove()
        raise
    except LeptonError:
        run.remove()
        raise
    if state.state != "finished":
        raise LeptonError(f"the check was {state.state}", where=run.id)
    reports: list[dict[str, Any]] = loads((run.artifacts / REPORT).read_text())
    return reports


def _found(model: str) -> str:
    """A model as another process finds it, from whatever folder."""
    from core.models.registry import Models

    folder = Models(Workspace.open()).get(model)
    return str(folder.path) if folder.version is None else folder.ref


def _launched(spec: dict[str, Any]) -> Run:
    from core.runs.store import Runs

    if spec["dataset"]:
        open_lake().version(spec["dataset"])
    if spec["against"]:
        open_lake().version(spec["against"])
    if spec["model"]:
        spec = {**spec, "model": _found(spec["model"])}
    run = Runs(Workspace.open()).create("check", spec, dataset=spec["dataset"], model=spec["model"])
    run.launch()
    return run


def _watch(run: Run, every: str, *, detach: bool, json: bool) -> None:
    """Follow a schedule until Ctrl-C, which ends it; or leave it to itself."""
    from lepton_tui.cli.follow import follow

    if detach:
        if json:
            put_json(run.state().to_json())
            return
        put(f"Started {run.id}: a check every {every}.")
        put(f"What is new: lepton runs attach {run.id}")
        put(f"End it: lepton runs stop {run.id}")
        return
    note(f"A check every {every}; Ctrl-C ends it.")
    try:
        follow(run, lambda text: note(text) if json else put(plain(text)))
    except KeyboardInterrupt:
        run.stop(wait=None)
    if json:
        put_json(run.state().to_json())


def _history(dataset: str | None, *, json: bool) -> None:
    if dataset is None:
        raise UsageError("whose history is not said", hint="lepton data check DATASET --history")
    lake = open_lake()
    name, *_ = dataset.partition("@")
    entries = lake.quality.history(lake.versions(name)[0].dataset, HISTORY)
    if "@" in dataset:
        ref = lake.version(dataset).ref
        entries = [entry for entry in entries if entry.ref == ref]
    if json:
        put_json([entry.to_json() for entry in entries])
        return
    if not entries:
        note(f"Nobody has checked it yet: lepton data check {plain(dataset)}")
        return
    rows = []
    for entry in entries:
        said = entry.to_json()
        rows.append(
            (
                f"{entry.ref} (gone)" if entry.gone else entry.ref,
                relative_time(entry.time),
                entry.kind,
                entry.score,
                said["errors"],
                said["warnings"],
                entry.count(kind="rule"),
            )
        )
    table(("version", "when", "by", "score", "errors", "warnings", "rules failed"), rows)


def _put_report(report: dict[str, Any]) -> None:
    from core.data.quality.finding import Finding

    put(
        f"{report['dataset']}: {counted(report['rows'], 'row')}, score {report['score']:.0f} of 100"
    )
    for text in report.get("notes", []):
        put(f"Note: {plain(text)}.")
    put_findings([Finding.from_json(each) for each in report["findings"]], report["dataset"])


def put_findings(findings: Sequence[Finding], dataset: str) -> None:
    """What a check found, worst first, each with what to do and the command that does it.

    Of what was found of a kind in many columns, the worst are shown and the others counted.
    """
    from core.data.quality.finding import command_of, shell_word
    from core.data.quality.in_short import Others, in_short

    if not findings:
        put("Nothing is wrong that the check knows to look for.")
    for finding in in_short(findings):
        if isinstance(finding, Others):
            put(f"{finding.severity:<8} {plain(finding.what)}")
            put(f"{'':<8} All of them: lepton data check {dataset} --json")
            continue
        of = f"{finding.column}: " if finding.column else ""
        put(f"{finding.severity:<8} {plain(of + finding.what)}")
        if finding.hint:
            put(f"{'':<8} {plain(finding.hint)}")
        if finding.examples:
            shown = ", ".join(map(str, finding.examples[:8]))
            put(f"{'':<8} rows {shown}{' …' if finding.rows > 8 else ''}")
        if finding.mend is None:
            continue
        step = command_of(finding.mend)
        if step is not None and len(step) <= LONGEST_STEP:
            put(f"{'':<8} {plain(f'lepton data clean {dataset} --step {shell_word(step)}')}")
        else:
            put(f"{'':<8} The step fits no line: lepton data check {dataset} --save FILE")


@app.command()
def rules(
    dataset: str = DATASET,
    init: bool = typer.Option(False, "--init", help="Write a file of rules, all as comments."),
    check: Path = typer.Option(
        None, metavar="FILE", help="Try the rules of this file instead; it is not kept."
    ),
    json: bool = JSON,
) -> None:
    """Show the rules of a data set and whether they hold, or begin a file of them.

    They lie in the workspace, in rules/NAME.toml, and run on every import and every check.
    """
    from core.data.quality.keeping import check_rules
    from core.data.quality.rule_file import load_rules, rules_of, rules_path, write_template

    lake = open_lake()
    version = lake.version(dataset)
    path = check or rules_path(lake.workspace, version.dataset)
    if init:
        if check is not None:
            raise UsageError("--init and --check do not go together", hint="Leave one out.")
        write_template(lake.workspace, version)
        if json:
            put_json({"dataset": version.ref, "file": str(path), "rules": []})
            return
        put(plain(str(path)))
        note("Take the # off the rules that you want, and change them.")
        return
    found = load_rules(path) if check else rules_of(lake.workspace, version.dataset)
    results: list[tuple[Rule, list[Finding]]] = []
    with lake.open(version) as view, working(f"Checking {version.ref}"):
        failed = check_rules(lake, view, found)
    for n, rule in enumerate(found, 1):
        results.append((rule, [each for each in failed if each.what.startswith(f"rule {n} (")]))
    _put_rules(version.ref, path, results, json=json)
    if failed:
        raise typer.Exit(1)


def _put_rules(
    ref: str, path: Path, results: Sequence[tuple[Rule, Sequence[Finding]]], *, json: bool
) -> None:
    if json:
        listed = [
            {
                "check": rule.check,
                "says": rule.in_words(),
                "why": rule.why,
                "holds": not failed,
                "finding": failed[0].to_json() if failed else None,
            }
            for rule, failed in results
        ]
        put_json({"dataset": ref, "file": str(path), "rules": listed})
        return
    if not results:
        note(f"There are no rules in {path}.")
        note(f"Begin a file of them: lepton data rules {ref.partition('@')[0]} --init")
        return
    table(
        ("rule", "check", "says", ref),
        [
            (n, rule.check, rule.in_words(), "fails" if failed else "holds")
            for n, (rule, failed) in enumerate(results, 1)
        ],
        whole=("rule", "check", ref),
    )
    for _, failed in results:
        if failed:
            put_findings(failed, ref)
