"""Talking with a model behind the engine: asked, answered, asked again, and kept as it is said."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import LeptonError, UsageError
from core.generation.pieces import Ending, Piece, Token
from core.generation.sampling import Sampling
from core.inference.conversations import Conversation, Turn
from core.workspace import written_path

if TYPE_CHECKING:
    from core.inference.hearing import Pieces
    from core.inference.process import EngineProcess


class Talk:
    """A conversation and the engine that goes on with it.

    An answer is read piece by piece, and kept when it ends, however that comes about: what was said
    until then is kept as stopped where it is closed, where `stop` is called from another thread, or
    where the engine ends. A question that cannot be answered at all is taken back. A conversation
    that somebody removed meanwhile is not gone on with.
    """

    def __init__(self, engine: EngineProcess, kept: Conversation) -> None:
        self.kept = kept
        self._engine = engine
        self._asked: Pieces | None = None

    def ask(self, question: str) -> Generator[Piece]:
        """The answer to a question, to be read to its end or closed; it raises what `generate`
        does.

        Raises:
            UsageError: the conversation was removed.
        """
        self._check_there()
        self.kept.say("user", question)
        return self._answer()

    def retry(self) -> Generator[Piece]:
        """Another answer to the last question.

        Raises:
            UsageError: nothing was asked yet, or the conversation was removed.
        """
        self._check_there()
        self._take_back(self._last_question() + 1)
        return self._answer()

    def edit(self, question: str) -> Generator[Piece]:
        """The answer to the last question, asked in other words; raises what `retry` does."""
        self._check_there()
        self._take_back(self._last_question())
        return self.ask(question)

    @property
    def question(self) -> str:
        """The last question; raises what `retry` does."""
        return self.kept.turns[self._last_question()].message.content

    def stop(self) -> None:
        """End the answer that is being read, from any thread."""
        if self._asked is not None:
            self._asked.close()

    def _check_there(self) -> None:
        if self.kept.removed:
            raise UsageError("this conversation was removed", hint="Begin another one.")

    def _last_question(self) -> int:
        turns = self.kept.turns
        asked = [at for at, turn in enumerate(turns) if turn.message.role == "user"]
        if not asked:
            raise UsageError("nothing was asked yet")
        return asked[-1]

    def _take_back(self, since: int) -> list[Turn]:
        return self.kept.take_back(len(self.kept.turns) - since)

    def _answer(self) -> Generator[Piece]:
        kept, said, tokens = self.kept, list[str](), list[Token]()
        ending: Ending | None = None
        unanswered = False
        try:
            sampling = Sampling.of(kept.settings)
            self._asked = self._engine.generate(kept.model, kept.messages, sampling)
            with closing(self._asked) as asked:
                for piece in asked:
                    said.append(piece.text)
                    tokens += piece.tokens
                    ending = piece.ending
                    yield piece
        except LeptonError:
            unanswered = not said
            raise
        finally:
            self._asked = None
            if unanswered:
                kept.take_back(1)
            else:
                text = "".join(said)
                stopped = ending is None
                kept.say("assistant", text, ending=ending, stopped=stopped, tokens=tokens)


def schema_in(path: Path) -> str:
    """The text of a JSON schema's file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return written_path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"the schema cannot be read: {why}", where=str(path)) from error
