"""The app of a service, put together: routes, errors, and the gate before them."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from core.errors import LeptonError
from core.serving.answering import Answering
from core.serving.batch_routes import batch_routes
from core.serving.calls import call_of
from core.serving.endpoints import Endpoints
from core.serving.gate import Gate
from core.serving.guard import Guard
from core.serving.health_routes import add_health
from core.serving.inference_routes import inference_routes
from core.serving.jobs import Jobs
from core.serving.keys import Keys
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.openai_routes import openai_routes
from core.serving.openapi import Documents
from core.serving.predict_routes import predict_routes
from core.serving.problems import Refused, refusal, response
from core.serving.settings import Settings
from core.serving.speaking import Speaking
from core.serving.traffic import Traffic


def make_app(
    settings: Settings,
    endpoints: Endpoints,
    *,
    answering: Answering,
    jobs: Jobs,
    keys: Keys,
    metrics: Metrics,
    traffic: Traffic,
    log: Log,
) -> ASGIApp:
    """The service's app. It has no documentation pages: those would load from elsewhere."""
    app = FastAPI(
        title="Lepton",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.router.routes += predict_routes(endpoints, answering)
    app.router.routes += inference_routes(endpoints, answering)
    app.router.routes += batch_routes(endpoints, jobs)
    app.router.routes += openai_routes(endpoints, Speaking(answering, settings.limits.silence))
    add_health(app, answering, metrics)
    documents = Documents(settings, endpoints)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        call = call_of(request)
        call.meant("openapi")
        return Response(documents.json(call.key), media_type="application/json")

    _answer_errors(app)
    # Outside of all, so that what breaks is counted and written down too.
    guard = Guard(settings, keys)
    return Gate(app, guard, settings.limits, metrics=metrics, traffic=traffic, log=log)


def _answer_errors(app: FastAPI) -> None:
    """Whatever goes wrong is answered with a problem document."""

    @app.exception_handler(LeptonError)
    async def failed(request: Request, error: LeptonError) -> Response:
        call = call_of(request)
        call.error = str(error)
        return response(refusal(error), request.url.path, call.id)

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, error: HTTPException) -> Response:
        told = {404: "there is nothing here", 405: f"{request.method} is not for this address"}
        refused = Refused(
            error.status_code,
            told.get(error.status_code, str(error.detail)),
            hint="/openapi.json says what there is." if error.status_code in told else "",
            headers=dict(error.headers or {}),
        )
        return response(refused, request.url.path, call_of(request).id)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        refused = Refused(422, str(first["msg"]), where=".".join(map(str, first["loc"])))
        return response(refused, request.url.path, call_of(request).id)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        call = call_of(request)
        call.error = f"{type(error).__name__}: {error}"
        refused = Refused(500, "the service failed", hint="Its log says why.")
        return response(refused, request.url.path, call.id)
