"""The Open Inference Protocol, version 2, which KServe, Triton and their clients speak."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.serving.answering import Answering
from core.serving.bodies import BYTES, body_of, media_type, parsed
from core.serving.calls import call_of
from core.serving.endpoints import Deployed, Endpoints
from core.serving.forms import fault_of
from core.serving.health_routes import ready
from core.serving.predict_routes import VERSION
from core.serving.problems import Refused
from core.serving.replies import JSON, in_json
from core.serving.tensors import BYTES as BYTES_TYPE
from core.serving.tensors import DTYPES, Tensor, inputs_of, outputs_of, rows_of, tensors_of

HEADER = "Inference-Header-Content-Length"
Size = Annotated[int, Field(ge=0, le=1 << 40, strict=True)]
Name = Annotated[str, Field(max_length=1000)]
_BINARY, _ALL_BINARY = "binary_data", "binary_data_output"


class InferInput(BaseModel):
    """A tensor: `data` is flat or nested, or comes behind the JSON (`binary_data_size`)."""

    name: Name
    shape: list[Size] = Field(min_length=1, max_length=8)
    datatype: Literal[(BYTES_TYPE, *DTYPES)]  # type: ignore[valid-type]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class InferOutput(BaseModel):
    """An output that is wanted; none named means all."""

    name: Name
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    model_config = ConfigDict(title="InferRequest")

    id: Annotated[str, Field(max_length=1000)] | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InferInput] = Field(min_length=1, max_length=10_000)
    outputs: list[InferOutput] | None = None


class InferResponse(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]]


def inference_routes(endpoints: Endpoints, answering: Answering) -> list[Route]:
    """As `predict_routes`, Starlette's own."""

    def called(request: Request, route: str) -> Deployed:
        """The version that is named, or the one that answers for the name."""
        call = call_of(request)
        name, number = request.path_params["name"], request.path_params.get("number")
        call.may(endpoints.get(name).name)
        ref = name if number is None else f"{name}@{number}"
        found = endpoints.choose(ref) if route == "infer" else endpoints.current(ref)
        call.meant(route, found.name, found.label)
        return found

    async def server_metadata(request: Request) -> Response:
        call_of(request).meant("server")
        extensions = ["binary_tensor_data"]
        return in_json(
            {"name": "lepton", "version": version("lepton-tui"), "extensions": extensions}
        )

    async def live(request: Request) -> Response:
        call_of(request).meant("livez")
        return in_json({"live": True})

    async def server_ready(request: Request) -> Response:
        call_of(request).meant("readyz")
        ready(answering)
        return in_json({"ready": True})

    async def model_metadata(request: Request) -> Response:
        found = called(request, "metadata")
        versions = [each.label for each in endpoints.versions(endpoints.get(found.name))]
        return in_json(
            {
                "name": found.name,
                "versions": list(dict.fromkeys(versions)),
                "platform": "lepton",
                "inputs": inputs_of(found.form),
                "outputs": outputs_of(found.form),
            }
        )

    async def model_ready(request: Request) -> Response:
        found = called(request, "readyz")
        ready(answering)
        return in_json({"name": found.name, "ready": True})

    async def infer(request: Request) -> Response:
        found = called(request, "infer")
        asked, tail = _read(request, await _body(request))
        given = rows_of([each.model_dump() for each in asked.inputs], tail, found.form)
        rows = found.form.rows({"instances": given})
        answers = await answering.ask(call_of(request), found, rows, request.receive)
        for at, answer in enumerate(answers):
            if answer.error is not None:
                fault = fault_of(answer.error, found.form)
                raise Refused(422, fault["detail"], where=f"row {at}", rows=[{"row": at} | fault])
        if "number" not in request.path_params and endpoints.get(found.name).shadows:
            answering.shadow(found.name, rows, answers)
        return _answer(asked, found, list(tensors_of(answers, found.form)))

    routes = [
        Route("/v2", server_metadata, methods=["GET"]),
        Route("/v2/health/live", live, methods=["GET"]),
        Route("/v2/health/ready", server_ready, methods=["GET"]),
    ]
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{number}"):
        routes += [
            Route(f"{model}/infer", infer, methods=["POST"]),
            Route(model, model_metadata, methods=["GET"]),
            Route(f"{model}/ready", model_ready, methods=["GET"]),
        ]
    return routes


async def _body(request: Request) -> bytes:
    kind = media_type(request)
    if kind not in (JSON, BYTES):
        hint = f"Send {JSON}, or {BYTES} with {HEADER}."
        raise Refused(415, "this type of body is not taken", where="Content-Type", hint=hint)
    return await body_of(request)


def _read(request: Request, body: bytes) -> tuple[InferRequest, bytes]:
    """The request's JSON, and the bytes behind it.

    Raises:
        Refused: it is not of the protocol's form.
    """
    written = request.headers.get(HEADER)
    size = len(body)
    if written is not None:
        if not written.isascii() or not written.isdigit() or int(written) > len(body):
            raise Refused(400, f"{HEADER} is no length of the JSON in this body", where=HEADER)
        size = int(written)
    elif media_type(request) == BYTES:
        raise Refused(400, f"{HEADER} is missing", where=HEADER)
    try:
        return InferRequest.model_validate(parsed(body[:size])), body[size:]
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(422, f"the request is not of the form: {first['msg']}", where=where) from None


def _answer(asked: InferRequest, found: Deployed, made: list[Tensor]) -> Response:
    known = {tensor.name: tensor for tensor in made}
    wanted = asked.outputs or [InferOutput(name=name) for name in known]
    everything = asked.parameters.get(_ALL_BINARY) is True
    outputs, tail = [], []
    for each in wanted:
        tensor = known.get(each.name)
        if tensor is None:
            hint = f"There are: {', '.join(known)}."
            raise Refused(422, "the model has no such output", where=each.name[:80], hint=hint)
        shown = tensor.to_json()
        if each.parameters.get(_BINARY, everything) is True:
            tail.append(tensor.to_bytes())
            del shown["data"]
            shown["parameters"] = {"binary_data_size": len(tail[-1])}
        outputs.append(shown)
    document = {
        "model_name": found.name,
        "model_version": found.label,
        **({} if asked.id is None else {"id": asked.id}),
        "outputs": outputs,
    }
    head = to_json(document, inf_nan_mode="null")
    headers = {VERSION: found.label}
    if not tail:
        return Response(head, headers=headers, media_type=JSON)
    headers[HEADER] = str(len(head))
    return Response(b"".join([head, *tail]), headers=headers, media_type=BYTES)
