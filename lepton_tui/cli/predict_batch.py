"""`lepton predict MODEL --batch REQUESTS --out RESULTS`: a batch file in OpenAI's form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import LeptonError, UsageError
from core.workspace import Workspace
from lepton_tui.cli.output import note, put, put_json
from screens.text import counted, plain

if TYPE_CHECKING:
    from core.inference.process import EngineProcess


def predict_batch(
    workspace: Workspace,
    engine: EngineProcess,
    model: str,
    requests: Path,
    out: Path | None,
    *,
    force: bool,
    json: bool,
) -> None:
    """Answer each line of the file.

    Raises:
        UsageError: a file cannot be, or is there already.
        LeptonError: the model is damaged, or requests failed; each result says why.
    """
    if out is None:
        raise UsageError("--batch needs a file for its results", hint="Add --out RESULTS.jsonl.")
    from core.serving import require_extra

    require_extra()
    from core.serving.batch_files import Counts, answer_file
    from core.serving.batch_handlers import handlers
    from core.serving.batch_routes import batch_form
    from core.serving.endpoints import Endpoints
    from core.serving.settings import Limits
    from lepton_tui.cli.status import StatusLine

    endpoints = Endpoints(workspace, Limits())
    deployed = endpoints.current(endpoints.serve(model).name)
    line = StatusLine()

    def show(counts: Counts) -> None:
        line.show(counted(counts.done, "request"))

    try:
        engine.load(deployed.ref)
        answered = handlers(replace(deployed, form=batch_form(deployed.form)), engine)
        counts = answer_file(requests, out, answered, replace=force, progress=show)
    finally:
        line.clear()
    if counts.before:
        note(f"{counted(counts.before, 'request')} had been answered before")
    if json:
        facts = {"file": str(out), "model": deployed.ref, "requests": counts.done}
        put_json({**facts, "failed": counts.failed})
    else:
        put(f"{plain(str(out))}: {counted(counts.done, 'request')}")
    if counts.failed:
        raise LeptonError(
            f"{counts.failed:,} of {counts.done:,} requests failed", hint="Their results say why."
        )
