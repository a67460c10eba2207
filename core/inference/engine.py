"""The engine: one road from a person's row to a model's answer, for every front door."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from core.devices.facts import resolve
from core.errors import LeptonError, UsageError
from core.inference.cache import Cache
from core.inference.examples import as_tensors
from core.inference.forward import solved
from core.inference.messages import Answer, Row
from core.models.folder import load_module
from core.models.registry import INFO, ModelFolder, Models, task_of
from core.tasks.base import Task
from core.tasks.rows import PATH
from core.workspace import Workspace

Given: TypeAlias = Row | Mapping[str, Any] | str | Path

CACHE_BYTES = 4 << 30
BATCH = 64

# What is still frozen when the interpreter ends is reported as leaked by libraries in C++.
atexit.register(gc.unfreeze)


@dataclass(frozen=True)
class Loaded:
    """A model in memory, ready to answer. `bytes` counts its parameters and buffers."""

    folder: ModelFolder
    task: Task
    module: nn.Module
    bytes: int


class Engine:
    """Answers rows with the models of a workspace, or of any model folder.

    Models load when they are first asked for and stay while `cache_bytes` has room. Use it from as
    many threads as you like. `threads` are the processor threads of one call.
    """

    def __init__(
        self,
        workspace: Workspace,
        device: str = "auto",
        *,
        cache_bytes: int = CACHE_BYTES,
        threads: int = 1,
    ) -> None:
        self.device = resolve(device)
        self.threads = threads
        self._models = Models(workspace)
        self._cache: Cache[Loaded] = Cache(cache_bytes)

    @contextmanager
    def use(self, ref: str) -> Iterator[Loaded]:
        """The model of a name ("digits", its newest version), "digits@2" or a folder; loaded once.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged.
        """
        folder = self._models.get(ref)
        facts = (folder.path / INFO).stat()
        key = (str(folder.path.resolve()), facts.st_ino, facts.st_mtime_ns)
        with self._cache.use(key, lambda: self._load(folder)) as loaded:
            yield loaded

    def predict(
        self,
        ref: str,
        rows: Sequence[Given],
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[Answer]:
        """One answer for each row, in order. A row that cannot be answered carries its error alone.

        A row is a `Row`, a mapping of columns, or a text or path that the task can read. `stop` is
        asked between batches; what is not answered by then is left out.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged.
        """
        answers: list[Answer] = []
        with self.use(ref) as model, self._threads():
            for start in range(0, len(rows), BATCH):
                if stop():
                    break
                answers += _answer(model, rows[start : start + BATCH], self.device)
        return answers

    def loaded(self) -> list[Loaded]:
        """The models in memory, the least recently used first."""
        return self._cache.values()

    def close(self) -> None:
        """Let go of every model."""
        self._cache.clear()

    def _load(self, folder: ModelFolder) -> Loaded:
        # Frozen objects of a model that went are thawed, or the collector would never see them.
        gc.unfreeze()
        task = task_of(folder)
        module = load_module(folder, self.device)
        if task.reads == "image":
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        size = sum(each.nbytes for each in (*module.parameters(), *module.buffers()))
        # A full collection with torch loaded takes 0.1 s; frozen, what stays is not looked at.
        gc.collect()
        gc.freeze()
        return Loaded(folder, task, module, size)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """torch keeps its thread count by calling thread; the caller's own is put back."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _answer(model: Loaded, rows: Sequence[Given], device: torch.device) -> list[Answer]:
    """Answers for one batch; when the batch fails, for each of its rows alone."""
    named = [_name(given) for given in rows]
    try:
        columns = [_columns(model.task, each, name) for each, name in zip(rows, named, strict=True)]
        return _forward(model, named, columns, device)
    except Exception as error:
        if len(rows) == 1:
            return [Answer(named[0], error=_as_error(error))]
        return [answer for row in rows for answer in _answer(model, [row], device)]


def _forward(
    model: Loaded, named: Sequence[str], columns: list[dict[str, Any]], device: torch.device
) -> list[Answer]:
    examples = as_tensors(model.task.encode(columns, target=False))
    found = solved(model.module, model.task, examples, device=device, batch_size=BATCH)
    if not np.isfinite(found).all():
        raise LeptonError(
            "the model's output is not a number", hint="Train it again, or try a checkpoint."
        )
    answers = zip(named, model.task.answers(found), strict=True)
    return [Answer(name, output) for name, output in answers]


def _name(given: Given) -> str:
    if isinstance(given, Row):
        return given.input
    if isinstance(given, Mapping):
        return " ".join(f"{name}={_shown(value)}" for name, value in given.items())
    return str(given)


def _shown(value: object) -> object:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else value


def _columns(task: Task, given: Given, name: str) -> dict[str, Any]:
    """The columns of a row, with files read, and the name by which an error is to call it."""
    if isinstance(given, Row) and given.error is not None:
        raise given.error
    row = dict(given.values) if isinstance(given, Row) else task.row(given)
    for column, value in row.items():
        if isinstance(value, Path):
            row[column] = _read(value)
    return row if PATH in task.columns else {PATH: name, **row}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def _as_error(error: Exception) -> LeptonError:
    if isinstance(error, LeptonError):
        return error
    return LeptonError(f"the model cannot answer this: {error or type(error).__name__}")
