"""What a model says of the same few rows, epoch after epoch: a person sees it learn."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from core.data.lake.layout import ROW_ID
from core.data.several_labels import label_text
from core.inference.examples import Batch, take
from core.inference.forward import solved
from core.training.feed import Split

if TYPE_CHECKING:
    from core.data.lake.view import View
    from core.tasks.base import Task

SHOWN = 6
# Answers are asked for when asking takes at most this share of the time.
SHARE = 0.02
LONGEST = 300
_SHORTEST_PAUSE = 1.0


@dataclass
class Samples:
    """A few examples, and what `rows` say of each: "row" (its id), "truth", and "input" in words.

    The rows are chosen by the run's seed, so that a resumed run asks of the same ones.
    """

    task: Task
    batch: Batch
    rows: list[dict[str, Any]]
    _took: float = field(default=0.0, init=False)
    _asked: float = field(default=-math.inf, init=False)

    @classmethod
    def pick(cls, task: Task, view: View, split: Split, *, seed: int) -> Samples:
        """Some examples of a split, and their rows as the data set has them."""
        some = np.random.default_rng(seed).permutation(split.rows)[:SHOWN]
        index = torch.from_numpy(np.sort(some))
        ids = [int(split.rids[at]) for at in index.tolist()]
        # A task may read the same column as input and target, or have no column of answers.
        told = dict.fromkeys([*task.columns, task.target])
        known = [name for name in told if name in view.version.column_names]
        by_id = {row[ROW_ID]: row for row in view.rows(ids, known)}
        return cls(
            task,
            take(split.tensors, index),
            [_known(rid, by_id.get(rid, {}), task) for rid in ids],
        )

    def due(self, *, last: bool = False) -> bool:
        """Whether to ask again: it took little of the time since, or it is the `last` epoch."""
        pause = max(_SHORTEST_PAUSE, self._took / SHARE)
        return last or time.monotonic() - self._asked >= pause

    def ask(self, module: nn.Module, device: torch.device) -> list[dict[str, Any]]:
        """The rows, each with the "answer" that the module gives now, as `Task.answers` has it.

        Nothing of the training is touched: not the module's mode, and no random state.
        """
        began = time.monotonic()
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            found = solved(module, self.task, self.batch, device=device, batch_size=len(self.rows))
        answers = self.task.answers(found)
        self._asked = time.monotonic()
        self._took = self._asked - began
        return [
            {**row, "truth": _as_answered(row["truth"], answer), "answer": _brief(answer)}
            for row, answer in zip(self.rows, answers, strict=True)
        ]


def _known(rid: int, row: Mapping[str, Any], task: Task) -> dict[str, Any]:
    inputs = [(name, _words(row.get(name))) for name in task.columns]
    said = [(name, words) for name, words in inputs if words]
    # Of several columns each is named; a text speaks for itself.
    told = said[0][1] if len(said) == 1 else ", ".join(f"{name} {words}" for name, words in said)
    # What goes on with its own input has no answer beside it.
    truth = None if task.target in task.columns else _truth(task.truth(row.get(task.target)))
    return {"row": rid, "input": told[:LONGEST], "truth": truth}


def _words(value: object) -> str:
    """A value in words; nothing for what is not read as words, such as a picture or a sound."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:LONGEST] if isinstance(value, str | int | bool) else ""


def _truth(value: Any) -> Any:
    """What was to be answered, in the form of an answer; None where it cannot be told in words."""
    match value:
        case str():
            return value[:LONGEST]
        case bool() | int() | float():
            return value
        case [str(), *_]:
            return {"labels": value}
        case dict():
            return value
    return None


def _as_answered(truth: Any, answer: Any) -> Any:
    """The truth as a label where the answer is one: a class 1.0 is called 1."""
    return label_text(truth) if isinstance(answer, dict) and "label" in answer else truth


def _brief(answer: Any) -> Any:
    """An answer without the scores of all the labels that were not chosen."""
    match answer:
        case {"scores": _}:
            return {name: value for name, value in answer.items() if name != "scores"}
        case {"text": str(text)}:
            return {**answer, "text": text[:LONGEST]}
    return answer
