"""A run's numbers for other programs: CSV, and the files of TensorBoard, Weights & Biases, MLflow.

Everything is written to a folder on this machine. No package here is asked to reach the network.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.errors import LeptonError, UsageError, nearest
from core.runs.compare import settings
from core.runs.records import Record, records
from core.runs.run import Run

_AT_ONCE = 500
_LONGEST_VALUE = 500


def to_csv(run: Run, path: Path, final: Path) -> None:
    """One row a record: time, step, epoch, and a column for each number; empty where it has none.

    A number that is none is NaN, as pandas reads and writes it.
    """
    names = dict.fromkeys(name for record in records(run) for name in record.numbers)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "step", "epoch", *names])
        for record in records(run):
            numbers = (record.numbers.get(name, "") for name in names)
            rows.writerow([record.time, record.step, record.epoch or "", *numbers])


def to_tensorboard(run: Run, path: Path, final: Path) -> None:
    """An event file: each number a scalar, and the settings as text."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    path.mkdir()
    writer = EventFileWriter(str(path))
    try:
        said = "\n".join(f"- **{name}**: {value}" for name, value in settings(run).items())
        writer.add_event(Event(step=0, summary=text_pb("settings", said)))
        for record in records(run):
            values = [
                Summary.Value(tag=name, simple_value=value)
                for name, value in record.numbers.items()
            ]
            summary = Summary(value=values)
            writer.add_event(Event(wall_time=record.time, step=record.step, summary=summary))
    finally:
        writer.close()


def to_wandb(run: Run, path: Path, final: Path) -> None:
    """A run of Weights & Biases in its offline form; `wandb sync` uploads it, when one wants to.

    Its records have the times of the run (wandb lets only its own clock say how long one took). Of
    this process, and of the machine it is on, nothing is told.
    """
    import wandb

    path.mkdir()
    state = run.state()
    own = {name: str(path / "own") for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}
    with _environment(WANDB_MODE="offline", WANDB_SILENT="true", **own):
        kept = wandb.init(
            mode="offline",
            dir=str(path),
            project=str(state.dataset or "lepton").partition("@")[0],
            name=state.model or run.id,
            id=run.id,
            notes=state.note or None,
            tags=list(state.tags) or None,
            config=settings(run),
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                host="",
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )
        try:
            # Its history has one row a step.
            for record in _by_step(records(run)):
                told = {**record.numbers, "epoch": record.epoch, "_timestamp": record.time}
                kept.log(told, step=record.step)
        finally:
            kept.finish(exit_code=int(state.state == "failed"))
    # What it says of its own work, and what points there.
    for each in [path / "own", *path.glob("wandb/debug*.log"), *path.glob("wandb/*/logs")]:
        _remove(each)


def to_mlflow(run: Run, path: Path, final: Path) -> None:
    """A file store of MLflow with one experiment and one run, which `mlflow ui` shows."""
    with _environment(MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_DISABLE_TELEMETRY="true"):
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=path.as_uri())
        state = run.state()
        name = str(state.dataset or "lepton").partition("@")[0]
        begun = next(records(run), None)
        note = {"mlflow.note.content": state.note} if state.note else {}
        kept = client.create_run(
            client.create_experiment(name),
            start_time=round(begun.time * 1000) if begun else None,
            tags={"lepton.run": run.id, **note, **dict.fromkeys(state.tags, "true")},
            run_name=state.model or run.id,
        ).info.run_id
        asked = [Param(key, str(v)[:_LONGEST_VALUE]) for key, v in settings(run).items()]
        for start in range(0, len(asked), 100):
            client.log_batch(kept, params=asked[start : start + 100])
        waiting: list[Any] = []
        last = None
        for record in records(run):
            at = last = round(record.time * 1000)
            waiting += [Metric(n, value, at, record.step) for n, value in record.numbers.items()]
            if len(waiting) >= _AT_ONCE:
                client.log_batch(kept, metrics=waiting)
                waiting = []
        client.log_batch(kept, metrics=waiting)
        status = "FINISHED" if state.state == "finished" else "KILLED"
        client.set_terminated(kept, "FAILED" if state.state == "failed" else status, last)
    for each in path.rglob("meta.yaml"):
        # Where a run's files lie stands in each of these, from the root on.
        moved = each.read_text(encoding="utf-8").replace(path.as_uri(), final.as_uri())
        each.write_text(moved, encoding="utf-8")


def _by_step(each: Iterator[Record]) -> Iterator[Record]:
    """Records of one step in one."""
    before: Record | None = None
    for record in each:
        if before is not None and record.step != before.step:
            yield before
            before = None
        numbers = {**(before.numbers if before else {}), **record.numbers}
        before = record._replace(numbers=numbers)
    if before is not None:
        yield before


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Some environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


OPENED = {
    "tensorboard": "tensorboard --logdir {}",
    "wandb": "wandb sync {}/wandb/offline-run-*",
    # MLflow has come to ask whether files are meant.
    "mlflow": "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}",
}
"""The command by which the other program takes it up."""

WRITERS: dict[str, tuple[Callable[[Run, Path, Path], None], str | None, str]] = {
    "csv": (to_csv, None, ".csv"),
    "tensorboard": (to_tensorboard, "tensorboard", ".tensorboard"),
    "wandb": (to_wandb, "wandb", ".wandb"),
    "mlflow": (to_mlflow, "mlflow", ".mlflow"),
}
"""Each format with what writes it, the package that needs, and the ending of what it writes.

A writer gets the run, the path to write at, and the one that it will have in the end."""


def export(run: Run, to: str, path: Path | None = None, *, replace: bool = False) -> Path:
    """Write a run's numbers as `to` has them; the file or folder that was written.

    It appears under its name when it is whole. Without `path` it is named after the run, here.

    Raises:
        UsageError: there is no such format, or something is at `path` already and it is not to be
            replaced.
        LeptonError: the package is not installed, or the disk is full.
    """
    if to not in WRITERS:
        raise UsageError(f'a run cannot be exported to "{to}"', hint=nearest(to, WRITERS))
    write, package, ending = WRITERS[to]
    if package is not None and find_spec(package) is None:
        raise LeptonError(
            f"{to} needs the package {package}, which is not installed",
            hint=f"Install it: pip install 'lepton-tui[{to}]'",
        )
    final = Path(f"{run.id}{ending}" if path is None else path).absolute()
    if final.exists() and not replace:
        raise UsageError("something is there already", where=str(final), hint="Add --force.")
    staged = final.with_name(f".{final.name}.{uuid4().hex[:8]}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        write(run, staged, final)
        if final.exists():
            _remove(final)
        staged.rename(final)
    except OSError as error:
        raise LeptonError(
            f"the export cannot be written: {error.strerror or error}", where=str(final)
        ) from error
    finally:
        _remove(staged)
    return final


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
