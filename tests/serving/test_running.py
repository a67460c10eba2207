"""The services that run: listed while they live, watched by their owner alone, started and stopped
from elsewhere."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from core.errors import LeptonError, UsageError
from core.serving.running import Services, state_of
from core.serving.traffic import Traffic, percentile
from core.workspace import Workspace
from tests.serving.conftest import FLOWER, PATIENCE, Running, Start
from tests.serving.test_keys import lepton


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Only the services of this test are listed, and none outlives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for path in (tmp_path / "state").glob("lepton/services/*/*.json"):
        os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


def listed(home: Workspace, service: Running) -> bool:
    return service.address in [each.address for each in Services(home).list()]


def test_a_service_is_listed_with_how_it_does(lepton_serve: Start, home: Workspace) -> None:
    service = lepton_serve("flowers", "moods")
    (running,) = Services(home).list()
    assert (running.address, running.pid) == (service.address, service.process.pid)
    assert (running.models, running.keys) == (("flowers", "moods"), False)
    service.predict("flowers", FLOWER, FLOWER, headers={"x-request-id": "mine"})
    service.predict("stranger", FLOWER)
    service.client.get("/readyz")
    seen = running.look()
    assert state_of(seen) == "ready"
    # Its answer is on its way before it is counted: the second one waits for the first.
    assert (seen["requests"], seen["refused"], seen["failed"]) == (2, 1, 0)
    assert sum(seen["per_second"]) <= 2
    stranger, mine = seen["latest"]
    assert (mine["id"], mine["model"], mine["status"], mine["rows"]) == ("mine", "flowers", 200, 2)
    assert (stranger["status"], "model" in stranger) == (404, False)
    flowers, moods = seen["models"]
    assert (flowers["name"], flowers["version"], flowers["requests"]) == ("flowers", 1, 1)
    assert flowers["p50_ms"] == flowers["p99_ms"] == mine["ms"]
    assert "requests" not in moods
    assert "petal" not in json.dumps(seen), "nothing of what was sent"


def test_nobody_else_can_watch_it(lepton_serve: Start, home: Workspace, tmp_path: Path) -> None:
    service = lepton_serve("flowers")
    (running,) = Services(home).list()
    assert stat.S_IMODE(Path(running.socket).stat().st_mode) == 0o600
    record = Services(home).folder / f"{running.id}.json"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert service.client.get("/status").status_code == 404
    other = Workspace.open(tmp_path / "other")
    assert Services(other).list() == []


def test_one_that_was_killed_is_not_listed_and_leaves_nothing(
    lepton_serve: Start, home: Workspace
) -> None:
    service = lepton_serve("flowers")
    (running,) = Services(home).list()
    service.process.kill()
    service.process.wait(PATIENCE)
    assert Path(running.socket).exists(), "it had no time to tidy up"
    assert Services(home).list() == []
    assert not Path(running.socket).exists()
    assert list(Services(home).folder.glob("*.json")) == []
    with pytest.raises(LeptonError, match="does not say how it does"):
        running.look()


def test_a_detached_one_outlives_who_started_it(home: Workspace) -> None:
    started = lepton(home.home, "serve", "flowers", "--detach", "--port", "0", "--json")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    assert os.getsid(told["pid"]) == told["pid"], "no terminal's hang-up reaches it"
    asked = httpx2.post(
        f"{told['address']}/v1/models/flowers:predict",
        json={"instances": [FLOWER]},
        timeout=PATIENCE,
    )
    assert asked.status_code == 200
    (shown,) = json.loads(lepton(home.home, "serve", "ls", "--json").stdout)
    assert (shown["address"], shown["state"]) == (told["address"], "ready")
    assert shown["served"][0]["requests"] == shown["latest"][0]["rows"] == 1
    log = Path(shown["log"])
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    began = time.monotonic()
    while '"route":"predict"' not in log.read_text():
        assert time.monotonic() - began < PATIENCE
    said = lepton(home.home, "serve", "ls").stdout.splitlines()[1]
    assert said.split()[:3] == [told["address"], "flowers", "ready"]
    stopped = lepton(home.home, "serve", "stop", str(told["pid"]), "--json")
    assert json.loads(stopped.stdout) == [{"address": told["address"], "stopped": True}]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{told['address']}/livez")
    assert lepton(home.home, "serve", "ls", "--json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], 'no model "nosuch"'),
        (["flowers", "--canary", "moods@1=0.5"], "no second version"),
    ],
)
def test_one_that_cannot_be_says_why_to_who_started_it(
    home: Workspace, words: list[str], said: str
) -> None:
    done = lepton(home.home, "serve", *words, "--detach", "--port", "0")
    assert done.returncode == 2
    assert said in done.stderr
    assert Services(home).list() == []


def test_where_a_key_is_needed_and_none_is_there_it_says_how_to_make_one(tmp_path: Path) -> None:
    """In a workspace of its own: other tests give keys to the one they share."""
    own = Workspace.open(tmp_path / "home")
    done = lepton(own.home, "serve", "flowers", "--require-key", "--detach", "--port", "0")
    assert done.returncode == 2
    assert "lepton serve keys add NAME" in done.stderr
    assert Services(own).list() == []


def test_a_taken_port_is_told(lepton_serve: Start, home: Workspace) -> None:
    port = str(lepton_serve("flowers").port)
    done = lepton(home.home, "serve", "flowers", "--detach", "--port", port)
    assert done.returncode == 2
    assert "address already in use" in done.stderr
    assert [str(each.port) for each in Services(home).list()] == [port]


def test_stopped_it_finishes_what_it_has_and_says_that_it_stops(
    lepton_serve: Start, home: Workspace
) -> None:
    service = lepton_serve("flowers", alone=True)
    (running,) = Services(home).list()
    engine = service.engine
    engine.suspend()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(service.predict, "flowers", FLOWER)
        while running.look()["waiting"] < 1:
            assert not working.done()
        done = lepton(home.home, "serve", "stop", "--wait", "0")
        assert (done.returncode, done.stdout) == (1, "")
        assert "still at work" in done.stderr
        began = time.monotonic()
        while state_of(running.look()) != "stopping":
            assert time.monotonic() - began < PATIENCE
        engine.resume()
        assert working.result().status_code == 200
    assert Services(home).ended_within(running, PATIENCE)


def test_a_service_is_named_by_its_port_its_address_or_its_process(
    lepton_serve: Start, home: Workspace
) -> None:
    services = Services(home)
    with pytest.raises(UsageError, match="no service of this workspace runs"):
        services.find()
    one, other = lepton_serve("flowers"), lepton_serve("moods")
    for named in (str(one.port), one.address, str(one.process.pid)):
        assert services.find(named).address == one.address
    with pytest.raises(UsageError, match="several services run") as several:
        services.find()
    assert str(other.port) in several.value.hint
    with pytest.raises(UsageError, match='no service is at "1"'):
        services.find("1")


def test_latencies_are_of_the_models_and_bounded() -> None:
    assert percentile([], 0.5) is None
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    traffic = Traffic()
    for at in range(6000):
        of = {"model": "flowers", "version": "1"} if at % 2 else {"model": None, "version": None}
        traffic.answered({"id": str(at), "status": 200 if at % 2 else 401, "ms": at, **of})
    told = traffic.told()
    assert (told["requests"], told["refused"], told["models"]["flowers@1"]["requests"]) == (
        6000,
        3000,
        3000,
    )
    assert told["p99_ms"] > told["p50_ms"] > 2900
    assert len(told["latest"]) < 100
    assert told["latest"][0]["id"] == "5999"
