"""Answers as OpenAI's clients read them: whole, or as events while they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from pydantic_core import to_json

from core.errors import LeptonError
from core.generation.chat import Prompt
from core.generation.pieces import Ending, Piece, Token
from core.serving.openai_shapes import chat_logprobs, text_logprobs, timings, usage

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Answers:
    """The answers to one request: to each of its prompts `each` so many, from a model, at the
    address `path`. Of those, the `best` are given, if they are not all.

    `before` is what each answer begins with: its prompt, where that is asked for. With `likely`
    each part says how likely its tokens were.
    """

    path: str
    model: str
    each: int
    best: int
    before: Sequence[str]
    likely: bool
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def to(cls, path: str, model: str, asked: Mapping[str, Any], prompts: Sequence[Prompt]) -> Self:
        """Those that a request asks for."""
        best = asked.get("n") or 1
        each = asked.get("best_of") or best
        echoed = [one if asked.get("echo") and isinstance(one, str) else "" for one in prompts]
        before = [one for one in echoed for _ in range(each)]
        # 0 asks for them, without any others.
        likely = asked.get("logprobs") is not None and asked["logprobs"] is not False
        return cls(path, model, each, best, before, likely)

    @property
    def count(self) -> int:
        return len(self.before)

    async def whole(self, parts: AsyncGenerator[tuple[int, Piece]]) -> dict[str, Any]:
        """The document of all of them, once they have come."""
        texts, endings = [*self.before], dict[int, Ending]()
        tokens: list[list[Token]] = [[] for _ in self.before]
        async with aclosing(parts):
            async for at, piece in parts:
                texts[at] += piece.text
                tokens[at] += piece.tokens
                if piece.ending is not None:
                    endings[at] = piece.ending
        ends = [endings[at] for at in range(self.count)]
        choices = [
            self._choice(index, texts[at], ends[at], tokens[at])
            for index, at in enumerate(self._given(tokens))
        ]
        return {
            **self._head("chat.completion"),
            "choices": choices,
            "usage": usage(ends, self.each),
            "timings": timings(ends),
        }

    async def events(
        self,
        parts: AsyncGenerator[tuple[int, Piece]],
        fault: Callable[[LeptonError], Mapping[str, Any]],
        *,
        with_usage: bool,
    ) -> AsyncGenerator[bytes]:
        """The events of a stream. What goes wrong after the first of them is an event too, as
        `fault` writes it."""
        more = {"usage": None} if with_usage else {}
        endings: dict[int, Ending] = {}
        async with aclosing(parts):
            at, piece = await anext(parts)
            # Nothing was sent before the first part: it decides the status.
            yield b"".join(self._event(self._begun(each), **more) for each in range(self.count))
            try:
                while True:
                    if piece.text or piece.tokens:
                        part = self._part(at, piece.text, None, piece.tokens)
                        yield self._event(part, **more)
                    if piece.ending is not None:
                        endings[at] = piece.ending
                        yield self._event(self._part(at, "", piece.ending.reason), **more)
                    if len(endings) == self.count:
                        break
                    at, piece = await anext(parts)
            except LeptonError as error:
                yield _line({"error": fault(error)})
                return
        if with_usage:
            ends = [endings[each] for each in range(self.count)]
            yield self._event(usage=usage(ends, self.each), timings=timings(ends))
        yield DONE

    def _given(self, tokens: Sequence[Sequence[Token]]) -> list[int]:
        """Those that are given; of several to a prompt the likeliest by the token, as OpenAI has
        it."""

        def likely(at: int) -> float:
            begins = len(self.before[at])
            said = [each.logprob for each in tokens[at] if each.offset >= begins]
            return sum(said) / max(1, len(said))

        prompts = [range(at, at + self.each) for at in range(0, self.count, self.each)]
        if self.best == self.each:
            return [at for each in prompts for at in each]
        return [at for each in prompts for at in sorted(each, key=likely)[: -self.best - 1 : -1]]

    @property
    def _is_chat(self) -> bool:
        return self.path == CHAT

    def _head(self, chat: str) -> dict[str, Any]:
        prefix, made = ("chatcmpl", chat) if self._is_chat else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.id}",
            "object": made,
            "created": self.created,
            "model": self.model,
        }

    def _choice(
        self, index: int, text: str, ending: Ending, tokens: Sequence[Token]
    ) -> dict[str, Any]:
        said: dict[str, Any] = {"text": text}
        if self._is_chat:
            said = {"message": {"role": "assistant", "content": text, "refusal": None}}
        likely = self._logprobs(tokens) if self.likely else None
        return {"index": index, **said, "logprobs": likely, "finish_reason": ending.reason}

    def _logprobs(self, tokens: Sequence[Token]) -> dict[str, Any]:
        return chat_logprobs(tokens) if self._is_chat else text_logprobs(tokens)

    def _begun(self, index: int) -> dict[str, Any]:
        if not self._is_chat:
            return self._part(index, self.before[index], None)
        begun = {"delta": {"role": "assistant", "content": ""}}
        return {"index": index, **begun, "logprobs": None, "finish_reason": None}

    def _part(
        self, index: int, text: str, reason: str | None, tokens: Sequence[Token] = ()
    ) -> dict[str, Any]:
        said: dict[str, Any] = {"text": text}
        if self._is_chat:
            said = {"delta": {"content": text} if text or tokens else {}}
        likely = self._logprobs(tokens) if tokens else None
        return {"index": index, **said, "logprobs": likely, "finish_reason": reason}

    def _event(self, *choices: Mapping[str, Any], **more: Any) -> bytes:
        return _line({**self._head("chat.completion.chunk"), "choices": choices, **more})


async def merged(answers: Sequence[AsyncGenerator[Piece]]) -> AsyncGenerator[tuple[int, Piece]]:
    """The parts of several answers as they come, each with the number of its answer."""
    coming = {asyncio.ensure_future(anext(each)): (at, each) for at, each in enumerate(answers)}
    try:
        while coming:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                at, answer = coming.pop(one)
                piece = one.result()
                if piece.ending is None:
                    coming[asyncio.ensure_future(anext(answer))] = at, answer
                yield at, piece
    finally:
        for one in coming:
            one.cancel()
        if coming:
            await asyncio.wait(coming)
        for answer in answers:
            await answer.aclose()


def _line(document: Mapping[str, Any]) -> bytes:
    return b"data: " + to_json(document, inf_nan_mode="null") + b"\n\n"
