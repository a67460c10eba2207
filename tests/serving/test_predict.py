"""The service answers as the engine does, whatever form a request has, and says what it takes."""

from __future__ import annotations

import base64
import io

import pyarrow as pa
import pytest
from openai import OpenAI

from core.inference.engine import Engine
from core.inference.messages import Row
from core.tasks.text_regression import TextRegression
from core.tasks.words import Words
from core.workspace import Workspace
from tests.inference.conftest import flowers, learn, png, publish, reviews
from tests.serving.conftest import FLOWER, Running, Start, sales

ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.fixture(scope="module")
def engine(home: Workspace) -> Engine:
    return Engine(home, "cpu")


def same(given: object, expected: object) -> None:
    """Answers of one batch and of another differ in their last digits."""
    if isinstance(expected, dict):
        assert isinstance(given, dict)
        assert given.keys() == expected.keys()
        for name, value in expected.items():
            same(given[name], value)
    elif isinstance(expected, list):
        assert isinstance(given, list)
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert given == pytest.approx(expected, abs=1e-4)
    else:
        assert given == expected


def test_rows_in_json_are_answered_as_in_process(service: Running, engine: Engine) -> None:
    rows = flowers().drop_columns(["species"]).to_pylist()
    reply = service.predict("flowers", *rows)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert (told["model"], told["version"], told["errors"]) == ("flowers", 1, [])
    assert reply.headers["x-model-version"] == "1"
    same(told["predictions"], [each.output for each in engine.predict("flowers", rows)])


def test_a_number_and_a_forecast(service: Running, engine: Engine) -> None:
    row = {"colour": "red", "species": "long"}
    reply = service.predict("lengths", row)
    same(reply.json()["predictions"], [engine.predict("lengths", [row])[0].output])
    past = {name: cells[-60:] for name, cells in sales().to_pydict().items()}
    past["day"] = [day.isoformat() for day in past["day"]]
    reply = service.predict("sales", past)
    assert reply.status_code == 200, reply.text
    (forecast,) = reply.json()["predictions"]
    same(forecast, engine.predict("sales", [past])[0].output)
    assert forecast["times"][0] == "2024-04-30"


def test_a_cell_alone_is_a_row_of_one_column(service: Running, engine: Engine) -> None:
    texts = [row["text"] for row in reviews().to_pylist()[:5]]
    expected = [each.output for each in engine.predict("moods", texts)]
    same(service.predict("moods", *texts).json()["predictions"], expected)
    named = [{"text": text} for text in texts]
    same(service.predict("moods", *named).json()["predictions"], expected)


def test_a_picture_comes_in_four_ways(service: Running, engine: Engine) -> None:
    expected = engine.predict("digits", [Row("x", {"image": png(5)})])[0].output
    address = "/v1/models/digits:predict"
    raw = service.client.post(address, content=png(5), headers={"content-type": "image/png"})
    form = service.client.post(address, files={"file": ("5.png", png(5), "image/png")})
    written = base64.b64encode(png(5)).decode()
    arrow = service.client.post(
        address, content=stream(pa.table({"image": [png(5)]})), headers=ARROW
    )
    for reply in (raw, form, service.predict("digits", {"image": written}), arrow):
        assert reply.status_code == 200, reply.text
        same(reply.json()["predictions"], [expected])


def test_several_files_are_several_rows_and_a_broken_one_is_refused(service: Running) -> None:
    files = [("file", (f"{at}.png", png(at), "image/png")) for at in range(3)]
    reply = service.client.post("/v1/models/digits:predict", files=files)
    assert len(reply.json()["predictions"]) == 3
    files[1] = ("file", ("b.png", b"no picture", "image/png"))
    reply = service.client.post("/v1/models/digits:predict", files=files)
    assert reply.status_code == 422
    assert reply.json()["where"] == "instances[1].image"


def test_a_picture_that_breaks_while_it_is_read_fails_alone(service: Running) -> None:
    written = [base64.b64encode(each).decode() for each in (png(1), png(2)[:90], png(3))]
    reply = service.predict("digits", *written)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert [each is None for each in told["predictions"]] == [False, True, False]
    ((fault),) = told["errors"]
    assert (fault["row"], fault["column"]) == (1, "image")
    assert "damaged" in fault["detail"]
    assert service.predict("digits", written[1]).status_code == 422


def test_a_text_may_be_the_body(service: Running, engine: Engine) -> None:
    reply = service.client.post(
        "/v1/models/moods:predict", content="good film", headers={"content-type": "text/plain"}
    )
    same(reply.json()["predictions"], [engine.predict("moods", ["good film"])[0].output])


