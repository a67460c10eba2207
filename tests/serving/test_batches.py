"""Batch jobs are posted, polled, fetched and removed, and go on where a dead service left them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from core.serving.keys import Keys
from core.workspace import Workspace
from tests.inference.conftest import png
from tests.serving.conftest import FLOWER, PATIENCE, Running, Start
from tests.serving.test_bad_input import refused
from tests.serving.test_predict import same


def post(service: Running, model: str, rows: list[Any], **headers: str) -> dict[str, Any]:
    body = {"instances": rows}
    reply = service.client.post(f"/v1/models/{model}:batch", json=body, headers=headers)
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/v1/batches/{reply.json()['id']}"
    return reply.json()


def finished(service: Running, job: dict[str, Any], **headers: str) -> dict[str, Any]:
    began = time.monotonic()
    while True:
        told = service.client.get(f"/v1/batches/{job['id']}", headers=headers).json()
        if told["status"] not in ("queued", "running"):
            return told
        assert time.monotonic() - began < PATIENCE


def results(service: Running, job: dict[str, Any]) -> list[dict[str, Any]]:
    reply = service.client.get(f"/v1/batches/{job['id']}/results")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in reply.text.splitlines()]


def test_many_rows_are_answered_in_order(service: Running) -> None:
    rows = [{"petal length": at / 100, "colour": "red"} for at in range(1500)]
    told = finished(service, job := post(service, "flowers", rows))
    assert (told["status"], told["rows"], told["done"], told["failed"]) == (
        "finished",
        1500,
        1500,
        0,
    )
    found = results(service, job)
    assert [each["row"] for each in found] == list(range(1500))
    expected = service.predict("flowers", *rows[700:710]).json()["predictions"]
    same([each["output"] for each in found[700:710]], expected)
    listed = service.client.get("/v1/batches").json()["data"]
    assert job["id"] in [each["id"] for each in listed]
    assert service.client.delete(f"/v1/batches/{job['id']}").status_code == 204
    for path in (f"/v1/batches/{job['id']}", f"/v1/batches/{job['id']}/results"):
        refused(service.client.get(path), 404)


def test_a_row_that_cannot_be_answered_is_told_in_its_line(service: Running) -> None:
    written = [base64.b64encode(each).decode() for each in (png(1), png(2)[:90], png(3))]
    told = finished(service, job := post(service, "digits", written))
    assert (told["done"], told["failed"]) == (3, 1)
    good, broken, _ = results(service, job)
    assert good["output"]["label"]
    assert broken["output"] is None
    assert broken["error"]["column"] == "image"


def test_what_is_no_batch_is_refused(service: Running) -> None:
    reply = service.client.post("/v1/models/flowers:batch", json={"instances": [3]})
    assert refused(reply, 422)["rows"]
    for path in ("x", "0" * 32, "..%2F..", "%2e%2e"):
        assert service.client.get(f"/v1/batches/{path}/results").status_code == 404
        assert service.client.delete(f"/v1/batches/{path}").status_code in (404, 405)


def test_a_batch_is_its_keys_own(bounded: Start, home: Workspace) -> None:
    service = bounded("flowers", keys=True)
    mine = {"x-api-key": Keys(home).add("mine")[0]}
    other = {"x-api-key": Keys(home).add("other")[0]}
    job = post(service, "flowers", [FLOWER], **mine)
    assert finished(service, job, **mine)["status"] == "finished"
    for method, end in (("GET", ""), ("GET", "/results"), ("DELETE", "")):
        reply = service.client.request(method, f"/v1/batches/{job['id']}{end}", headers=other)
        refused(reply, 404)
    assert service.client.get("/v1/batches", headers=other).json()["data"] == []


def test_a_job_goes_on_where_a_killed_service_left_it(lepton_serve: Start) -> None:
    service = lepton_serve("moods", alone=True)
    engine = service.engine
    engine.suspend()
    job = post(service, "moods", [f"good film {at}" for at in range(600)])
    refused(service.client.get(f"/v1/batches/{job['id']}/results"), 409)
    second = lepton_serve("moods")
    refused(second.client.get(f"/v1/batches/{job['id']}"), 404)
    service.process.kill()
    service.process.wait()
    engine.kill()
    third = lepton_serve("moods")
    assert finished(third, job)["status"] == "finished"
    assert [each["row"] for each in results(third, job)] == list(range(600))
