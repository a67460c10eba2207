"""Batch files in OpenAI's form: a result for each line, whatever is wrong with one of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.generation.chat import Message
from core.generation.sampling import Sampling
from core.inference.engine import Engine
from core.serving.batch_files import Counts, answer_file
from core.serving.batch_handlers import Finish
from core.serving.problems import Refused
from core.workspace import Workspace
from tests.cli.conftest import Shell
from tests.inference.conftest import flowers, learn, publish

URL = "/v1/models/flowers:predict"
FLOWER = {"petal length": 5.5, "colour": "red"}

# Killed by its own hand when it is asked for the line that is named; the others are answered.
_KILLED = """
import os, signal, sys
from pathlib import Path
from core.serving.batch_files import answer_file
def echo(body):
    def finish():
        if body["n"] == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return body
    return finish
answer_file(Path(sys.argv[1]), Path(sys.argv[2]), {"/echo": echo})
"""


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    home = tmp_path_factory.mktemp("batches")
    workspace = Workspace.open(home / "home")
    Lake(workspace).commit("flowers", flowers(), op="import", target="species")
    publish(workspace, learn(workspace, "flowers"), "flowers")
    return Shell(workspace.home)


def request(custom_id: str, *instances: Any, **other: Any) -> dict[str, Any]:
    body = {"instances": list(instances)}
    return {"custom_id": custom_id, "method": "POST", "url": URL, "body": body} | other


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: list[Any]) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def echo(body: Mapping[str, Any]) -> Finish:
    """Another kind of request than predictions: it gives back what it was given."""
    if body.get("refuse"):
        raise Refused(422, "it is not to be")
    return lambda: dict(body)


def test_each_line_has_its_result_and_a_bad_one_fails_alone(asks: Shell, tmp_path: Path) -> None:
    chat = {"model": "flowers", "messages": []}
    asked = [
        request("good", FLOWER, {"petal length": 2, "colour": "blue"}),
        "{broken",
        "",
        request("column", {"petal": 2}),
        request("chat", url="/v1/chat/completions", body=chat),
        request("get", FLOWER, method="GET"),
        {"custom_id": "less"},
        request("version", FLOWER, url="/v1/models/flowers@1:predict"),
        "[1]",
        request("last", FLOWER),
    ]
    out = tmp_path / "results.jsonl"
    requests = write(tmp_path / "requests.jsonl", asked)
    done = asks("predict", "flowers", "--batch", requests, "--out", out)
    assert done.code == 1
    assert "6 of 9 requests failed" in done.err
    found = lines_of(out)
    assert [each["custom_id"] for each in found] == [
        "good", None, "column", "chat", "get", "less", "version", None, "last"
    ]  # fmt: skip
    assert all(set(e) == {"id", "custom_id", "response", "error"} for e in found)
    assert len({each["id"] for each in found}) == len(found)
    good, broken, column, other, get, less, version, listed, last = found
    assert good["error"] is None
    assert set(good["response"]) == {"status_code", "request_id", "body"}
    body = good["response"]["body"]
    assert (good["response"]["status_code"], body["model"], body["version"]) == (200, "flowers", 1)
    (told,) = asks("predict", "flowers", json.dumps(FLOWER), "--json").json
    assert body["predictions"][0]["label"] == told["output"]["label"]
    assert body["predictions"][0]["scores"] == pytest.approx(told["output"]["scores"], abs=1e-5)
    assert len(body["predictions"]) == 2
    for each in (version, last):
        answer = each["response"]["body"]["predictions"][0]
        assert answer["scores"] == pytest.approx(body["predictions"][0]["scores"])
    assert broken["response"] is None
    assert broken["error"]["code"] == "invalid_json"
    assert broken["error"]["message"].startswith("line 2: broken JSON")
    # What the service would refuse is refused as it does, in the form that OpenAI's clients know.
    assert (column["error"], column["response"]["status_code"]) == (None, 422)
    assert "the column is missing" in column["response"]["body"]["error"]["message"]
    assert other["error"]["code"] == "invalid_url"
    assert other["error"]["message"].startswith('line 5: "/v1/chat/completions" is not answered')
    assert get["error"]["message"] == "line 6: method is not POST"
    assert less["error"]["message"] == "line 7: method, url, body are missing"
    assert listed["error"]["message"] == "line 9: this is no JSON object"
    assert sorted(tmp_path.iterdir()) == [requests, out]


def test_what_cannot_be_is_refused_before_any_work(asks: Shell, tmp_path: Path) -> None:
    requests = write(tmp_path / "requests.jsonl", [request("one", FLOWER)])
    out = tmp_path / "results.jsonl"
    for words, said in (
        (["flowers", "--batch", requests], "Add --out RESULTS.jsonl"),
        (["flowers", "x", "--batch", requests, "--out", out], "takes its inputs from its file"),
        (["flowers", "--batch", tmp_path / "none", "--out", out], "no such file"),
        (["flower", "--batch", requests, "--out", out], 'Did you mean "flowers"?'),
        (["flowers", "--batch", requests, "--out", requests], "something is there already"),
        (["flowers", "--batch", requests, "--out", tmp_path / "no" / "r.jsonl"], "no such folder"),
    ):
        done = asks("predict", *words)
        assert done.code == 2, done.err
        assert said in done.err
    assert [*tmp_path.iterdir()] == [requests]
    (empty := tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UsageError, match="there are no requests"):
        answer_file(empty, out, {"/echo": echo})
    assert sorted(tmp_path.iterdir()) == [empty, requests]


def test_a_call_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    ids = [f"r{at}" for at in range(300)]
    asked = [request(each, url="/echo", body={"n": at}) for at, each in enumerate(ids)]
    requests, out = write(tmp_path / "requests.jsonl", asked), tmp_path / "results.jsonl"
    words = [sys.executable, "-c", _KILLED, str(requests), str(out), "200"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    (part,) = tmp_path.glob(".results.jsonl.*.part")
    before = part.read_text().splitlines()
    assert len(before) == 200
    # It was in the middle of a line.
    part.write_text("\n".join([*before, '{"id": "batch_']))
    asked_again: list[int] = []

    def heard(body: Mapping[str, Any]) -> Finish:
        asked_again.append(body["n"])
        return echo(body)

    assert answer_file(requests, out, {"/echo": heard}) == Counts(300, 0, 200)
    assert asked_again == [*range(200, 300)]
    assert out.read_text().splitlines()[:200] == before
    assert [each["custom_id"] for each in lines_of(out)] == ids
    assert [each["response"]["body"]["n"] for each in lines_of(out)] == [*range(300)]
    assert sorted(tmp_path.iterdir()) == [requests, out]


def test_other_requests_are_not_gone_on_with(tmp_path: Path) -> None:
    requests, out = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    write(requests, [request(str(at), url="/echo", body={"n": at}) for at in range(3)])

    def stops(body: Mapping[str, Any]) -> Finish:
        if body["n"]:
            raise KeyboardInterrupt
        return echo(body)

    with pytest.raises(KeyboardInterrupt):
        answer_file(requests, out, {"/echo": stops})
    write(requests, [request("new", url="/echo", body={"n": 0, "refuse": True})])
    assert answer_file(requests, out, {"/echo": echo}) == Counts(1, 1, 0)
    (only,) = lines_of(out)
    assert (only["custom_id"], only["response"]["status_code"]) == ("new", 422)


def test_two_calls_at_once_do_not_write_into_one_file(tmp_path: Path) -> None:
    requests = write(tmp_path / "requests.jsonl", [request("one", url="/echo", body={})])
    out = tmp_path / "results.jsonl"
    told: list[str] = []

    def meanwhile(body: Mapping[str, Any]) -> Finish:
        with pytest.raises(LeptonError) as refused:
            answer_file(requests, out, {"/echo": echo})
        told.append(refused.value.what)
        return echo(body)

    assert answer_file(requests, out, {"/echo": meanwhile}).done == 1
    assert told == ["another process is at these requests"]
    assert len(lines_of(out)) == 1


def test_chats_texts_and_vectors_are_answered_as_the_service_does(
    home: Workspace, tmp_path: Path
) -> None:
    short = {"model": "talker", "max_tokens": 12, "temperature": 0}
    talk = [{"role": "user", "content": "Who is Emma?"}]
    chat, texts = "/v1/chat/completions", "/v1/completions"
    asked = [
        request("chat", url=chat, body={**short, "messages": talk}),
        request("two", url=chat, body={**short, "messages": talk, "n": 2}),
        request("text", url=texts, body={**short, "prompt": "Emma was"}),
        request("texts", url=texts, body={**short, "prompt": ["Emma was", "She"], "n": 2}),
        request("streamed", url=chat, body={**short, "messages": talk, "stream": True}),
        request("other", url=chat, body={**short, "messages": talk, "model": "walker"}),
        request("long", url=texts, body={**short, "prompt": "Emma was " * 5000}),
        request("odd", url=chat, body={**short, "messages": "Emma"}),
    ]
    requests, out = write(tmp_path / "requests.jsonl", asked), tmp_path / "results.jsonl"
    shell = Shell(home.home)
    done = shell("predict", "talker", "--batch", requests, "--out", out)
    assert (done.code, "4 of 8 requests failed" in done.err) == (1, True), done.err
    found = {each["custom_id"]: each["response"] for each in lines_of(out)}
    engine = Engine(home, "cpu")
    sampling = Sampling.of({"max_tokens": 12, "temperature": 0})
    for custom_id, prompt in (("chat", [Message.of(talk[0])]), ("text", "Emma was")):
        wanted = "".join(part.text for part in engine.generate("talker", prompt, sampling))
        body = found[custom_id]["body"]
        (choice,) = body["choices"]
        said = choice["message"]["content"] if custom_id == "chat" else choice["text"]
        assert (said, choice["finish_reason"]) == (wanted, "length")
        assert body["usage"]["completion_tokens"] == 12
    assert len(found["two"]["body"]["choices"]) == 2
    several = [each["text"] for each in found["texts"]["body"]["choices"]]
    assert several[:2] == [found["text"]["body"]["choices"][0]["text"]] * 2
    assert several[2] == several[3] != several[0]
    for custom_id, status, words in (
        ("streamed", 400, "answered whole"),
        ("other", 404, "another model"),
        ("long", 400, "fit into this model"),
        ("odd", 400, "messages"),
    ):
        assert found[custom_id]["status_code"] == status
        assert words in found[custom_id]["body"]["error"]["message"]
    vectors = [request("v", url="/v1/embeddings", body={"model": "moods", "input": ["a", "good"]})]
    write(requests, vectors)
    done = shell("predict", "moods", "--batch", requests, "--out", out, "--force", "--json")
    assert done.json["failed"] == 0
    (only,) = lines_of(out)
    assert [each["object"] for each in only["response"]["body"]["data"]] == ["embedding"] * 2
