"""`lepton predict MODEL INPUT… --out FILE`: answers into a file, however many inputs there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.models.registry import Models, task_of
from core.workspace import Workspace
from lepton_tui.cli.output import note, put, put_json
from screens.text import counted, plain

if TYPE_CHECKING:
    from core.inference.process import EngineProcess


def is_dataset(workspace: Workspace, inputs: Iterable[str]) -> bool:
    """Whether the one input is a data set's name, and no file's."""
    given = list(inputs)
    if len(given) != 1 or Path(given[0]).exists():
        return False
    name = given[0].partition("@")[0]
    return any(each.dataset == name for each in Lake(workspace).datasets())


def predict_out(
    workspace: Workspace,
    engine: EngineProcess,
    model: str,
    given: Iterable[object],
    out: Path,
    *,
    force: bool,
    json: bool,
) -> None:
    """Answer inputs of every kind into a file.

    Raises:
        UsageError: an input or the file cannot be; or inputs have no answer, by whoever's mistake.
        LeptonError: inputs have no answer, or it cannot be written.
    """
    from core.data.exporting.place import check_place
    from core.inference.filing import answer_into_file, kind_of
    from core.inference.inputs import stream_inputs
    from lepton_tui.cli.status import StatusLine

    kind_of(out)
    check_place(out, replace=force)
    task = task_of(Models(workspace).get(model))
    rows = stream_inputs(workspace, task, given)
    line = StatusLine()
    try:
        filed = answer_into_file(
            engine,
            model,
            task,
            rows,
            out,
            progress=lambda asked: line.show(counted(asked, "input")),
        )
    finally:
        line.clear()
    if json:
        facts = {"file": str(out), "model": model, "rows": filed.rows}
        put_json({**facts, "asked": filed.asked, "failed": filed.failed})
    else:
        put(f"{plain(str(out))}: {counted(filed.rows, 'row')}")
    faults = [(answer.input, str(answer.error)) for answer in filed.first]
    tell_faults(faults, filed.failed)
    refuse_failed(filed.failed, filed.asked, whose=filed.whose)


def tell_faults(faults: Sequence[tuple[str, str]], failed: int) -> None:
    """Name the first inputs that have no answer, each with the reason."""
    for name, why in faults:
        note(f"{plain(name)}: {plain(why)}")
    if failed > len(faults):
        note(f"… and {failed - len(faults):,} more")


def refuse_failed(failed: int, asked: int, *, whose: bool) -> None:
    """End with a code that says so when inputs have no answer; what is written stays.

    Raises:
        LeptonError: some have none; UsageError, where that is the mistake of whoever asked.
    """
    if failed:
        kind = UsageError if whose else LeptonError
        raise kind(
            f"{failed:,} of {asked:,} inputs have no answer", hint="The column error says why."
        )
