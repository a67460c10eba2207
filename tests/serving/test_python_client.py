"""The Python client asks a live service, and what comes back is of the types that it says."""

from __future__ import annotations

import base64
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from lepton_client import AuthenticatedClient, Client
from lepton_client.api.batches import (
    get_batch,
    get_batch_results,
    list_batches,
    post_batch,
    remove_batch,
)
from lepton_client.api.health import readyz
from lepton_client.api.models import get_model, list_models
from lepton_client.api.predict import predict
from lepton_client.api.v2 import infer
from lepton_client.models import (
    Batch,
    BatchList,
    Files,
    ForecastAnswer,
    Health,
    InferRequest,
    InferResponse,
    LabelAnswer,
    Model,
    ModelList,
    OpenAIError,
    PredictRequest,
    PredictResponse,
    Problem,
    Row,
)
from lepton_client.streaming import StreamError, stream, stream_async
from lepton_client.types import File

from core.serving.keys import Keys
from core.workspace import Workspace
from tests.inference.conftest import png
from tests.serving.clients import CLIENTS, chat, digit, done, guarded, penguins_and_digits, readme
from tests.serving.conftest import FLOWER, PATIENCE, Running, Start, sales
from tests.serving.test_predict import stream as arrow

FLOWERS = PredictRequest([Row.from_dict(FLOWER)])


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[Client]:
    with Client(service.address, raise_on_unexpected_status=True) as made:
        yield made


def files(*contents: bytes) -> Files:
    return Files([File(io.BytesIO(each), "a.png", "image/png") for each in contents])


def answered(reply: object) -> list[object]:
    assert isinstance(reply, PredictResponse), reply
    assert reply.errors == []
    return list(reply.predictions)


def test_models_and_health(client: Client) -> None:
    listed = list_models.sync(client=client)
    assert isinstance(listed, ModelList)
    assert {each.id for each in listed.data} == {"flowers", "moods", "digits", "lengths", "sales"}
    one = get_model.sync("flowers@1", client=client)
    assert isinstance(one, Model)
    assert one.takes.to_dict() == {"petal length": "number", "colour": "category"}
    assert readyz.sync(client=client) == Health("ready")


def test_rows_of_every_form(client: Client) -> None:
    detailed = predict.sync_detailed("flowers", client=client, body=FLOWERS)
    assert detailed.headers["x-model-version"] == "1"
    (label,) = answered(detailed.parsed)
    assert isinstance(label, LabelAnswer)
    assert label.scores[label.label] == label.score

    (mood,) = answered(predict.sync("moods", client=client, body=PredictRequest(["good film"])))
    assert isinstance(mood, LabelAnswer)
    length = PredictRequest([Row.from_dict({"colour": "red", "species": "long"})])
    (number,) = answered(predict.sync("lengths", client=client, body=length))
    assert isinstance(number, float)
    past = {name: cells[-60:] for name, cells in sales().to_pydict().items()}
    past["day"] = [day.isoformat() for day in past["day"]]
    series = PredictRequest([Row.from_dict(past)])
    (forecast,) = answered(predict.sync("sales", client=client, body=series))
    assert isinstance(forecast, ForecastAnswer)
    assert forecast.times[0] == "2024-04-30"


async def test_a_picture_comes_in_three_ways_and_without_blocking(service: Running) -> None:
    written = PredictRequest([base64.b64encode(png(5)).decode()])
    streamed = arrow(pa.table({"image": [png(5)]}))
    async with Client(service.address) as client:
        found = []
        for body in (written, files(png(5)), File(io.BytesIO(streamed))):
            reply = await predict.asyncio("digits", client=client, body=body, x_request_timeout=20)
            (answer,) = answered(reply)
            assert isinstance(answer, LabelAnswer)
            found.append((answer.label, pytest.approx(answer.score, abs=1e-4)))
    assert found[1:] == found[:-1]
    with Client(service.address) as client:
        several = files(png(1), png(2))
        assert len(answered(predict.sync("digits", client=client, body=several))) == 2


def test_a_row_that_fails_alone_is_told(client: Client) -> None:
    coded = [base64.b64encode(each).decode() for each in (png(1), png(2)[:90])]
    reply = predict.sync("digits", client=client, body=PredictRequest([*coded]))
    assert isinstance(reply, PredictResponse)
    assert reply.predictions[1] is None
    assert (reply.errors[0].row, reply.errors[0].column) == (1, "image")


def test_the_inference_protocol(client: Client) -> None:
    tensors = [
        {"name": "petal length", "shape": [1], "datatype": "FP64", "data": [5.5]},
        {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]},
    ]
    body = InferRequest.from_dict({"id": "mine", "inputs": tensors})
    reply = infer.sync("flowers", client=client, body=body)
    assert isinstance(reply, InferResponse)
    assert (reply.model_name, reply.id) == ("flowers", "mine")
    assert "label" in [each["name"] for each in reply.outputs]
    refused = infer.sync("roses", client=client, body=body)
    assert isinstance(refused, Problem)
    assert refused.error == refused.detail


