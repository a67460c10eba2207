"""A service's life: ready, measured, written down, killed in parts, and ended with care."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from core.errors import LeptonError, UsageError
from core.models.registry import Models
from core.serving.keys import Keys
from core.workspace import Workspace
from lepton_tui.cli import run
from tests.serving.conftest import FLOWER, PATIENCE, Running, Start
from tests.serving.test_bad_input import refused
from tests.serving.test_keys import lepton


class Touching:
    """What a pickle of it does when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_requests_are_counted_with_closed_labels(service: Running) -> None:
    of = {"route": "predict", "model": "flowers", "version": "1"}
    before = service.metric("lepton_requests_total", **of, status="200")
    for _ in range(3):
        service.predict("flowers", FLOWER, FLOWER)
    for at in range(20):
        service.predict(f"stranger{at}", FLOWER)
        service.client.get(f"/nowhere/{at}")
    after = service.metric("lepton_requests_total", **of, status="200")
    assert after - before == 3
    text = service.client.get("/metrics").text
    assert "stranger" not in text
    assert "nowhere" not in text
    families = {each.name: each for each in text_string_to_metric_families(text)}
    rows = {
        sample.labels["le"]: sample.value
        for sample in families["lepton_request_rows"].samples
        if sample.name.endswith("_bucket") and sample.labels["model"] == "flowers"
    }
    assert rows["2.0"] - rows["1.0"] >= 3
    assert families["lepton_engine_seconds"].type == "histogram"
    assert service.metric("lepton_requests_in_flight") == 1
    assert service.metric("lepton_ready") == 1


def test_a_line_of_the_log_has_the_requests_own_id(service: Running) -> None:
    reply = service.predict("flowers", FLOWER, headers={"x-request-id": "my-id.7"})
    assert reply.headers["x-request-id"] == "my-id.7"
    line = service.log(lambda line: line.get("id") == "my-id.7")
    assert (line["route"], line["model"], line["version"]) == ("predict", "flowers", "1")
    assert (line["status"], line["rows"]) == (200, 1)
    assert line["ms"] > 0
    for odd in ("a b", "x" * 200, 'x"y'):
        given = service.client.get("/livez", headers={"x-request-id": odd}).headers["x-request-id"]
        assert given != odd


def test_a_head_leaves_together_with_its_body(service: Running) -> None:
    body = json.dumps({"instances": [FLOWER]}).encode()
    head = (
        f"POST /v1/models/flowers:predict HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        for _ in range(50):
            client.sendall(head.encode() + body)
            told, _, answer = client.recv(1 << 16).partition(b"\r\n\r\n")
            assert b" 200 " in told
            assert json.loads(answer)["predictions"]


def test_the_engine_killed_under_load_is_back_in_seconds(lepton_serve: Start) -> None:
    service = lepton_serve("flowers", "moods", alone=True)
    engine = service.engine
    engine.suspend()
    with ThreadPoolExecutor(8) as pool:
        lost = [pool.submit(service.predict, "flowers", FLOWER) for _ in range(8)]
        while service.metric("lepton_queue_requests") < 8:
            assert not any(each.done() for each in lost)
        engine.kill()
        for each in lost:
            reply = each.result()
            assert refused(reply, 503)["hint"] == "It starts anew: ask again."
            assert "retry-after" in reply.headers
    began = time.monotonic()
    assert service.client.get("/livez").status_code == 200
    while (reply := service.predict("flowers", FLOWER)).status_code != 200:
        refused(reply, 503)
        assert time.monotonic() - began < PATIENCE
    while service.client.get("/readyz").status_code != 200:
        assert time.monotonic() - began < PATIENCE
    assert service.engine.pid != engine.pid
    assert service.metric("lepton_engine_restarts_total") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_what_it_has(lepton_serve: Start, number: int) -> None:
    service = lepton_serve("flowers", alone=True)
    engine = service.engine
    engine.suspend()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(service.predict, "flowers", FLOWER)
        while service.metric("lepton_queue_requests") < 1:
            assert not working.done()
        service.process.send_signal(number)
        # It takes nobody new.
        began = time.monotonic()
        while _answers(service.port):
            assert time.monotonic() - began < PATIENCE
        engine.resume()
        assert working.result().status_code == 200
    assert service.process.wait(PATIENCE) == 0
    engine.wait(PATIENCE)
    assert service.log(lambda line: line["event"] == "stopped")
    assert "Traceback" not in service.text()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_tls(lepton_serve: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("127.0.0.1", "localhost")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    for at, part in enumerate(own.cert_chain_pems):
        part.write_to_path(tmp_path / "cert.pem", append=at > 0)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    words = ("moods", "--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"))
    service = lepton_serve(*words, verify=trusting)
    assert service.address.startswith("https://")
    assert service.predict("moods", "good").status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{service.address}/livez")
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(f"http://127.0.0.1:{service.port}/livez")


def test_a_folder_elsewhere_is_served(home: Workspace, lepton_serve: Start, tmp_path: Path) -> None:
    folder = Models(home).get("moods").path
    moved = tmp_path / "My Model"
    moved.mkdir()
    for each in folder.iterdir():
        (moved / each.name).write_bytes(each.read_bytes())
    service = lepton_serve(str(moved), where=tmp_path / "fresh")
    (found,) = service.client.get("/v1/models").json()["data"]
    assert found["version"] is None
    reply = service.predict(found["id"], "good")
    assert reply.json()["version"] is None
    assert str(tmp_path) not in reply.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("flower",), 'Did you mean "flowers"?'),
        ((), "MODEL… is missing"),
        (("flowers", "flowers@1"), 'two models are called "flowers"'),
        (("flowers", "--canary", "flowers@1"), "NAME@VERSION=0.1"),
        (("flowers", "--canary", "moods@1=0.1"), "no second version"),
        (("flowers", "--canary", "flowers@1=1.5"), "between 0 and 1"),
        (("flowers", "--shadow", "flowers@7"), "no version 7"),
        (("flowers", "--cert", "nothing.pem"), "--cert FILE --key FILE"),
        (("flowers", "--cert", "nothing.pem", "--key", "nothing.pem"), "TLS cannot be used"),
        (("flowers", "--host", "192.0.2.1", "--insecure"), "cannot listen"),
        (("flowers", "--max-body", "much"), "32MiB"),
        (("flowers", "--insecure", "--require-key"), "contradict"),
        (("flowers", "--port", "70000"), "--port"),
    ],
)
def test_a_wrong_start_is_told_before_anything_listens(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(home.home))
    with pytest.raises(UsageError) as caught:
        run(["serve", *words])
    assert told in f"{caught.value} {caught.value.hint}"


