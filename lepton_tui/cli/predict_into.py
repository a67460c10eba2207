"""`lepton predict MODEL DATASET --into NAME` or `--out FILE`: all of it, in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import UsageError
from core.runs.state import summary
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.output import note, put, put_json
from lepton_tui.cli.predict_out import refuse_failed, tell_faults
from screens.text import counted, plain

STOPPING_SECONDS = 30.0


def predict_into(
    workspace: Workspace,
    inputs: Sequence[str],
    asked: Mapping[str, Any],
    *,
    detach: bool,
    json: bool,
) -> None:
    """Start the run and follow it; `asked` has model, into or out, force, split and device.

    Raises:
        UsageError: it cannot be, told before anything is started.
        LeptonError: the run failed, or rows have no answer; what was made stays.
    """
    from core.inference.batch import settle
    from lepton_tui.cli.follow import follow

    if len(inputs) != 1:
        raise UsageError(
            "--into answers one data set", hint="lepton predict MODEL DATASET --into NAME"
        )
    plan = settle(workspace, {**asked, "dataset": inputs[0]})
    spec = {**asked, "model": plan.model, "dataset": plan.dataset}
    run = Runs(workspace).create("predict", spec, dataset=plan.dataset, model=plan.model)
    run.launch()
    if detach:
        put_json({"run": run.id}) if json else put(f"Started {run.id}: lepton runs attach {run.id}")
        return
    try:
        state = follow(run, note)
    except KeyboardInterrupt:
        run.stop(wait=STOPPING_SECONDS)
        note(f"Stopped. Go on with: lepton runs resume {run.id}")
        raise
    result = summary(run.events_path)[0].result
    if state.state != "finished":
        note(f"It was {state.state}. Go on with: lepton runs resume {run.id}")
        return
    faults = [(_named(plan.dataset, each["row"]), each["error"]) for each in result["faults"]]
    tell_faults(faults, result["failed"])
    if json:
        put_json({**result, "run": run.id})
    elif plan.out:
        put(f"{plain(plan.out)}: {counted(result['rows'], 'row')}")
    else:
        failed = result["failed"]
        without = f", {counted(failed, 'row')} without an answer (column error)" if failed else ""
        put(f"Made {result['dataset']}: {counted(result['rows'], 'row')}{without}")
        only = " --where 'error IS NOT NULL'" if failed else ""
        put(f"Next: lepton data rows {result['dataset']}{only}")
    refuse_failed(result["failed"], result["asked"], whose=False)


def _named(dataset: str, row: int | str) -> str:
    """A row as it can be asked about again; a series by what names it."""
    return f"{dataset}#{row}" if isinstance(row, int) else f"{dataset} {row}".rstrip()
