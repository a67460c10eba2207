"""`lepton demo`: the whole path on real digits, from files to a model that reads them."""

from __future__ import annotations

import sys
import time
from typing import Any

from core.data.lake.lake import Lake
from core.data.profile import profile
from core.data.quality.check import check
from core.data.splitting.split import ensure_split
from core.errors import LeptonError
from core.ingest import ingest
from core.runs.run import Run
from core.training.start import start_training
from core.workspace import Workspace
from lepton_tui.cli.data.quality import put_findings
from lepton_tui.cli.evaluate import judge
from lepton_tui.cli.follow import follow
from lepton_tui.cli.output import BOLD, in_colour, put, styled
from lepton_tui.cli.predict import ansi_lines
from screens.text import human_bytes, human_count, human_duration, percent, plain

DATASET = "mnist-sample"
MODEL = "mnist-sample_cnn"
EPOCHS = 5
SHOWN = 4
PICTURE_CELLS = (28, 14)
STEPS = 7


def demo(workspace: Workspace) -> dict[str, Any]:
    """Import, profile, check, split, train, evaluate and predict on the sample digits.

    Returns what it made: `dataset`, `model`, `report` (a folder), `metrics`, `baseline`, `seconds`.

    Raises:
        LeptonError: a step failed.
    """
    began = time.monotonic()
    lake = Lake(workspace)
    head(1, "Import the sample digits")
    version = ingest(workspace, DATASET).version
    put(f"{version.ref}: {human_count(version.rows)} images, {human_bytes(version.bytes)}")
    head(2, "Profile")
    put_profile(lake, version.ref)
    head(3, "Check the quality")
    with lake.open(version) as view:
        put_findings(check(view), version.dataset)
    head(4, "Split")
    version = ensure_split(lake, version, target=version.target)
    with lake.open(version) as view:
        splits = view.splits()
    put(", ".join(f"{name} {human_count(count)}" for name, count in splits.items()))
    head(5, "Train a small convolutional network")
    run = train(workspace, version.ref)
    model = run.state().model
    if model is None:
        raise LeptonError("the training made no model", where=run.id)
    head(6, "Evaluate on the test digits, which it has not seen")
    report, folder = judge(workspace, {"model": model, "dataset": version.ref, "split": "test"})
    accuracy, baseline = report["metrics"]["accuracy"], report["baseline"]["accuracy"]
    put(f"accuracy {percent(accuracy)} of {human_count(report['rows'])} digits")
    put(f"baseline {percent(baseline)} (always the commonest digit)")
    head(7, "Predict a few test digits")
    put_predictions(workspace, model, version.ref)
    put()
    put(f"Done in {human_duration(time.monotonic() - began)}. It made")
    put(f"  the data set  {version.ref}")
    put(f"  the model     {model}")
    put(f"  the report    {folder}")
    put()
    put(styled("Try next", BOLD))
    put("  lepton                                        the same, on screens")
    put(f"  lepton predict {MODEL} '{DATASET}#4000-4009'")
    put("  lepton data import YOUR_FILE --name mine      your own data")
    return {
        "dataset": version.ref,
        "model": model,
        "report": str(folder),
        "metrics": report["metrics"],
        "baseline": report["baseline"],
        "seconds": round(time.monotonic() - began, 3),
    }


def head(number: int, title: str) -> None:
    """The heading of a step."""
    put()
    put(styled(f"{number}/{STEPS} {title}", BOLD))
    sys.stdout.flush()


def put_profile(lake: Lake, ref: str) -> None:
    """How many of each digit there are, and what the images are like."""
    with lake.open(ref) as view:
        columns = {column.name: column for column in profile(view).columns}
    images = columns["image"].images or {}
    sizes = ", ".join(f"{size} ({count})" for size, count in images.get("sizes", {}).items())
    put(f"image  {sizes} of those looked at")
    top = sorted(columns["label"].top)
    put(f"label  {', '.join(f'{value}: {count}' for value, count in top)}")


def train(workspace: Workspace, ref: str) -> Run:
    """Train the demo's model and follow it to its end."""
    run = start_training(
        workspace, {"dataset": ref, "model": "cnn", "epochs": EPOCHS, "name": MODEL}
    )
    try:
        state = follow(run, put)
    except KeyboardInterrupt:
        run.stop(now=True)
        raise
    if state.state != "finished":
        raise LeptonError(f"the training was {state.state}", where=run.id)
    return run


def put_predictions(workspace: Workspace, model: str, ref: str) -> None:
    """Draw test digits with what the model reads in each."""
    from core.inference.messages import Row
    from core.inference.process import EngineProcess

    with Lake(workspace).open(ref) as view:
        found = view.sql(
            "SELECT _rid, label, image FROM rows WHERE split = 'test'"
            f" ORDER BY hash(_rid) LIMIT {SHOWN}"
        )
    rows = [Row(f"row {rid}", {"image": image}) for rid, _, image in found]
    with EngineProcess(workspace) as engine:
        answers = engine.predict(model, rows)
    for (rid, label, image), answer in zip(found, answers, strict=True):
        if answer.error is not None:
            raise answer.error
        right = "✓" if answer.label == label else "✗"
        read = f"{plain(answer.label or '')} with {percent(answer.score)}"
        put_beside(image, [f"row {rid}", "", f"it reads  {read}", f"it is     {label}  {right}"])


def put_beside(image: bytes, words: list[str]) -> None:
    """An image, with lines of text at its right."""
    from screens.half_blocks import decode, picture

    width, height = PICTURE_CELLS
    drawn: Any = picture(decode(image), width, height, colour=in_colour(sys.stdout))
    lines = ansi_lines(drawn)
    start = max((len(lines) - len(words)) // 2, 0)
    for at, line in enumerate(lines):
        said = words[at - start] if 0 <= at - start < len(words) else ""
        put(f"  {line}   {said}".rstrip())