def test_arrow_rows_are_answered_as_json_rows_are(service: Running) -> None:
    table = flowers().drop_columns(["species"])
    coded = table.set_column(1, "colour", table["colour"].dictionary_encode())
    expected = service.predict("flowers", *table.to_pylist()).json()["predictions"]
    for each in (table, coded):
        reply = service.client.post(
            "/v1/models/flowers:predict", content=stream(each), headers=ARROW
        )
        assert reply.status_code == 200, reply.text
        same(reply.json()["predictions"], expected)


def test_missing_values_are_told_from_missing_columns(service: Running) -> None:
    assert service.predict("flowers", {"petal length": None, "colour": None}).status_code == 200
    reply = service.predict("flowers", {"petal length": 1})
    assert reply.status_code == 422
    assert reply.json()["rows"] == [
        {"row": 0, "column": "colour", "detail": "the column is missing; null leaves it empty"}
    ]


def test_openais_client_lists_the_models(service: Running) -> None:
    client = OpenAI(base_url=f"{service.address}/v1", api_key="unused")
    found = {model.id: model for model in client.models.list()}
    assert set(found) == {"flowers", "moods", "digits", "lengths", "sales"}
    assert found["flowers"].takes == {"petal length": "number", "colour": "category"}
    assert client.models.retrieve("moods").gives == "label"


def test_the_document_says_what_each_model_takes_and_gives(service: Running) -> None:
    document = service.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert set(schemas["FlowersRow"]["properties"]) == {"petal length", "colour"}
    assert schemas["DigitsAnswer"]["properties"]["label"]["enum"] == ["0", "1", "2"]
    content = document["paths"]["/v1/models/digits:predict"]["post"]["requestBody"]["content"]
    assert content["image/png"]["schema"]["format"] == "binary"
    assert "image/png" not in str(document["paths"]["/v1/models/flowers:predict"])
    operations = [
        each["operationId"] for path in document["paths"].values() for each in path.values()
    ]
    assert len(set(operations)) == len(operations)
    assert "predictFlowers" in operations


def test_one_model_has_a_short_address(service: Running, lepton_serve: Start) -> None:
    several = service.client.post("/predict", json={"instances": ["good"]})
    assert several.status_code == 404
    alone = lepton_serve("moods@1")
    reply = alone.client.post("/predict", json={"instances": ["good"]})
    assert reply.json()["model"] == "moods"


def test_a_new_version_takes_over_and_others_get_shares(
    home: Workspace, lepton_serve: Start
) -> None:
    learnt = learn(home, "flowers")
    for seed in (1, 2, 3):
        publish(home, learnt, "turning", seed=seed)
    following = lepton_serve("turning")
    sharing = lepton_serve("turning@1", "--canary", "turning@2=0.5", "--shadow", "turning@3")
    assert following.predict("turning", FLOWER).json()["version"] == 3
    publish(home, learnt, "turning", seed=4)
    for _ in range(1000):
        told = following.predict("turning", FLOWER).json()
        if told["version"] == 4:
            break
    assert told["version"] == 4

    versions = [sharing.predict("turning", FLOWER).json()["version"] for _ in range(60)]
    assert {*versions} == {1, 2}
    assert sharing.predict("turning@2", FLOWER).json()["version"] == 2
    missing = sharing.predict("turning@4", FLOWER)
    assert missing.status_code == 404
    assert missing.json()["hint"] == "There are: 1, 2, 3."
    for version in ("1", "2"):
        of = {"route": "predict", "model": "turning", "version": version, "status": "200"}
        assert sharing.metric("lepton_requests_total", **of) >= versions.count(int(version))
    for _ in range(1000):
        looked = sum(
            sharing.metric("lepton_shadow_rows_total", version="3", agrees=each)
            for each in ("yes", "no")
        )
        if looked == 60:
            break
    assert looked == 60


def test_a_number_is_told_of_a_text(lepton_serve: Start, home: Workspace, engine: Engine) -> None:
    words = TextRegression("text", "score", Words(("<pad>", "<unk>", "good"), 4), mean=3.0, std=2.0)
    publish(home, words, "marks")
    service = lepton_serve("marks")
    texts = ["good good film", "", "unheard words"]
    wanted = [answer.value for answer in engine.predict("marks", texts)]
    assert len({*wanted}) == 3
    same(service.predict("marks", *texts).json()["predictions"], wanted)
    plain = {"content-type": "text/plain"}
    sent = service.client.post("/v1/models/marks:predict", content="good film", headers=plain)
    (alone,) = engine.predict("marks", ["good film"])
    same(sent.json()["predictions"], [alone.value])
    told = service.client.get("/v1/models/marks").json()
    assert (told["task"], told["takes"], told["gives"]) == (
        "text-regression",
        {"text": "text"},
        "number",
    )
    with OpenAI(base_url=f"{service.address}/v1", api_key="none") as client:
        assert len(client.embeddings.create(model="marks", input=texts).data) == 3
