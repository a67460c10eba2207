"""A model in one file of ONNX: which task it is for, and whether it fits that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LeptonError, UsageError
from core.models.exporting import inputs_of
from core.models.foreign.bounded import run
from core.models.foreign.described import task_of_base
from core.models.graph import check_installed
from core.models.hub.base import CONFIG, Base
from core.models.hub.table import PRETRAINED
from core.models.registry import ABOUT
from core.tasks import task

if TYPE_CHECKING:
    from core.tasks.base import Task

_BESIDE = "A folder of transformers' has config.json beside it, one of Lepton's onnx.json."


@dataclass(frozen=True)
class GraphFile:
    """What a graph says of itself: what goes in and out, the sizes of an answer to two rows (to
    one, where it takes no more), and how many numbers it holds."""

    path: Path
    inputs: Sequence[dict[str, Any]]
    outputs: Sequence[dict[str, Any]]
    answer: Sequence[int]
    numbers: int

    @classmethod
    def look(cls, path: Path) -> GraphFile:
        """Have it opened, and answer once, by a process of its own.

        Raises:
            UsageError: it is no graph, or not all of it is in this file.
            LeptonError: a package is missing, or it cannot be run.
        """
        check_installed("onnx", "onnxruntime")
        return cls(path, **json.loads(run("core.models.foreign.trial", path)))

    def task(self, column: str | None, target: str | None) -> Task:
        """The task of which the file beside it speaks.

        Raises:
            UsageError: there is none.
            LeptonError: it is damaged.
        """
        about = self.path.parent / ABOUT
        if about.is_file():
            try:
                told = json.loads(about.read_text())
                return task(told["task"]).from_json(told["codec"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise LeptonError(f"{ABOUT} cannot be read: {error}", where=str(about)) from error
        if (self.path.parent / CONFIG).is_file():
            PRETRAINED.check_installed()
            folder = self.path.parent
            return task_of_base(Base.described(folder, str(folder)), column, target)
        raise UsageError(
            "a graph does not say what it is for",
            where=str(self.path),
            hint=f"Name a model here that reads and tells the same: --like MODEL. {_BESIDE}",
        )

    def check(self, found: Task) -> None:
        """See that it takes and gives what a model for the task does.

        Raises:
            UsageError: it does not.
        """
        if found.shape["kind"] == "next-token":
            raise UsageError("language models come with their weights, and not as a graph")
        due = inputs_of(found.shape, found.name)
        drawn = due.make(2)
        if len(drawn) != len(self.inputs):
            raise self._unfit(f"takes {_names(self.inputs)}", f"{', '.join(due.names)} is due")
        for given, name, tensor in zip(self.inputs, due.names, drawn, strict=True):
            sizes = given["shape"]
            free = [at for at, size in enumerate(sizes) if not isinstance(size, int)]
            same = len(sizes) == tensor.dim() and all(
                at in free or size == tensor.shape[at] or (at, size) == (0, 1)
                for at, size in enumerate(sizes)
            )
            if not same or ("float" in given["type"]) != tensor.is_floating_point():
                kind = "numbers" if tensor.is_floating_point() else "places in a list"
                raise self._unfit(
                    f"takes {given['type']} {_sizes(sizes)}",
                    f"{kind} {_sizes(['rows', *tensor.shape[1:]])} are due as {name}",
                )
        if list(self.answer[1:]) != [found.shape["outputs"]]:
            raise self._unfit(
                f"gives {_sizes(['rows', *self.answer[1:]])}",
                f"{_sizes(['rows', found.shape['outputs']])} is due",
            )

    def _unfit(self, what: str, due: str) -> UsageError:
        return UsageError(f"the graph {what}, and {due}", where=str(self.path))


def _names(inputs: Sequence[dict[str, Any]]) -> str:
    return ", ".join(str(each["name"]) for each in inputs) or "nothing"


def _sizes(sizes: Sequence[object]) -> str:
    return f"[{', '.join(map(str, sizes))}]"
