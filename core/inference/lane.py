"""A model's lane: rows that wait are answered together, by one thread, and nothing waits for more.

There is no fixed wait for a fuller batch: it makes a lone request slower and a busy service no
quicker. While a batch is being answered others come, and those are the next batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from core.errors import UsageError
from core.inference import threads
from core.inference.faults import Busy

Given = TypeVar("Given")
Told = TypeVar("Told")

IDLE_SECONDS = 10.0
"""How long the thread stays when nothing waits."""
HERE_SECONDS = 0.005
"""So long may who asks be kept by the answer itself: to wake the thread takes a tenth of a
millisecond, which is a tenth of what a small model takes."""
REST = 100
"""Whoever was kept for longer is not kept again for so many times that long: how long rows take is
known only when they are answered, and nobody may hold up a loop with slow ones between quick."""


class Request(Generic[Given, Told]):
    """Rows that were asked together; `answers` has one answer for each, in their order."""

    def __init__(self, rows: Sequence[Given]) -> None:
        self.rows = rows
        self.answers: Future[list[Told]] = Future()
        self._taken = 0
        self._told: list[Told] = []

    @property
    def waiting(self) -> int:
        """Rows that no batch has taken yet."""
        return len(self.rows) - self._taken

    def take(self, most: int) -> Sequence[Given]:
        """The next rows, `most` at most."""
        start = self._taken
        self._taken += min(most, self.waiting)
        return self.rows[start : self._taken]

    def tell(self, answers: Sequence[Told]) -> None:
        """Add the answers to the rows that were taken; with the last one it is done."""
        self._told += answers
        if len(self._told) == len(self.rows) and self._is_awaited():
            self.answers.set_result(self._told)

    def fail(self, error: Exception) -> None:
        if self._is_awaited():
            self.answers.set_exception(error)

    def _is_awaited(self) -> bool:
        """Whether somebody waits for it still; then nobody can take it back any more."""
        return not self.answers.done() and self.answers.set_running_or_notify_cancel()


class Lane(Generic[Given, Told]):
    """The line of rows before one model; thread-safe.

    `answer` gives one answer for each row of a batch, of at most `batch()` rows. A request of very
    many rows goes to the end of the line after each batch, so that it keeps nobody waiting. The
    line holds up to `bound` rows, without a bound as many as come. The thread starts at the first
    request and leaves when it is idle; `after` is called on it when a batch was answered.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Given]], Sequence[Told]],
        batch: Callable[[], int],
        bound: int | None = None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._answer = answer
        self._batch = batch
        self._bound = bound
        self._after = after
        self._line: deque[Request[Given, Told]] = deque()
        self._lock = threading.RLock()
        self._bell: SimpleQueue[None] = SimpleQueue()
        """Rung when the thread waits: of a condition it would have to wait for the lock as well."""
        self._waits = False
        self._works = False
        self._closed = False
        self._turn = threading.Lock()
        """Held by who answers."""
        self._last_rows, self._last_seconds = 0, 0.0
        self._here_from = 0.0
        """When who asks may be kept again."""

    @property
    def waiting(self) -> int:
        """Rows that wait now."""
        with self._lock:
            return self._waiting()

    def ask(self, rows: Sequence[Given], *, here: bool = False) -> Future[list[Told]]:
        """Have rows answered; who cancels the future takes them out of the line at once.

        With `here` they may be answered before this returns, where that keeps nobody: the line is
        empty, and the last batch, of as many rows, was quick. `after` is not called then.

        Raises:
            Busy: more rows wait than the line may hold.
            UsageError: these rows alone are more.
        """
        request: Request[Given, Told] = Request(rows)
        if not rows:
            request.tell([])
            return request.answers
        request.answers.add_done_callback(lambda _: self._leave(request))
        with self._lock:
            self._find_room(len(rows))
            here = here and self._is_quick(len(rows)) and self._turn.acquire(blocking=False)
            if not here:
                self._line.append(request)
                if not self._works:
                    self._works = True
                    threads.start(self._work, "lane", self._ring)
        if here:
            try:
                self._tell([(request, request.take(len(rows)))])
                if self._last_seconds > HERE_SECONDS:
                    self._here_from = time.monotonic() + REST * self._last_seconds
            finally:
                self._turn.release()
        else:
            self._ring()
        return request.answers

    def close(self) -> None:
        """Let the thread leave as soon as nothing waits, so that it holds on to no model."""
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        """Have the thread look again, if it waits."""
        with self._lock:
            waits, self._waits = self._waits, False
        if waits:
            self._bell.put(None)

    def _waiting(self) -> int:
        return sum(request.waiting for request in self._line)

    def _find_room(self, rows: int) -> None:
        if self._bound is None:
            return
        if rows > self._bound:
            raise UsageError(
                f"{rows:,} rows at once are more than the queue holds",
                hint=f"Ask for {self._bound:,} at most.",
            )
        waiting = self._waiting()
        if waiting + rows > self._bound:
            raise Busy(
                f"{waiting:,} rows wait already",
                hint="Ask again in a while.",
                seconds=max(1.0, waiting * self._last_seconds / max(1, self._last_rows)),
            )

    def _is_quick(self, rows: int) -> bool:
        if self._line or rows > min(self._last_rows, self._batch()):
            return False
        return self._last_seconds <= HERE_SECONDS and time.monotonic() >= self._here_from

    def _leave(self, request: Request[Given, Told]) -> None:
        """Take a request that is over out of the line; most have left it by then."""
        if request.waiting:
            with self._lock:
                if request in self._line:
                    self._line.remove(request)

    def _work(self) -> None:
        while self._comes():
            # Until it is its turn they stay in line: they can leave, and none overtakes them.
            with self._turn:
                told = self._tell(self._taken())
            if told:
                self._after()

    def _tell(self, taken: list[tuple[Request[Given, Told], Sequence[Given]]]) -> bool:
        """Answer a batch; false where that failed, or there is none."""
        rows = [row for _, part in taken for row in part]
        if not rows:
            return False
        began = time.monotonic()
        try:
            told = self._answer(rows)
        except Exception as error:
            for request, _ in taken:
                request.fail(error)
            return False
        self._last_rows, self._last_seconds = len(rows), time.monotonic() - began
        at = 0
        for request, part in taken:
            request.tell(told[at : at + len(part)])
            at += len(part)
        return True

    def _comes(self) -> bool:
        """Wait until there are rows in line; false when the thread is to leave."""
        patient = True
        while True:
            with self._lock:
                if self._line and not threads.leaving():
                    return True
                if self._closed or not patient or threads.leaving():
                    self._works = self._waits = False
                    return False
                self._waits = True
            try:
                self._bell.get(timeout=IDLE_SECONDS)
            except Empty:
                patient = False

    def _taken(self) -> list[tuple[Request[Given, Told], Sequence[Given]]]:
        """The rows of the next batch, by request."""
        taken: list[tuple[Request[Given, Told], Sequence[Given]]] = []
        room = self._batch()
        with self._lock:
            while self._line and room:
                request = self._line.popleft()
                part = request.take(room)
                taken.append((request, part))
                room -= len(part)
                if request.waiting:
                    self._line.append(request)
        return taken
