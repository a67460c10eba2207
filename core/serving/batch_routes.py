"""`POST /v1/models/NAME:batch`, and `/v1/batches`: post, poll, fetch, remove."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from core.serving.bodies import read_rows
from core.serving.calls import call_of
from core.serving.endpoints import Endpoints
from core.serving.forms import Form
from core.serving.jobs import Job, Jobs
from core.serving.replies import in_json

LINES = "application/jsonl"


def batch_routes(endpoints: Endpoints, jobs: Jobs) -> list[Route]:
    async def add(request: Request) -> Response:
        call, name = call_of(request), request.path_params["name"]
        call.may(endpoints.get(name).name)
        deployed = endpoints.current(name)
        call.meant("batch", deployed.name, deployed.label)
        rows = await read_rows(request, batch_form(deployed.form))
        call.rows = len(rows)
        job = await jobs.add(deployed.name, deployed.version, _owner(request), rows)
        where = {"Location": f"/v1/batches/{job.id}"}
        return in_json(job.to_json(), 202, where)

    async def list_jobs(request: Request) -> Response:
        call_of(request).meant("batches")
        found = [job.to_json() for job in jobs.list(_owner(request))]
        return in_json({"object": "list", "data": found})

    async def one(request: Request) -> Response:
        job = asked(request)
        if request.method == "DELETE":
            jobs.remove(job)
            return Response(status_code=204)
        return in_json(job.to_json())

    async def results(request: Request) -> Response:
        return FileResponse(jobs.results(asked(request)), media_type=LINES)

    def asked(request: Request) -> Job:
        call_of(request).meant("batches")
        return jobs.get(request.path_params["id"], _owner(request))

    return [
        Route("/v1/models/{name:model}:batch", add, methods=["POST"]),
        Route("/v1/batches", list_jobs, methods=["GET"]),
        Route("/v1/batches/{id}", one, methods=["GET", "DELETE"]),
        Route("/v1/batches/{id}/results", results, methods=["GET"]),
    ]


@lru_cache(maxsize=64)
def batch_form(form: Form) -> Form:
    """The same form, for as many rows as a batch may have."""
    limits = replace(form.limits, rows=form.limits.batch_rows)
    return replace(form, name=f"{form.name}Batch", limits=limits)


def _owner(request: Request) -> str:
    key = call_of(request).key
    return key.prefix if key else ""