def test_a_batch_is_posted_polled_fetched_and_removed(client: Client) -> None:
    rows = [Row.from_dict({"petal length": at / 100, "colour": "red"}) for at in range(300)]
    batch = post_batch.sync("flowers", client=client, body=PredictRequest([*rows]))
    assert isinstance(batch, Batch), batch
    began = time.monotonic()
    while batch.status != "finished":
        assert time.monotonic() - began < PATIENCE
        told = get_batch.sync(batch.id, client=client)
        assert isinstance(told, Batch)
        batch = told
    listed = list_batches.sync(client=client)
    assert isinstance(listed, BatchList)
    assert batch.id in [each.id for each in listed.data]
    results = get_batch_results.sync(batch.id, client=client)
    assert isinstance(results, File)
    lines = [json.loads(line) for line in results.payload]
    assert [each["row"] for each in lines] == list(range(300))
    assert remove_batch.sync_detailed(batch.id, client=client).status_code == 204
    gone = get_batch.sync(batch.id, client=client)
    assert isinstance(gone, Problem)
    assert gone.status == 404


def test_every_refusal_is_the_problem_that_is_declared(
    client: Client, bounded: Start, home: Workspace
) -> None:
    strict = bounded("flowers", keys=True, body=1000, rate=0.5)
    token, _ = Keys(home).add("python", models=["moods"])
    good, _ = Keys(home).add("python-too")
    nobody, other, mine = (
        AuthenticatedClient(strict.address, token=each) for each in ("wrong", token, good)
    )
    long = PredictRequest([Row.from_dict({"petal length": 1, "colour": "x" * 2000})])
    wrong = PredictRequest([Row.from_dict({"petal length": "long", "colour": "red"})])
    refused = {
        401: predict.sync("flowers", client=nobody, body=FLOWERS),
        403: predict.sync("flowers", client=other, body=FLOWERS),
        404: get_model.sync("roses", client=client),
        413: predict.sync("flowers", client=mine, body=long),
        415: predict.sync("flowers", client=client, body=files(png(1))),
        422: predict.sync("flowers", client=client, body=wrong),
        429: predict.sync("flowers", client=mine, body=FLOWERS),
        400: predict.sync("flowers", client=client, body=FLOWERS, x_request_timeout=-1),
    }
    for status, problem in refused.items():
        assert isinstance(problem, Problem)
        assert problem.status == status
        assert problem.detail
        assert isinstance(problem.error, OpenAIError)
        assert problem.error.message.startswith(problem.detail)
        assert problem.error.message.endswith(problem.hint)
        assert problem.additional_properties == {}
    fault = refused[422].rows[0]
    assert (fault.row, fault.column) == (0, "petal length")


def test_a_key_goes_in_either_header(bounded: Start, home: Workspace) -> None:
    service = bounded("flowers", keys=True)
    token, _ = Keys(home).add("headers")
    bearer = AuthenticatedClient(service.address, token=token)
    plain = AuthenticatedClient(
        service.address, token=token, prefix="", auth_header_name="X-API-Key"
    )
    for each in (bearer, plain):
        assert len(answered(predict.sync("flowers", client=each, body=FLOWERS))) == 1


def test_events_come_as_they_are_sent() -> None:
    with chat() as address, Client(address) as client:
        texts = [each["text"] for each in stream(client, "/whole", {})]
        assert texts == ["one\u2028 and \u2028 raw", "two"]
        for path, told in (("/broken", "in the middle"), ("/failed", "the engine ended")):
            events = stream(client, path, {})
            assert next(events)["text"] == "one"
            with pytest.raises(StreamError, match=told):
                next(events)
        with pytest.raises(StreamError, match="a key is needed") as caught:
            next(stream(client, "/refused", {}))
        assert caught.value.document["error"]["message"] == "a key is needed"


async def test_events_come_without_blocking() -> None:
    with chat() as address:
        async with Client(address) as client:
            texts = [each["text"] async for each in stream_async(client, "/whole", {})]
            assert texts == ["one\u2028 and \u2028 raw", "two"]
            for path, told in (("/broken", "in the middle"), ("/refused", "a key is needed")):
                with pytest.raises(StreamError, match=told):
                    [each async for each in stream_async(client, path, {})]


@pytest.mark.slow
def test_the_readme_runs_and_is_typed(
    lepton_serve: Start, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = penguins_and_digits(tmp_path_factory.mktemp("readme"))
    service, token = guarded(lepton_serve, home)
    example = tmp_path / "example.py"
    example.write_text(readme("python", "python", service.address, token), "utf-8")
    digit(tmp_path)
    path = {"PYTHONPATH": str(CLIENTS / "python"), "MYPYPATH": str(CLIENTS / "python")}
    said = done(sys.executable, "-P", example, cwd=tmp_path, env=path).splitlines()
    assert said[0].partition(" ")[0] in ("Adelie", "Chinstrap", "Gentoo")
    assert said[1].startswith("PredictResponse(model='mnist-sample_cnn'")
    assert said[2].partition(" ")[0] == "500"
    done(sys.executable, "-m", "mypy", "--strict", example, cwd=tmp_path, env=path)
