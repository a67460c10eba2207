"""A model in memory: it answers rows, by the batch, and a row that it cannot answer fails alone."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch
from torch import nn

from core.devices.facts import choose_threads
from core.errors import LeptonError, UsageError
from core.generation.decoder import Decoder
from core.inference import calibration
from core.inference.cache import CACHE_BYTES
from core.inference.calibration import Calibration, Others
from core.inference.examples import as_tensors, count, take
from core.inference.faults import as_error
from core.inference.forward import Array, solved, to_device
from core.inference.halves import in_halves
from core.inference.lane import Lane
from core.inference.messages import Answer, Embedded, Row, contents
from core.inference.streams import Streams
from core.models.graph import Graph
from core.models.registry import ModelFolder
from core.tasks.base import Task
from core.tasks.rows import PATH

if TYPE_CHECKING:
    from core.tasks.base import Arrays

Given: TypeAlias = Row | Mapping[str, Any] | str | Path

EMBEDDED = 16
"""Texts that become vectors at once."""
NO_ANSWER = "the model cannot answer this"
UNMEASURED = 64
"""Rows in a batch as long as no row could be measured with."""


@dataclass
class Loaded:
    """A model in memory, ready to answer.

    `threads` are the processor threads of one call, None: as many as are quickest. Its line holds
    `queue` rows at most. What it and the texts that it goes on with hold is `bytes` in all, and
    `most_bytes` at most, where a part of that is enough for the model.
    """

    folder: ModelFolder
    task: Task
    module: nn.Module
    device: torch.device
    threads: int | None = None
    queue: int | None = None
    most_bytes: int = CACHE_BYTES
    calibration: Calibration | None = field(init=False)
    lane: Lane[Given, Answer] = field(init=False)
    """The line of rows that wait for it."""
    embedding: Lane[str, Embedded | LeptonError] = field(init=False)
    """The line of texts that are to become vectors."""
    streams: Streams = field(init=False)
    """Answers that come piece by piece."""
    _weights: int = field(init=False)
    """Bytes of its parameters and buffers, or of its graph."""
    _measured: Path = field(init=False)
    _example: tuple[Given, Mapping[str, Any]] | None = field(init=False, default=None)
    _others: Others = field(init=False, default_factory=Others)
    """Since when nobody else must use the processors, for it to be measured again."""

    def __post_init__(self) -> None:
        self._weights = _bytes(self.module)
        self._measured = calibration.file_of(self.folder.path, self.module)
        self.calibration = calibration.load(self._measured, self.device)
        # Weak, for objects that hold each other are found by the collector alone, and what was
        # frozen for its sake it does not look at.
        me = weakref.proxy(self)
        answer = lambda rows: me.answer(rows)  # noqa: E731, PLW0108 - its method is strong
        self.lane = Lane(
            answer, lambda: me.rows, self.queue, partial(_calibrate, weakref.ref(self))
        )
        self.embedding = Lane(lambda texts: me.embed(texts), lambda: EMBEDDED, self.queue)  # noqa: PLW0108
        room = max(self.most_bytes - self._weights, self.most_bytes // 4)
        self.streams = Streams(lambda: me.decoder(), self.queue, room)  # noqa: PLW0108 - the same

    @property
    def bytes(self) -> int:
        return self._weights + self.streams.bytes

    @property
    def rows(self) -> int:
        """How many rows it answers at once."""
        return self.calibration.rows if self.calibration else min(UNMEASURED, self.task.at_once)

    def close(self) -> None:
        self.lane.close()
        self.streams.close()
        self.embedding.close()

    def embed(self, texts: Sequence[str]) -> list[Embedded | LeptonError]:
        """A vector for each text: the mean of what the module makes of its pieces.

        A text that has none fails alone.
        """

        def alone(_: Sequence[str], error: Exception) -> list[Embedded | LeptonError]:
            return [as_error(error, NO_ANSWER)]

        torch.set_num_threads(self.threads or 1)
        return [each for part in in_halves(texts, self._embedded, alone) for each in part]

    def _embedded(self, texts: Sequence[str]) -> list[Embedded | LeptonError]:
        rows = [self.task.row(text) for text in texts]
        examples = as_tensors(self.task.encode(rows, target=False))
        batch = to_device(take(examples, torch.arange(len(rows))), self.device)
        with torch.inference_mode():
            tokens, length = self.task.inputs(batch)[0], batch["tokens_length"]
            made = self.module.embedded(tokens, length)  # type: ignore[operator]
        return [*map(Embedded, made.float().cpu().tolist(), length.tolist())]

    @property
    def embeds(self) -> bool:
        """Whether it can make vectors of texts."""
        return hasattr(self.module, "embedded")

    def decoder(self) -> Decoder:
        """The module, ready to go on with texts on the thread that asks for it."""
        known = self.calibration.threads(1) if self.calibration else choose_threads()
        torch.set_num_threads(self.threads or known)
        return cast("Decoder", self.module)

    def calibrate(self) -> None:
        """Find out, once, how many rows at once, and on how many threads, it answers quickest.

        It takes a row that it has answered; whoever asked for that has the answer by now. What
        others were in the way of is found out again once they are not, and nobody waits.
        """
        if self._example is None or (self.calibration and not self._may_measure_again()):
            return
        (row, columns), self._example = self._example, None
        self.calibration = calibration.measure(
            lambda rows: self._answered([row] * rows, [columns] * rows),
            self.task.at_once,
            self.device,
            self.threads,
        )
        self._others = Others()
        if self.calibration is not None and self.is_measured:
            calibration.save(self._measured, self.device, self.calibration)

    @property
    def is_measured(self) -> bool:
        """Whether nothing is left to find out of how it answers quickest."""
        return self.calibration is not None and self.calibration.lasting

    def foresees(self, rows: Sequence[Given]) -> bool:
        """Whether these, which are not large, take about as long as the last ones did: nothing is
        left to measure, no text is to be written, and no file to be opened, which may take for
        ever."""
        return (
            self.is_measured
            and self.task.gives != "text"
            and (self.task.reads == "table" or not any(map(_opens, rows)))
        )

    def _may_measure_again(self) -> bool:
        if self._others.seconds < calibration.AGAIN_SECONDS or self.lane.waiting:
            return False
        free = self._others.share() < calibration.BUSY
        self._others = Others()
        return free

    def answer(self, rows: Sequence[Given]) -> list[Answer]:
        """One answer for each row of a batch, from a thread that is the model's own."""
        parts = in_halves(
            rows,
            self._told,
            lambda row, error: [Answer(_name(row[0]), error=as_error(error, NO_ANSWER))],
        )
        return [answer for part in parts for answer in part]

    def use_threads(self, rows: int) -> None:
        """Have what this thread does next take as many of the processor's as suit so many rows."""
        known = self.calibration
        torch.set_num_threads(self.threads or (known.threads(rows) if known else 1))

    def _told(self, rows: Sequence[Given]) -> list[Answer]:
        named = [_name(given) for given in rows]
        # A row that fails does so alone in the end: only then is its name told.
        alone = named[0] if len(rows) == 1 else None
        columns = [_columns(self.task, each, alone) for each in rows]
        self.use_threads(len(rows))
        told = self._answered(rows, columns)
        if not self.is_measured:
            self._example = rows[0], columns[0]
        return [Answer(name, output) for name, output in zip(named, told, strict=True)]

    def _answered(self, rows: Sequence[Given], columns: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What the task tells of each row, from its columns to the answer."""
        try:
            arrays = self.task.encode(columns, target=False)
        except LeptonError as error:
            if all(isinstance(row, Row) and row.typed for row in rows):
                raise UsageError(error.what, where=error.where, hint=error.hint) from error
            raise
        return self.task.answers(self.found(arrays))

    def found(self, arrays: Arrays) -> Array:
        """What answers are made of, float32 [n, …], from encoded rows; all in one batch.

        Raises:
            LeptonError: some of it is no number.
        """
        examples = as_tensors(arrays)
        rows = count(examples)
        found = solved(self.module, self.task, examples, device=self.device, batch_size=rows)
        if not np.isfinite(found).all():
            raise LeptonError(
                "the model's output is not a number", hint="Train it again, or try a checkpoint."
            )
        return found


def _calibrate(model: weakref.ref[Loaded]) -> None:
    """Unless it was let go meanwhile."""
    if (there := model()) is not None:
        there.calibrate()


def _bytes(module: nn.Module) -> int:
    if isinstance(module, Graph):
        return len(module.graph)
    return sum(each.nbytes for each in (*module.parameters(), *module.buffers()))


def _name(given: Given) -> str:
    if isinstance(given, Row):
        return given.input
    if isinstance(given, Mapping):
        return " ".join(f"{name}={_shown(value)}" for name, value in given.items())
    return str(given)


def _shown(value: object) -> object:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else value


def _columns(task: Task, given: Given, name: str | None) -> Mapping[str, Any]:
    """The columns of a row, with files read, and the name by which an error is to call it."""
    if isinstance(given, Row) and given.error is not None:
        raise given.error
    row = given.values if isinstance(given, Row) else task.row(given)
    if name is not None and PATH not in task.columns:
        row = {PATH: name, **row}
    if task.reads == "table":
        return row  # No cell of a table is a file, and to look at each of a wide row takes a while.
    return {**row, **{column: contents(path) for column, path in _files(row)}}


def _opens(given: Given) -> bool:
    """Whether a file may have to be read for it."""
    return not isinstance(given, Row) or bool(_files(given.values))


def _files(row: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """The columns that name a file."""
    return [(column, value) for column, value in row.items() if isinstance(value, Path)]
