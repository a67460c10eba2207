"""The app of a service, put together: routes, and the gate before them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from core.serving.answering import Answering
from core.serving.batch_routes import batch_routes
from core.serving.calls import call_of
from core.serving.endpoints import Endpoints
from core.serving.gate import Gate
from core.serving.guard import Guard
from core.serving.health_routes import health_routes
from core.serving.inference_routes import inference_routes
from core.serving.jobs import Jobs
from core.serving.keys import Keys
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.openai_routes import openai_routes
from core.serving.openapi import Documents
from core.serving.predict_routes import predict_routes
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
    """The service's app: its routes, and the gate before them, which answers what goes wrong."""
    documents = Documents(settings, endpoints)

    async def openapi(request: Request) -> Response:
        call = call_of(request)
        call.meant("openapi")
        return Response(documents.json(call.key), media_type="application/json")

    routes = [
        *predict_routes(endpoints, answering),
        *inference_routes(endpoints, answering),
        *batch_routes(endpoints, jobs),
        *openai_routes(endpoints, Speaking(answering, settings.limits.silence)),
        *health_routes(answering, metrics),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]
    router = Router(routes, redirect_slashes=False)
    guard = Guard(settings, keys)
    return Gate(router, guard, settings.limits, metrics=metrics, traffic=traffic, log=log)
