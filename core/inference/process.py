"""The engine for a process that must stay light: a client of the one that holds torch."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from core.augmentation.example import Cell, Example
from core.errors import LeptonError
from core.generation.chat import Prompt
from core.generation.pieces import Ending, Piece
from core.generation.sampling import Sampling
from core.inference.cache import CACHE_BYTES
from core.inference.connection import Asked, Connection
from core.inference.door import Door
from core.inference.faults import fault
from core.inference.hearing import Hear, Pieces
from core.inference.messages import Answer, Embedded, Row, packed, unpacked
from core.workspace import Workspace, written_path

Told = TypeVar("Told")


class EngineProcess:
    """Answers rows in a process that all of this user share, by a socket that no other can open.

    It starts at the first request, and again after a crash, which fails the requests that were
    waiting, each with a plain error, and no others. It leaves when nobody has asked for a while.
    Thread-safe.
    """

    def __init__(
        self,
        workspace: Workspace,
        device: str = "auto",
        *,
        runtime: str = "torch",
        cache_bytes: int = CACHE_BYTES,
        threads: int | None = None,
    ) -> None:
        self._door = Door(
            {
                "home": str(workspace.home),
                "device": device,
                "runtime": runtime,
                "cache_bytes": cache_bytes,
                "threads": threads,
            }
        )
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The engine's process id; None as long as it has not been heard of."""
        connection = self._connection
        return connection.pid if connection is not None and connection.alive else None

    def reply_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have replies come on an event loop from now on, for who awaits them there: he is told
        without another thread in between, and may ask from there, but not block it for a reply."""
        self._loop = loop

    def start(self) -> None:
        """Start it without waiting for it, so that the first request finds it warm."""
        self._submit("ping")

    def load(self, ref: str, timeout: float | None = None) -> None:
        """Have a model in memory.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged, the engine ended, or the time is over.
        """
        _wait(self._submit("load", model=whole_ref(ref)), timeout)

    def predict(self, ref: str, rows: Sequence[Row], timeout: float | None = None) -> list[Answer]:
        """One answer for each row, in order; waits up to `timeout` seconds, or for ever.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged, the engine ended, or the time is over.
        """
        return _wait(self.submit(ref, rows), timeout)

    def submit(self, ref: str, rows: Sequence[Row]) -> Future[list[Answer]]:
        """Ask without waiting: the answers come in the future, or what `predict` raises does.

        A future that is cancelled takes its request back; `EngineEnded` is raised by it when the
        engine ends before it has answered.
        """
        asked = [row.to_json() for row in rows]
        return self._submit("predict", _answers, model=whole_ref(ref), rows=asked)

    def stream(
        self, ref: str, prompt: Prompt, sampling: Sampling, hear: Callable[[Piece], None]
    ) -> Future[Ending]:
        """Have a text or a conversation gone on with, without waiting: `hear` is told each part of
        it as it comes, on a thread that it may not hold up. The future says how it ended, or raises
        what `generate` does; who cancels it ends the answer.
        """
        said = prompt if isinstance(prompt, str) else [each.to_json() for each in prompt]
        asked = {"model": whole_ref(ref), "prompt": said, "sampling": sampling.to_json()}
        return self._submit("generate", Ending.from_json, hear, **asked)

    def generate(
        self, ref: str, prompt: Prompt, sampling: Sampling, idle: float | None = None
    ) -> Pieces:
        """What a text or a conversation goes on with, as it comes; who closes it ends it.

        Waits up to `idle` seconds for each part, or for ever.

        Raises:
            UsageError: there is no such model, it does not go on with texts, the prompt has more
                pieces than it takes, or the settings cannot be.
            LeptonError: its folder is damaged, the model cannot go on, the engine ended, or nothing
                came for so long.
            Busy: too many answers wait.
        """
        return Pieces(lambda hear: self.stream(ref, prompt, sampling, hear), idle)

    def embed(self, ref: str, texts: Sequence[str]) -> Future[list[Embedded]]:
        """A vector for each text, without waiting: the future has them, or raises what is wrong.

        UsageError: there is no such model, it makes no vectors of texts, or a text is too long.
        Busy: too many texts wait. LeptonError: the engine ended, or the folder is damaged.
        """
        return self._submit("embed", _vectors, model=whole_ref(ref), texts=list(texts))

    def augment(
        self,
        words: Sequence[str],
        kind: str,
        rows: Sequence[tuple[int, Cell | None]],
        epochs: Sequence[int],
        *,
        objects: Sequence[object] | None = None,
        seed: int = 0,
        timeout: float | None = None,
    ) -> list[Example]:
        """What the augmentations make of cells of a kind; see `core.augmentation.examples`.

        Raises:
            UsageError: an augmentation cannot be.
            LeptonError: the engine ended, or the time is over.
        """
        cells = [[row, packed(cell)] for row, cell in rows]
        asked: dict[str, Any] = {
            "words": list(words),
            "kind": kind,
            "epochs": list(epochs),
            "seed": seed,
            "objects": None if objects is None else list(objects),
        }
        found = _wait(self._submit("augment", rows=cells, **asked), timeout)
        return [Example.from_json(unpacked(each)) for each in found]

    def close(self) -> None:
        """Hang up; requests that wait fail."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _submit(
        self,
        op: str,
        made: Callable[[Any], Any] = lambda result: result,
        hear: Hear | None = None,
        **fields: Any,
    ) -> Future[Any]:
        reply: Future[Any] = Future()
        self._ask(Asked({"id": next(self._ids), "op": op, **fields}, reply, made, hear))
        return reply

    def _ask(self, asked: Asked) -> None:
        with self._lock:
            if self._connection is None or not self._connection.alive:
                self._connection = Connection(self._door, self._ask, self._loop)
            connection = self._connection
        connection.send(asked)


def _wait(reply: Future[Told], timeout: float | None) -> Told:
    try:
        return reply.result(timeout)
    except TimeoutError:
        raise LeptonError(
            f"the engine did not answer within {timeout:g} s",
            hint="It may be loading a large model, or every core may be busy: ask again.",
        ) from None
    finally:
        reply.cancel()


def _answers(found: list[Any]) -> list[Answer]:
    return [Answer.from_json(answer) for answer in found]


def _vectors(found: list[Any]) -> list[Embedded]:
    for each in found:
        if isinstance(each, dict):
            raise fault(each["error"])
    return [Embedded(*each) for each in found]


def whole_ref(ref: str) -> str:
    """A folder's whole path: the engine is at home in another folder than this process."""
    return str(written_path(ref).absolute()) if "/" in ref else ref
