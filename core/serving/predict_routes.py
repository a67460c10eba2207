"""`POST /v1/models/NAME:predict` and `GET /v1/models`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.inference.messages import Answer
from core.serving.answering import Answering
from core.serving.bodies import accepted, read_rows
from core.serving.calls import call_of
from core.serving.endpoints import Deployed, Endpoints
from core.serving.forms import fault_of, wrong_rows
from core.serving.problems import Refused
from core.serving.replies import in_json

VERSION = "X-Model-Version"


class _Name(Convertor[str]):
    """A model's name in a path; what is done with it comes after a colon."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("model", _Name())


def predict_routes(endpoints: Endpoints, answering: Answering) -> list[Route]:
    """What they take is known by the models, not by their signatures."""

    async def answered(name: str, request: Request) -> Response:
        call = call_of(request)
        endpoint = endpoints.get(name)
        call.may(endpoint.name)
        deployed = endpoints.choose(name)
        call.meant("predict", deployed.name, deployed.label)
        rows = await read_rows(request, deployed.form)
        answers = await answering.ask(call, deployed, rows, request.receive)
        if endpoint.shadows and "@" not in name:
            answering.shadow(name, rows, answers)
        return _response(deployed, answers)

    async def predict(request: Request) -> Response:
        return await answered(request.path_params["name"], request)

    async def predict_alone(request: Request) -> Response:
        """The one model's, where there is one: clients that know no paths with names ask so."""
        names = endpoints.names()
        if len(names) > 1:
            hint = f"Ask one of them: /v1/models/{names[0]}:predict"
            raise Refused(404, "several models are served here", hint=hint)
        return await answered(names[0], request)

    async def list_models(request: Request) -> Response:
        call = call_of(request)
        call.meant("models")
        shown = [
            described(endpoints.current(name), endpoints)
            for name in endpoints.names()
            if call.key is None or call.key.may("infer", name)
        ]
        return in_json({"object": "list", "data": shown})

    async def get_model(request: Request) -> Response:
        call, name = call_of(request), request.path_params["name"]
        endpoint = endpoints.get(name)
        call.may(endpoint.name)
        deployed = endpoints.current(name)
        call.meant("model", deployed.name, deployed.label)
        return in_json(described(deployed, endpoints))

    return [
        Route("/v1/models/{name:model}:predict", predict, methods=["POST"]),
        Route("/predict", predict_alone, methods=["POST"]),
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{name:model}", get_model, methods=["GET"]),
    ]


def described(deployed: Deployed, endpoints: Endpoints) -> dict[str, Any]:
    """A model as OpenAI's clients list one, with what it takes and gives."""
    endpoint = endpoints.get(deployed.name)
    return {
        "id": deployed.name,
        "object": "model",
        "created": deployed.created,
        "owned_by": "lepton",
        "task": deployed.task.name,
        "version": deployed.version,
        "versions": sorted({v.version for v in endpoints.versions(endpoint) if v.version}),
        "takes": deployed.form.takes,
        "gives": deployed.task.gives,
        "labels": list(getattr(deployed.task, "labels", ())),
        "accepts": accepted(deployed.form),
    }


def _response(deployed: Deployed, answers: list[Answer]) -> Response:
    return in_json(predictions(deployed, answers), headers={VERSION: deployed.label})


def predictions(deployed: Deployed, answers: Sequence[Answer]) -> dict[str, Any]:
    """The document that answers a request.

    Raises:
        Refused: no row has an answer.
    """
    errors: list[dict[str, Any]] = [
        {"row": at} | fault_of(answer.error, deployed.form)
        for at, answer in enumerate(answers)
        if answer.error is not None
    ]
    if len(errors) == len(answers):
        raise wrong_rows(errors)
    return {
        "model": deployed.name,
        "version": deployed.version,
        "predictions": [answer.output for answer in answers],
        "errors": errors,
    }
