"""A language model's lane for answers that come piece by piece.

One thread takes all that are at work one step further, again and again: those whose prompts are
read in one pass of the model together, since that takes little longer than for one alone. A prompt
is read in parts in between, so a long one holds nobody up. What all of them remember is bounded:
when it is too much the newest is set aside, and later reads anew what was said.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from core.generation.decoder import Decoder
from core.generation.generation import Generation, advance
from core.generation.pieces import Ending, Piece
from core.inference import threads
from core.inference.faults import Busy, as_error
from core.inference.lane import IDLE_SECONDS

AT_WORK = 16
"""Answers that are at work at once."""
WAITING = 256
"""Answers that wait for one of those to end, where no other bound is set."""


class Stream:
    """One answer on its way: `hear` is told each part of it, and `ending` how it ended.

    Who cancels `ending` takes it back.
    """

    def __init__(self, generation: Generation, hear: Callable[[Piece], None]) -> None:
        self.generation = generation
        self.ending: Future[Ending] = Future()
        self._hear = hear
        self.turns = 0
        """Steps that it has had."""
        self.needs = 0
        """Bytes that it remembered when it was set aside."""

    @property
    def over(self) -> bool:
        return self.generation.over or self.ending.cancelled()

    def tell(self) -> None:
        """Tell what has come, unless nobody listens any more."""
        if self.ending.cancelled():
            return
        if piece := self.generation.take():
            self._hear(piece)
        if self.generation.error is not None:
            self.fail(self.generation.error)
        elif self.generation.ending and self.ending.set_running_or_notify_cancel():
            self.ending.set_result(self.generation.ending)

    def fail(self, error: Exception) -> None:
        if self.ending.set_running_or_notify_cancel():
            self.ending.set_exception(error)


class Streams:
    """The answers of one model that are at work, and the line of those that wait; thread-safe.

    `decoder` gives the model, ready for a step on the thread that asks for it. The thread starts
    with the first answer and leaves when it is idle. Those at work remember `room` bytes together;
    one goes on however much it is.
    """

    def __init__(
        self,
        decoder: Callable[[], Decoder],
        bound: int | None = None,
        room: float = math.inf,
    ) -> None:
        self._decoder = decoder
        self._bound = WAITING if bound is None else bound
        self._room = room
        self._line: deque[Stream] = deque()
        self._changed = threading.Condition()
        self._running: list[Stream] = []
        self._works = False
        self._closed = False

    def ask(self, generation: Generation, hear: Callable[[Piece], None]) -> Future[Ending]:
        """Have a text gone on with. `hear` is called on the lane's thread and may not wait.

        Raises:
            Busy: too many wait.
        """
        stream = Stream(generation, hear)
        with self._changed:
            waiting = len(self._line)
            if waiting and waiting >= self._bound:
                raise Busy(f"{waiting:,} answers wait already", hint="Ask again in a while.")
            self._line.append(stream)
            if not self._works:
                self._works = True
                threads.start(self._work, "streams", self._wake)
            self._changed.notify()
        stream.ending.add_done_callback(lambda _: self._leave(stream))
        return stream.ending

    @property
    def waiting(self) -> int:
        """Answers that wait, and those that are at work."""
        with self._changed:
            return len(self._line) + len(self._running)

    @property
    def bytes(self) -> int:
        """What those at work remember."""
        return sum(each.generation.bytes for each in [*self._running])

    def close(self) -> None:
        """Let the thread leave as soon as nothing is at work, so that it holds on to no model."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _leave(self, stream: Stream) -> None:
        """Take one that is over out of the line; most have left it by then."""
        with self._changed:
            if stream in self._line:
                self._line.remove(stream)

    def _work(self) -> None:
        while running := self._admit():
            self._step(running)
            over = [stream for stream in running if stream.over]
            with self._changed:
                self._running = [stream for stream in running if stream not in over]
            for stream in running:
                stream.tell()
            self._make_room()

    def _make_room(self) -> None:
        """Set the newest aside, as long as all together remember too much."""
        with self._changed:
            while len(self._running) > 1 and self.bytes > self._room:
                newest = self._running.pop()
                newest.needs = newest.generation.set_aside()
                self._line.appendleft(newest)

    def _fits(self, next: Stream) -> bool:
        if not self._running:
            return True
        # One that was set aside will remember as much again as soon as it has read.
        held = sum(max(each.generation.bytes, each.needs) for each in self._running)
        return len(self._running) < AT_WORK and held + next.needs <= self._room

    def _admit(self) -> list[Stream]:
        """Those at work, with those for whom there is room; none when the thread is to leave."""
        with self._changed:
            if not self._running:
                self._changed.wait_for(
                    lambda: self._line or self._closed or threads.leaving(), IDLE_SECONDS
                )
            if threads.leaving():
                self._works = False
                return []
            while self._line and self._fits(self._line[0]):
                self._running.append(self._line.popleft())
            self._works = bool(self._running)
            return [*self._running]

    def _step(self, running: list[Stream]) -> None:
        """One step of each: of one whose prompt is not read yet, and of all others together."""
        reading = [each for each in running if each.generation.is_reading]
        # The next prompt's turn comes before this one's next part.
        reading.sort(key=lambda each: each.turns)
        saying = [each for each in running if not each.generation.is_reading]
        for together in (reading[:1], saying):
            if not together:
                continue
            for each in together:
                each.turns += 1
            try:
                advance(self._decoder(), [each.generation for each in together])
            except Exception as error:
                for each in together:
                    each.generation.error = as_error(error, "the model cannot go on")
