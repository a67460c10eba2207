"""Whether the service lives and is ready, and what Prometheus reads."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.serving.answering import Answering
from core.serving.calls import call_of
from core.serving.metrics import TYPE, Metrics
from core.serving.problems import Refused, retry_after
from core.serving.replies import in_json


class Health(BaseModel):
    status: str


def health_routes(answering: Answering, metrics: Metrics) -> list[Route]:
    async def livez(request: Request) -> Response:
        """The service runs. It does not say that a model can be asked."""
        call_of(request).meant("livez")
        return in_json(Health(status="live"))

    async def readyz(request: Request) -> Response:
        """Every model is in memory."""
        call_of(request).meant("readyz")
        return in_json(ready(answering))

    async def healthz(request: Request) -> Response:
        """As /readyz."""
        call_of(request).meant("healthz")
        return in_json(ready(answering))

    async def metrics_text(request: Request) -> Response:
        call_of(request).meant("metrics")
        return Response(metrics.text(), media_type=TYPE)

    return [
        Route("/livez", livez, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/metrics", metrics_text, methods=["GET"]),
    ]


def ready(answering: Answering) -> Health:
    """Raises Refused while models are being loaded."""
    if not answering.ready:
        raise Refused(503, "the models are being loaded", headers=retry_after(1))
    return Health(status="ready")
