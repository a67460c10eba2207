"""The engine for a process that must stay light: a client of a child that holds torch."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from core.augmentation.example import Cell, Example
from core.errors import LeptonError, UsageError
from core.inference.faults import EngineEnded
from core.inference.messages import Answer, Row, packed, unpacked
from core.workspace import Workspace

CACHE_BYTES = 4 << 30
GOODBYE_SECONDS = 2.0


class EngineProcess:
    """Answers rows in a child process, which starts at the first request and after a crash.

    Thread-safe. A crash fails the requests that were waiting, each with a plain error, and no
    others. The child leaves when it is closed, or when this process ends in whatever way.
    """

    def __init__(
        self,
        workspace: Workspace,
        device: str = "auto",
        *,
        cache_bytes: int = CACHE_BYTES,
        threads: int = 1,
    ) -> None:
        self._settings = {
            "home": str(workspace.home),
            "device": device,
            "cache_bytes": cache_bytes,
            "threads": threads,
        }
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        child = self._child
        return child.process.pid if child is not None and child.alive else None

    def start(self) -> None:
        """Start the child without waiting for it, so that the first request finds it warm."""
        self._submit("ping")

    def load(self, ref: str, timeout: float | None = None) -> None:
        """Have a model in memory.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged, the child ended, or the time is over.
        """
        self._wait("load", timeout, model=_whole(ref))

    def predict(self, ref: str, rows: Sequence[Row], timeout: float | None = None) -> list[Answer]:
        """One answer for each row, in order; waits up to `timeout` seconds, or for ever.

        Raises:
            UsageError: there is no such model.
            LeptonError: its folder is damaged, the child ended, or the time is over.
        """
        packed = [row.to_json() for row in rows]
        found = self._wait("predict", timeout, model=_whole(ref), rows=packed)
        return [Answer.from_json(answer) for answer in found]

    def submit(self, ref: str, rows: Sequence[Row]) -> Future[list[Answer]]:
        """Ask without waiting: the answers come in the future, or what `predict` raises does.

        A future that is cancelled takes its request back; `EngineEnded` is raised by it when the
        child ends before it has answered.
        """
        packed = [row.to_json() for row in rows]
        child, number, reply = self._submit("predict", model=_whole(ref), rows=packed)
        answers: Future[list[Answer]] = Future()

        def hear(done: Future[Any]) -> None:
            if not answers.set_running_or_notify_cancel():
                return
            if (error := done.exception()) is not None:
                answers.set_exception(error)
            else:
                answers.set_result([Answer.from_json(answer) for answer in done.result()])

        def take_back(asked: Future[list[Answer]]) -> None:
            if asked.cancelled():
                child.cancel(number)

        answers.add_done_callback(take_back)
        reply.add_done_callback(hear)
        return answers

    def augment(
        self,
        words: Sequence[str],
        kind: str,
        rows: Sequence[tuple[int, Cell | None]],
        epochs: Sequence[int],
        *,
        seed: int = 0,
        timeout: float | None = None,
    ) -> list[Example]:
        """What the augmentations make of cells of a kind; see `core.augmentation.examples`.

        Raises:
            UsageError: an augmentation cannot be.
            LeptonError: the child ended, or the time is over.
        """
        cells = [[row, packed(cell)] for row, cell in rows]
        asked = {"words": list(words), "kind": kind, "epochs": list(epochs), "seed": seed}
        found = self._wait("augment", timeout, rows=cells, **asked)
        return [Example.from_json(unpacked(each)) for each in found]

    def close(self) -> None:
        """End the child; requests that wait fail."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.close()

    def _wait(self, op: str, timeout: float | None, **fields: Any) -> Any:
        child, number, reply = self._submit(op, **fields)
        try:
            return reply.result(timeout)
        except TimeoutError:
            child.cancel(number)
            raise LeptonError(
                f"the engine did not answer within {timeout:g} s",
                hint="It may be loading a large model, or every core may be busy: ask again.",
            ) from None

    def _submit(self, op: str, **fields: Any) -> tuple[_Child, int, Future[Any]]:
        number = next(self._ids)
        with self._lock:
            if self._child is None or not self._child.alive:
                self._child = _Child(self._settings)
            child = self._child
        return child, number, child.send(number, {"id": number, "op": op, **fields})


def _whole(ref: str) -> str:
    """A folder's whole path: this process may have moved since the child started."""
    return str(Path(ref).expanduser().absolute()) if "/" in ref else ref


class _Child:
    """One life of the engine's process, with the requests that wait for it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        # A file without a name: it cannot fill up like a pipe, and nothing is left behind.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.inference.server", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(settings["threads"]),
                "OMP_WAIT_POLICY": "PASSIVE",
            },
        )
        self._pending: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self.alive = True
        self._reader = threading.Thread(target=self._read, name="engine-replies", daemon=True)
        self._reader.start()

    def send(self, number: int, request: dict[str, Any]) -> Future[Any]:
        """Ask; the future fails when the child ends before it answers."""
        reply: Future[Any] = Future()
        with self._lock:
            gone = not self.alive
            if not gone:
                self._pending[number] = reply
        if gone:
            reply.set_exception(self._ended())
            return reply
        self._write(request)
        return reply

    def cancel(self, number: int) -> None:
        """Nobody waits for this request any more."""
        with self._lock:
            self._pending.pop(number, None)
        self._write({"id": 0, "op": "cancel", "request": number})

    def close(self) -> None:
        self._closed = True
        with self._writing:
            assert self.process.stdin is not None
            with suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._reader.join()

    def _write(self, request: dict[str, Any]) -> None:
        line = json.dumps(request).encode() + b"\n"
        with self._writing:
            assert self.process.stdin is not None
            try:
                self.process.stdin.write(line)
                self.process.stdin.flush()
            except (OSError, ValueError):
                # It ended or was closed: the reader fails what waits.
                return

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._hear(line)
        finally:
            self.process.wait()
            with self._lock:
                self.alive = False
                left = list(self._pending.values())
                self._pending.clear()
            for waiting in left:
                waiting.set_exception(self._ended())
            self.process.stdout.close()

    def _hear(self, line: bytes) -> None:
        # Before the server has standard output to itself, a start-up file may print there.
        if not line.startswith(b'{"id"'):
            return
        reply = json.loads(line)
        with self._lock:
            waiting = self._pending.pop(reply["id"], None)
        if waiting is None:
            return
        if "error" in reply:
            kind = UsageError if reply["error"]["usage"] else LeptonError
            waiting.set_exception(kind.from_json(reply["error"]))
        else:
            waiting.set_result(reply["result"])

    def _ended(self) -> LeptonError:
        if self._closed:
            return LeptonError("the engine was closed before it answered")
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        hint = "Ask again: it starts anew."
        if code == -signal.SIGKILL:
            hint += " If memory ran out, try fewer rows or a smaller model."
        return EngineEnded(
            f"the engine ended while it was at work ({how})", where=self._last_words(), hint=hint
        )

    def _last_words(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        lines = (
            os.pread(self._log.fileno(), 4096, max(0, size - 4096))
            .decode(errors="replace")
            .split("\n")
        )
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
