"""What a service does not take has a status and a plain message, and never reaches a model."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from tests.inference.conftest import png
from tests.serving.conftest import FLOWER, PATIENCE, Running
from tests.serving.test_predict import ARROW, stream

JSON = {"content-type": "application/json"}
PREDICT = "/v1/models/{}:predict"


def bomb(side: int) -> bytes:
    """A small PNG that says, and holds, so many pixels a side."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    squeezed = zlib.compressobj(9)
    line = b"\0" * (side // 8 + 1)
    rows = b"".join(squeezed.compress(line) for _ in range(side)) + squeezed.flush()
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.png"
    path.write_bytes(png(0))
    return path


def refused(reply: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status; every one has the same members."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == status
    assert told["request_id"] == reply.headers["x-request-id"]
    assert told["error"]["message"] == ". ".join(filter(None, (told["detail"], told["hint"])))
    assert "Traceback" not in reply.text
    return told


@pytest.mark.parametrize(
    ("model", "instance", "column", "detail"),
    [
        ("flowers", {**FLOWER, "petal length": "many"}, "petal length", '"many" is no number'),
        ("flowers", {**FLOWER, "petal length": [1]}, "petal length", "a list is no number"),
        ("flowers", {**FLOWER, "petal length": 10**400}, "petal length", "a number too large"),
        ("flowers", {**FLOWER, "colour": {"a": 1}}, "colour", "an object is no category"),
        ("flowers", {**FLOWER, "color": "red"}, "color", 'Did you mean "colour"?'),
        ("moods", {"text": 3}, "text", "3 is no text"),
        ("moods", {"text": None}, "text", "null is no text"),
        ("moods", {"text": "x" * 1_000_001}, "text", "at most 1000000 characters"),
        ("digits", {"image": "not base64!"}, "image", "not base64"),
        ("digits", {"image": base64.b64encode(b"MZ no picture").decode()}, "image", "not an image"),
        ("sales", {"day": ["2024-01-01", "soon"], "value": [1, 2]}, "day", 'step 1: "soon"'),
        ("sales", {"day": "2024-01-01", "value": 1}, "day", "is no list of dates"),
    ],
)
def test_a_wrong_cell_is_named(
    service: Running, model: str, instance: Any, column: str, detail: str
) -> None:
    told = refused(service.predict(model, instance), 422)
    fault = next(each for each in told["rows"] if each.get("column") == column)
    assert fault["row"] == 0
    assert detail in fault["detail"]


def test_every_wrong_row_is_named(service: Running) -> None:
    wrong = {"petal length": "x", "colour": "red"}
    told = refused(service.predict("flowers", FLOWER, wrong, 3, wrong), 422)
    assert [each["row"] for each in told["rows"]] == [1, 2, 3]
    assert told["where"] == "instances[1].petal length"
    uneven = {"day": ["2024-01-01"], "value": [1, 2]}
    assert "differ in length" in refused(service.predict("sales", uneven), 422)["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_named(service: Running, number: str) -> None:
    body = f'{{"instances": [{{"petal length": {number}, "colour": "red"}}]}}'
    reply = service.client.post(PREDICT.format("flowers"), content=body, headers=JSON)
    assert refused(reply, 422)["where"] == "instances[0].petal length"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[" * 300_000, 413),
        (b"[]", 422),
        (b'{"instances": []}', 422),
        (b'{"instances": {}}', 422),
        (b'{"instances": [{"petal length": 1, "colour": "a"}], "more": 1}', 422),
        (b'{"instances": [' + b"1," * 2000 + b"1]}", 422),
        (b'{"instances": [{' + b",".join(b'"c%d":1' % at for at in range(99_999)) + b"}]}", 422),
    ],
)
def test_a_body_that_is_no_request_is_refused(service: Running, body: bytes, status: int) -> None:
    refused(service.client.post(PREDICT.format("flowers"), content=body, headers=JSON), status)


def test_paths_in_a_request_are_never_read(service: Running, secret: Path) -> None:
    for cell in (str(secret), f"file://{secret}", {"$path": str(secret)}, {"$base64": "aaaa"}):
        refused(service.predict("digits", {"image": cell}), 422)
        refused(service.predict("digits", cell), 422)
        for body in ({"instances": cell}, {"instances": [[cell]]}):
            refused(service.client.post(PREDICT.format("digits"), json=body), 422)
    for model in ("moods", "flowers"):
        column = "text" if model == "moods" else "colour"
        wrong = {**(FLOWER if model == "flowers" else {}), column: {"$path": str(secret)}}
        refused(service.predict(model, wrong), 422)
    column = pa.table({"image": [str(secret)]})
    reply = service.client.post(PREDICT.format("digits"), content=stream(column), headers=ARROW)
    refused(reply, 422)
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [str(secret)]}
    reply = service.client.post("/v2/models/digits/infer", json={"inputs": [tensor]})
    assert reply.status_code == 422


@pytest.mark.parametrize(
    "name",
    [
        "flower",
        "..%2F..%2Fetc",
        "%2Fetc%2Fpasswd",
        "flowers%00",
        "flowers@9",
        "flowers@x",
        "flowers:x",
    ],
)
def test_a_path_or_a_stranger_in_a_name_is_not_found(service: Running, name: str) -> None:
    for address in (PREDICT.format(name), f"/v2/models/{name}/infer"):
        reply = service.client.post(address, json={"instances": [FLOWER], "inputs": []})
        assert reply.status_code == 404, reply.text
    told = refused(service.client.post(PREDICT.format("flower"), json={}), 404)
    assert told["hint"] == 'Did you mean "flowers"?'


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/xml", 415),
        ("image/png", 415),
        ("multipart/form-data", 415),
        ("application/octet-stream", 415),
    ],
)
def test_a_type_that_a_table_does_not_take(service: Running, kind: str, status: int) -> None:
    headers = {"content-type": kind} if kind else {}
    reply = service.client.post(PREDICT.format("flowers"), content=b"{}", headers=headers)
    told = refused(reply, status)
    assert "application/json" in told["hint"]


