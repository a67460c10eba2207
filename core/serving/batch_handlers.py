"""What the lines of a batch file can ask for: a handler for each URL.

A handler is given a line's body and begins the work; what it returns waits for it and gives the
document that the service would have answered with. So many lines are before the engine at once, and
another kind of request needs nothing but a handler of its own here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

from core.errors import UsageError
from core.generation.pieces import Piece
from core.inference.faults import Busy, EngineEnded
from core.inference.process import EngineProcess
from core.serving.endpoints import Deployed
from core.serving.openai_answers import CHAT, COMPLETIONS, Answers
from core.serving.openai_forms import prompts_of, read, sampling_of, texts_of
from core.serving.openai_routes import EMBEDDINGS, each_of, embeddings
from core.serving.predict_routes import predictions
from core.serving.problems import Refused
from core.serving.speaking import unusable

Finish: TypeAlias = Callable[[], dict[str, Any]]
Handler: TypeAlias = Callable[[Mapping[str, Any]], Finish]
Told = TypeVar("Told")

_TRIES = 5
"""How often a request is begun again where the engine ends each time."""


def handlers(deployed: Deployed, engine: EngineProcess) -> dict[str, Handler]:
    """The URLs that a model answers; raises of both steps: Refused, LeptonError."""
    predict = _again(_predict(deployed, engine))
    found = {f"/v1/models/{name}:predict": predict for name in (deployed.name, deployed.ref)}
    if deployed.task.talks:
        found[CHAT] = _again(_said(deployed, engine, CHAT))
        found[COMPLETIONS] = _again(_said(deployed, engine, COMPLETIONS))
    if deployed.form.medium == "text":
        found[EMBEDDINGS] = _again(_embedded(deployed, engine))
    return found


def _again(begin: Handler) -> Handler:
    """Begin once more what the engine was at work on when it ended."""

    def patiently(body: Mapping[str, Any]) -> Finish:
        finish = begin(body)

        def finished() -> dict[str, Any]:
            known = finish
            for _ in range(_TRIES):
                try:
                    return known()
                except (EngineEnded, Busy):
                    known = begin(body)
            return known()

        return finished

    return patiently


def _predict(deployed: Deployed, engine: EngineProcess) -> Handler:
    def begin(body: Mapping[str, Any]) -> Finish:
        asked = engine.submit(deployed.ref, deployed.form.rows(body))
        return lambda: predictions(deployed, asked.result())

    return begin


def _said(deployed: Deployed, engine: EngineProcess, path: str) -> Handler:
    def begin(body: Mapping[str, Any]) -> Finish:
        asked = read("ChatRequest" if path == CHAT else "CompletionRequest", body)
        _check_model(asked["model"], deployed)
        if asked.get("stream"):
            raise Refused(400, "a batch file is answered whole", where="stream")
        prompts = prompts_of(asked)
        answers = Answers.to(path, deployed.name, asked, prompts)
        said: list[list[Piece]] = [[] for _ in range(answers.count)]
        questions = each_of(prompts, sampling_of(asked), answers.each)
        ends = [
            engine.stream(deployed.ref, *one, pieces.append)
            for one, pieces in zip(questions, said, strict=True)
        ]

        async def parts() -> AsyncGenerator[tuple[int, Piece]]:
            for at, (pieces, end) in enumerate(zip(said, ends, strict=True)):
                ending = _result(end)
                for piece in pieces:
                    yield at, piece
                yield at, Piece("", ending)

        return lambda: asyncio.run(answers.whole(parts()))

    return begin


def _embedded(deployed: Deployed, engine: EngineProcess) -> Handler:
    def begin(body: Mapping[str, Any]) -> Finish:
        asked = read("EmbeddingRequest", body)
        _check_model(asked["model"], deployed)
        coming = engine.embed(deployed.ref, texts_of(asked))

        def finish() -> dict[str, Any]:
            found = _result(coming)
            return embeddings(deployed, asked, found)

        return finish

    return begin


def _check_model(name: str, deployed: Deployed) -> None:
    """Raises Refused where a request is for another model than the one that is asked."""
    if name not in (deployed.name, deployed.ref):
        what = "this batch is for another model"
        raise Refused(404, what, where="model", hint=f"Ask {deployed.name}.")


def _result(asked: Future[Told]) -> Told:
    """What comes of it; Refused where the request cannot be."""
    try:
        return asked.result()
    except UsageError as error:
        raise unusable(error) from None
