"""Whether the service lives and is ready, and what Prometheus reads."""

from __future__ import annotations

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from core.serving.answering import Answering
from core.serving.calls import call_of
from core.serving.metrics import TYPE, Metrics
from core.serving.problems import Refused, retry_after


class Health(BaseModel):
    status: str


def add_health(app: FastAPI, answering: Answering, metrics: Metrics) -> None:
    @app.get("/livez", tags=["health"])
    async def livez(request: Request) -> Health:
        """The service runs. It does not say that a model can be asked."""
        call_of(request).meant("livez")
        return Health(status="live")

    @app.get("/readyz", tags=["health"])
    async def readyz(request: Request) -> Health:
        """Every model is in memory."""
        call_of(request).meant("readyz")
        return ready(answering)

    @app.get("/healthz", tags=["health"])
    async def healthz(request: Request) -> Health:
        """As /readyz."""
        call_of(request).meant("healthz")
        return ready(answering)

    @app.get("/metrics", include_in_schema=False)
    async def metrics_text(request: Request) -> Response:
        call_of(request).meant("metrics")
        return Response(metrics.text(), media_type=TYPE)


def ready(answering: Answering) -> Health:
    """Raises Refused while models are being loaded."""
    if not answering.ready:
        raise Refused(503, "the models are being loaded", headers=retry_after(1))
    return Health(status="ready")
