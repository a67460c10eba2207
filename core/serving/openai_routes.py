"""`/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`, as OpenAI's clients know them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import LeptonError
from core.generation.chat import Prompt
from core.generation.pieces import Piece
from core.generation.sampling import MOST_SEED, Sampling
from core.inference.messages import Embedded
from core.serving.answering import client_left
from core.serving.bodies import body_of, media_type, parsed
from core.serving.calls import Call, call_of
from core.serving.endpoints import Deployed, Endpoints
from core.serving.events import Events
from core.serving.openai_answers import CHAT, COMPLETIONS, Answers, merged
from core.serving.openai_forms import prompts_of, read, sampling_of, texts_of
from core.serving.openai_shapes import coded
from core.serving.problems import Refused, document, refusal
from core.serving.replies import JSON, in_json
from core.serving.speaking import Speaking

EMBEDDINGS = "/v1/embeddings"


def openai_routes(endpoints: Endpoints, speaking: Speaking) -> list[Route]:
    async def chat(request: Request) -> Response:
        return await said(request, CHAT, "ChatRequest")

    async def complete(request: Request) -> Response:
        return await said(request, COMPLETIONS, "CompletionRequest")

    async def said(request: Request, path: str, form: str) -> Response:
        call = _meant(request, path)
        asked = read(form, await _json(request))
        deployed = _chosen(endpoints, call, asked["model"], path)
        if not deployed.task.talks:
            raise Refused(
                400,
                f"{deployed.name} does not go on with texts: it is for {deployed.task.name}",
                where="model",
                hint=f"Ask it at /v1/models/{deployed.name}:predict.",
            )
        prompts = prompts_of(asked)
        answers = Answers.to(path, deployed.name, asked, prompts)
        call.rows = answers.count
        questions = each_of(prompts, sampling_of(asked), answers.each)

        async def parts() -> AsyncGenerator[tuple[int, Piece]]:
            async with _leaving(request) as left:
                each = [speaking.say(call, deployed, *one, left) for one in questions]
                async with aclosing(merged(each)) as found:
                    async for part in found:
                        yield part

        def fault(error: LeptonError) -> Mapping[str, Any]:
            call.error = str(error)
            told: Mapping[str, Any] = document(refusal(error), path, call.id)["error"]
            return told

        if not asked.get("stream"):
            return in_json(await answers.whole(parts()))
        with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        events = answers.events(parts(), fault, with_usage=with_usage)
        return Events(await anext(events), events)

    async def embed(request: Request) -> Response:
        call = _meant(request, EMBEDDINGS)
        asked = read("EmbeddingRequest", await _json(request))
        deployed = _chosen(endpoints, call, asked["model"], EMBEDDINGS)
        if deployed.form.medium != "text":
            raise Refused(400, f"{deployed.name} reads no texts alone", where="model")
        texts = texts_of(asked)
        call.rows = len(texts)
        async with _leaving(request) as left:
            found = await speaking.embed(call, deployed, texts, left)
        return in_json(embeddings(deployed, asked, found))

    return [
        Route(CHAT, chat, methods=["POST"]),
        Route(COMPLETIONS, complete, methods=["POST"]),
        Route(EMBEDDINGS, embed, methods=["POST"]),
    ]


def embeddings(
    deployed: Deployed, asked: Mapping[str, Any], found: Sequence[Embedded]
) -> dict[str, Any]:
    """The document that answers a request for vectors."""
    form = asked.get("encoding_format", "float")
    data = [
        {"object": "embedding", "index": at, "embedding": coded(each.vector, form)}
        for at, each in enumerate(found)
    ]
    tokens = sum(each.tokens for each in found)
    counted = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": deployed.name, "data": data, "usage": counted}


def each_of(
    prompts: Sequence[Prompt], sampling: Sampling, count: int
) -> list[tuple[Prompt, Sampling]]:
    """Each prompt so many times, with the settings of that answer: of a seed follow others, or all
    answers would be one."""
    settings = [sampling] * count
    if sampling.seed >= 0:
        settings = [sampling.but(seed=(sampling.seed + at) % MOST_SEED) for at in range(count)]
    return [(prompt, one) for prompt in prompts for one in settings]


def _meant(request: Request, path: str) -> Call:
    """The call, of which metrics and log know from now on what it asks for."""
    call = call_of(request)
    call.meant(path.removeprefix("/v1/"))
    return call


async def _json(request: Request) -> Any:
    kind = media_type(request)
    if kind != JSON:
        raise Refused(415, "only JSON is taken here", where="Content-Type", hint=f"Send {JSON}.")
    return parsed(await body_of(request))


def _chosen(endpoints: Endpoints, call: Call, name: str, path: str) -> Deployed:
    """The version of a model that is to answer, where the key is for it."""
    call.may(endpoints.get(name).name)
    deployed = endpoints.choose(name)
    call.meant(path.removeprefix("/v1/"), deployed.name, deployed.label)
    return deployed


@asynccontextmanager
async def _leaving(request: Request) -> AsyncGenerator[asyncio.Future[None]]:
    """What is done as soon as the client has left."""
    left = asyncio.ensure_future(client_left(request.receive))
    try:
        yield left
    finally:
        left.cancel()