def test_other_addresses_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path))
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(UsageError, match="no key yet") as caught:
            run(["serve", "flowers", "--host", host])
        assert "lepton serve keys add NAME" in caught.value.hint


def test_a_taken_port_and_a_broken_model_are_told(
    home: Workspace, service: Running, tmp_path: Path
) -> None:
    said = lepton(home.home, "serve", "flowers", "--port", str(service.port))
    assert said.returncode == 2
    assert "address already in use" in said.stderr
    folder = Models(home).get("flowers").path
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_bytes((folder / "model.json").read_bytes())
    mark = tmp_path / "ran"
    (broken / "model.safetensors").write_bytes(pickle.dumps(Touching(mark)))
    said = lepton(home.home, "serve", str(broken), "--port", "0")
    assert said.returncode == 1, said.stderr
    assert "cannot be read" in said.stderr
    assert "Serving" not in said.stderr
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_link_out_of_a_models_folder_is_not_followed(
    home: Workspace, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(home.home))
    folder = tmp_path / "linked"
    folder.mkdir()
    for each in ("model.json", "model.safetensors"):
        (folder / each).write_bytes((Models(home).get("flowers").path / each).read_bytes())
    (folder / name).unlink()
    (folder / name).symlink_to(Models(home).get("flowers").path / name)
    with pytest.raises(LeptonError, match="leads out of the model's folder"):
        run(["serve", str(folder)])


def test_without_its_extra_it_says_what_to_install(home: Workspace, tmp_path: Path) -> None:
    hide = (
        "import sys; from importlib import util; real = util.find_spec;"
        "util.find_spec = lambda name, *a: None if name == 'uvicorn' else real(name, *a);"
        "from lepton_tui.__main__ import main; sys.exit(main(['serve', 'flowers']))"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", hide],
        env={**os.environ, "LEPTON_HOME": str(home.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert "pip install 'lepton-tui[serve]'" in said.stderr


def test_the_service_is_light_and_help_is_lighter() -> None:
    code = (
        "import sys, json; from lepton_tui.cli import run; run({words});"
        "print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})),"
        " file=sys.stderr)"
    )
    for words in (["--help"], ["serve", "--help"]):
        said = subprocess.run(
            [sys.executable, "-P", "-c", code.format(words=words)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "serve" in said.stdout
        assert not {"starlette", "uvicorn", "torch"} & {*json.loads(said.stderr.splitlines()[-1])}
    code = "import sys, core.serving.service; print('torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"


def test_keys_can_be_asked_for_on_this_machine_too(home: Workspace, lepton_serve: Start) -> None:
    token, _ = Keys(home).add("local")
    service = lepton_serve("moods", "--require-key")
    refused(service.predict("moods", "good"), 401)
    assert service.predict("moods", "good", headers={"x-api-key": token}).status_code == 200


def test_on_every_address_it_asks_for_a_key_and_knows_its_names(
    home: Workspace, lepton_serve: Start
) -> None:
    own = {"x-api-key": Keys(home).add("abroad")[0]}
    service = lepton_serve("moods", "--host", "0.0.0.0", "--allow-host", "models.example")
    refused(service.predict("moods", "good"), 401)
    assert service.client.get("/livez").status_code == 200
    for host, status in [("models.example", 200), ("10.1.2.3:80", 200), ("evil.example", 421)]:
        reply = service.predict("moods", "good", headers={**own, "host": host})
        assert reply.status_code == status, host
