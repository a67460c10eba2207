"""The Open Inference Protocol, version 2, in JSON and with bytes behind it."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.inference.conftest import png
from tests.serving.conftest import FLOWER, Running
from tests.serving.test_predict import same

BYTES = "application/octet-stream"
LENGTH = "Inference-Header-Content-Length"


def strings(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def tensor(name: str, kind: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": shape, "data": data}


def binary(
    service: Running, model: str, head: dict[str, Any], tail: bytes, **headers: str
) -> httpx2.Response:
    written = json.dumps(head).encode()
    told = {"content-type": BYTES, LENGTH: str(len(written)), **headers}
    address = f"/v2/models/{model}/infer"
    return service.client.post(address, content=written + tail, headers=told)


def outputs(reply: httpx2.Response) -> dict[str, Any]:
    """The outputs by name, those in bytes too."""
    assert reply.status_code == 200, reply.text
    length = int(reply.headers.get(LENGTH, len(reply.content)))
    told, tail = json.loads(reply.content[:length]), reply.content[length:]
    found = {}
    for each in told["outputs"]:
        size = each.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[each["name"]] = np.array(each["data"]).reshape(each["shape"]).tolist()
            continue
        part, tail = tail[:size], tail[size:]
        if each["datatype"] == "FP64":
            found[each["name"]] = np.frombuffer(part, "<f8").reshape(each["shape"]).tolist()
            continue
        texts = []
        while part:
            (count,) = struct.unpack("<I", part[:4])
            texts.append(part[4 : 4 + count].decode())
            part = part[4 + count :]
        found[each["name"]] = texts
    assert not tail
    return found


def test_the_server_and_its_models_describe_themselves(service: Running) -> None:
    get = service.client.get
    assert get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    for address in ("/v2/models/flowers", "/v2/models/flowers/versions/1"):
        told = get(address).json()
        assert told["name"] == "flowers"
        assert told["versions"] == ["1"]
        assert told["inputs"] == [
            {"name": "petal length", "datatype": "FP64", "shape": [-1]},
            {"name": "colour", "datatype": "BYTES", "shape": [-1]},
        ]
        assert {"name": "scores", "datatype": "FP64", "shape": [-1, 2]} in told["outputs"]
        assert get(f"{address}/ready").json() == {"name": "flowers", "ready": True}
    for address in ("/v2/models/none", "/v2/models/flowers/versions/9/ready"):
        reply = get(address)
        assert reply.status_code == 404
        assert isinstance(reply.json()["error"], str)


def test_json_and_bytes_are_answered_alike(service: Running) -> None:
    rows = [FLOWER, {"petal length": 3.25, "colour": "blue"}]
    expected = service.predict("flowers", *rows).json()["predictions"]
    inputs = [
        tensor("petal length", "FP64", [2, 1], [[5.5], [3.25]]),
        tensor("colour", "BYTES", [2], ["red", "blue"]),
    ]
    reply = service.client.post(
        "/v2/models/flowers/versions/1/infer", json={"id": "seven", "inputs": inputs}
    )
    told = reply.json()
    assert (told["model_name"], told["model_version"], told["id"]) == ("flowers", "1", "seven")
    found = outputs(reply)
    assert found["label"] == [each["label"] for each in expected]
    same(found["score"], [each["score"] for each in expected])
    labels = ["long", "short"]
    same(found["scores"], [[each["scores"][label] for label in labels] for each in expected])

    for kind, written in (("FP64", "<f8"), ("FP32", "<f4"), ("FP16", "<f2")):
        numbers = np.array([5.5, 3.25], written).tobytes()
        words = strings(b"red", b"blue")
        head = {
            "inputs": [
                {"name": "petal length", "datatype": kind, "shape": [2],
                 "parameters": {"binary_data_size": len(numbers)}},
                {"name": "colour", "datatype": "BYTES", "shape": [2],
                 "parameters": {"binary_data_size": len(words)}},
            ]
        }  # fmt: skip
        same(outputs(binary(service, "flowers", head, numbers + words)), found)
        head["parameters"] = {"binary_data_output": True}
        reply = binary(service, "flowers", head, numbers + words)
        assert LENGTH in reply.headers
        same(outputs(reply), found)
    head["outputs"] = [{"name": "score", "parameters": {"binary_data": False}}, {"name": "label"}]
    reply = binary(service, "flowers", head, numbers + words)
    same(outputs(reply), {"score": found["score"], "label": found["label"]})


def test_pictures_numbers_and_series(service: Running) -> None:
    content = strings(png(5), png(6))
    head = {
        "inputs": [
            {"name": "image", "datatype": "BYTES", "shape": [2],
             "parameters": {"binary_data_size": len(content)}}
        ]
    }  # fmt: skip
    assert len(outputs(binary(service, "digits", head, content))["label"]) == 2
    inputs = [tensor(n, "BYTES", [1], [v]) for n, v in (("colour", "red"), ("species", "long"))]
    reply = service.client.post("/v2/models/lengths/infer", json={"inputs": inputs})
    (value,) = service.predict("lengths", {"colour": "red", "species": "long"}).json()[
        "predictions"
    ]
    same(outputs(reply)["value"], [value])
    days = [f"2024-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)]
    inputs = [
        tensor("day", "BYTES", [1, len(days)], [days]),
        tensor("value", "FP32", [1, len(days)], [[5.0 + at % 7 for at in range(len(days))]]),
    ]
    found = outputs(service.client.post("/v2/models/sales/infer", json={"inputs": inputs}))
    assert len(found["values"][0]) == len(found["times"][0])


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"inputs": []}, 422, "not of the form"),
        ({"inputs": 3}, 422, "not of the form"),
        ({"shape": [2]}, 422, "not of the shape"),
        ({"shape": []}, 422, "not of the form"),
        ({"shape": [-1]}, 422, "not of the form"),
        ({"shape": [1, 1, 1]}, 422, "its shape is not [rows]"),
        ({"datatype": "FP65"}, 422, "not of the form"),
        ({"datatype": "BYTES"}, 422, "BYTES is not taken for a column of numbers"),
        ({"datatype": "bool"}, 422, "not of the form"),
        ({"name": "petal"}, 422, "no such input"),
        ({"name": "colour"}, 422, "the input is there twice"),
        ({"data": None}, 422, "has no data"),
        ({"data": ["x"]}, 422, "is no number"),
        ({"outputs": [{"name": "none"}]}, 422, "no such output"),
        ({"parameters": {"binary_data_size": 8}}, 422, "holds no so many bytes"),
        ({"parameters": {"binary_data_size": -1}}, 422, "holds no so many bytes"),
        ({"parameters": {"binary_data_size": True}}, 422, "holds no so many bytes"),
    ],
)
def test_what_is_no_tensor_is_refused(
    service: Running, change: dict[str, Any], status: int, detail: str
) -> None:
    number = tensor("petal length", "FP64", [1], [1.5])
    whole = {"inputs": [tensor("colour", "BYTES", [1], ["red"]), number]}
    (whole if "inputs" in change or "outputs" in change else number).update(change)
    reply = service.client.post("/v2/models/flowers/infer", json=whole)
    assert reply.status_code == status, reply.text
    assert detail in reply.json()["error"]


def test_bytes_that_are_not_as_they_are_told_are_refused(service: Running) -> None:
    def text(size: int, shape: int = 1) -> dict[str, Any]:
        told = {"binary_data_size": size}
        return {
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [shape], "parameters": told}]
        }

    assert outputs(binary(service, "moods", text(8), strings(b"good")))["label"]
    huge = struct.pack("<I", 1 << 31) + b"good"
    for head, tail, headers in [
        (text(8), huge, {}),
        (text(3), b"abc", {}),
        (text(8), strings(b"good") + b"!", {}),
        (text(8, 2), strings(b"good"), {}),
        (text(6), strings(b"\xff\xfe"), {}),
    ]:
        assert binary(service, "moods", head, tail, **headers).status_code == 422
    for length in ("-1", "x", "99999", "1e3", ""):
        reply = binary(service, "moods", text(8), strings(b"good"), **{LENGTH: length})
        assert reply.status_code == 400, length
    reply = service.client.post(
        "/v2/models/moods/infer", content=b"{}", headers={"content-type": BYTES}
    )
    assert reply.status_code == 400
    reply = service.client.post(
        "/v2/models/moods/infer", content=b"{}", headers={"content-type": "text/plain"}
    )
    assert reply.status_code == 415