def test_compressed_bodies_and_forms_without_a_file_are_refused(service: Running) -> None:
    for encoding in ("gzip", "zstd", "identity"):
        headers = {**JSON, "content-encoding": encoding}
        refused(service.client.post(PREDICT.format("moods"), content=b"{}", headers=headers), 415)
    address = PREDICT.format("digits")
    refused(service.client.post(address, files={"other": ("a.png", png(0))}), 422)
    broken = {"content-type": "multipart/form-data; boundary=x"}
    refused(service.client.post(address, content=b"--x\r\nnonsense", headers=broken), 422)
    unnamed = {"content-type": "multipart/form-data"}
    refused(service.client.post(address, content=b"--x\r\nnonsense", headers=unnamed), 422)


def test_arrow_that_is_a_trap_is_refused(service: Running) -> None:
    def post(table: pa.Table, **options: Any) -> Any:
        out = io.BytesIO()
        how = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_stream(out, table.schema, options=how) as writer:
            writer.write_table(table)
        body = out.getvalue()
        return service.client.post(PREDICT.format("flowers"), content=body, headers=ARROW)

    rows = pa.table({"petal length": [1.0], "colour": ["x" * (64 << 20)]})
    assert "compressed" in refused(post(rows, compression="zstd"), 415)["detail"]
    coded = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * (1 << 20)])
    wide = pa.table({"petal length": [1.0] * 1000, "colour": coded})
    assert "hold more than" in refused(post(wide), 413)["detail"]
    many = pa.table({"petal length": [1.0] * 1025, "colour": ["red"] * 1025})
    refused(post(many), 422)
    refused(post(pa.table({"petal length": [{"x": 1.0}], "colour": ["red"]})), 415)
    twice = pa.table([[1.0], ["red"], ["red"]], names=["petal length", "colour", "colour"])
    refused(post(twice), 422)
    for body in (b"", b"nonsense", stream(many)[:-100]):
        reply = service.client.post(PREDICT.format("flowers"), content=body, headers=ARROW)
        refused(reply, 422)
    missing = pa.table({"petal length": pa.array([float("nan")]), "colour": ["red"]})
    assert refused(post(missing), 422)["where"] == "instances[0].petal length"


def test_a_picture_that_is_a_bomb_is_refused_by_its_head(service: Running) -> None:
    def post(side: int) -> Any:
        content = bomb(side)
        assert len(content) < 100_000
        png = {"content-type": "image/png"}
        return service.client.post(PREDICT.format("digits"), content=content, headers=png)

    assert "too many pixels" in refused(post(20_000), 422)["detail"]
    assert "6000 x 6000 pixels, more than 8,000,000" in refused(post(6_000), 422)["detail"]
    assert post(2_000).status_code == 200
    written = base64.b64encode(bomb(6_000)).decode()
    assert "8,000,000" in refused(service.predict("digits", written), 422)["detail"]


def test_a_body_without_end_is_cut_off_and_costs_no_memory(service: Running) -> None:
    service.predict("moods", "warm")
    before = psutil.Process(service.process.pid).memory_info().rss

    def endless() -> Iterator[bytes]:
        for _ in range(1024):
            yield b" " * (1 << 20)

    declared = {**JSON, "content-length": str(1 << 30)}
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        lines = [f"POST {PREDICT.format('moods')} HTTP/1.1", f"Host: 127.0.0.1:{service.port}"]
        lines += [f"{name}: {value}" for name, value in declared.items()]
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        reply = client.recv(65536)
    assert reply.startswith(b"HTTP/1.1 413"), "by its length, before a byte of it has come"
    told = refused(
        service.client.post(PREDICT.format("moods"), content=endless(), headers=JSON), 413
    )
    assert "32" in told["detail"] or "33,554,432" in told["detail"]
    after = psutil.Process(service.process.pid).memory_info().rss
    assert after - before < 150 << 20
    body = b'{"instances": ["well"]}'
    for size, status in ((32 << 20, 200), ((32 << 20) + 1, 413)):
        padded = body.ljust(size)
        reply = service.client.post(PREDICT.format("moods"), content=padded, headers=JSON)
        assert reply.status_code == status


def test_what_there_is_not_and_other_methods(service: Running) -> None:
    refused(service.client.get("/"), 404)
    refused(service.client.get("/docs"), 404)
    reply = service.client.get(PREDICT.format("moods"))
    refused(reply, 405)
    assert reply.headers["allow"] == "POST"
    refused(service.client.delete("/v1/models"), 405)
    assert service.client.head(PREDICT.format("moods")).status_code == 405
    for address in ("/healthz", "/readyz", "/v2/health/ready", "/v1/models", "/openapi.json"):
        head, whole = service.client.head(address), service.client.get(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
    assert service.client.get("/v2/models/none").json()["error"] == "no such model is served here"


def test_strangers_pages_are_not_let_in(service: Running) -> None:
    body = {"instances": ["good"]}
    address = PREDICT.format("moods")
    for host in ("evil.example", f"evil.example:{service.port}", "10.0.0.1", ""):
        refused(service.client.post(address, json=body, headers={"host": host}), 421)
    for host in ("localhost", f"127.0.0.1:{service.port}", "[::1]"):
        reply = service.client.post(address, json=body, headers={"host": host})
        assert reply.status_code == 200, host
    reply = service.client.post(address, json=body, headers={"origin": "https://evil.example"})
    refused(reply, 403)
    assert "access-control-allow-origin" not in reply.headers
    own = {"origin": service.address}
    assert service.client.post(address, json=body, headers=own).status_code == 200


def test_no_payload_and_no_path_is_in_the_log(service: Running) -> None:
    told = "a very private opinion"
    reply = service.client.post(
        f"{PREDICT.format('moods')}?note=hidden", json={"instances": [told, 3]}
    )
    refused(reply, 422)
    line = service.log(lambda line: line.get("id") == reply.headers["x-request-id"])
    assert line["status"] == 422
    assert told not in service.text()
    assert "hidden" not in service.text()
    assert json.dumps(line)
