"""Who may ask: keys that are kept as hashes, scoped, expiring, and refused in a URL."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import LeptonError, UsageError
from core.serving import keys as kept
from core.serving.keys import Keys
from core.workspace import Workspace
from lepton_tui.cli import run
from tests.serving.conftest import FLOWER, Running, Start
from tests.serving.test_bad_input import refused


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(Workspace.open(tmp_path / "home"))


@pytest.fixture(scope="module")
def guarded(bounded: Start, home: Workspace) -> Running:
    return bounded("flowers", "moods", keys=True)


def lepton(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "lepton_tui", *words],
        env={**os.environ, "LEPTON_HOME": str(home)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_only_a_salted_hash_is_kept_in_a_file_of_its_owner(keys: Keys) -> None:
    token, key = keys.add("laptop")
    other, _ = keys.add("phone")
    assert len(token.rpartition("_")[2]) >= 43 or len(token) > 50
    text = keys.path.read_text()
    assert token not in text
    assert token[len(key.prefix) + 1 :] not in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert keys.find(token) == key
    assert keys.find(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert keys.find(key.prefix + other[len(key.prefix) :]) is None
    assert keys.find("") is None
    assert keys.find("lep_ÿ") is None
    salts = [each["salt"] for each in json.loads(text)["keys"]]
    assert len(set(salts)) == 2


def test_a_file_that_others_can_read_is_not_trusted(keys: Keys) -> None:
    token, _ = keys.add("laptop")
    keys.path.chmod(0o644)
    with pytest.raises(LeptonError, match="others can read"):
        keys.find(token)
    keys.path.chmod(0o600)
    keys.path.write_text("{")
    with pytest.raises(LeptonError, match="damaged"):
        keys.list()


def test_many_who_add_at_once_all_keep_theirs(keys: Keys) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: Keys(Workspace(keys.path.parent)).add(f"k{at}"), range(16)))
    assert len(keys.list()) == 16
    with pytest.raises(UsageError, match="already"):
        keys.add("k3")
    keys.remove("k3")
    with pytest.raises(UsageError, match='no key "k3"'):
        keys.remove("k3")


def test_a_request_needs_a_key_of_the_right_scope_and_model(
    guarded: Running, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(home)
    whole, _ = keys.add("whole")
    flowers, _ = keys.add("flowers-only", models=["flowers"])
    metrics, _ = keys.add("metrics-only", scopes=["metrics"])
    admin, _ = keys.add("boss", scopes=["admin"])
    monkeypatch.setattr(kept.time, "time", lambda: 0.0)
    old, _ = keys.add("old", seconds=60)
    monkeypatch.undo()

    def ask(model: str, **headers: str) -> object:
        return guarded.predict(model, FLOWER if model == "flowers" else "x", headers=headers)

    for wrong in ({}, {"authorization": "Bearer"}, {"authorization": f"Basic {whole}"}):
        reply = ask("flowers", **wrong)
        assert refused(reply, 401)["detail"] == "a key is needed"
        assert reply.headers["www-authenticate"].startswith("Bearer")
    assert (
        refused(ask("flowers", authorization=f"Bearer {whole}x"), 401)["detail"]
        == "the key is wrong"
    )
    assert refused(ask("flowers", **{"x-api-key": old}), 401)["detail"] == "the key has expired"
    assert ask("flowers", authorization=f"Bearer {whole}").status_code == 200
    assert ask("flowers", authorization=f"bearer  {whole}").status_code == 200
    assert ask("moods", **{"x-api-key": whole}).status_code == 200
    assert ask("flowers", **{"x-api-key": flowers}).status_code == 200
    assert ask("moods", **{"x-api-key": admin}).status_code == 200
    refused(ask("moods", **{"x-api-key": flowers}), 403)
    refused(ask("moods", **{"x-api-key": metrics}), 403)
    own = {"x-api-key": flowers}
    assert guarded.client.get("/v2/models/moods", headers=own).status_code == 403
    listed = guarded.client.get("/v1/models", headers=own).json()["data"]
    assert [each["id"] for each in listed] == ["flowers"]
    document = guarded.client.get("/openapi.json", headers=own).json()
    assert "moods" not in json.dumps(document)
    assert document["paths"]["/v1/models/flowers:predict"]["post"]["security"]

    assert guarded.client.get("/metrics").status_code == 401
    assert guarded.client.get("/metrics", headers={"x-api-key": whole}).status_code == 403
    assert guarded.client.get("/metrics", headers={"x-api-key": metrics}).status_code == 200
    for path in ("/healthz", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert guarded.client.get(path).status_code == 200

    keys.remove("whole")
    refused(ask("flowers", authorization=f"Bearer {whole}"), 401)
    for token in (whole, flowers, metrics, admin, old):
        assert token not in guarded.text()
    assert guarded.log(lambda line: line.get("key") == "flowers-only")


def test_a_key_in_a_url_is_refused_even_a_good_one(guarded: Running, home: Workspace) -> None:
    token, _ = Keys(home).add("urls")
    good = {"x-api-key": token}
    for query in (f"api_key={token}", "key=abc", "access_token=abc", f"x={token}", "TOKEN="):
        reply = guarded.client.get(f"/v1/models?{query}", headers=good)
        assert "does not belong into a URL" in refused(reply, 400)["detail"]
    assert guarded.client.get("/v1/models?limit=3", headers=good).status_code == 200
    assert token not in guarded.text()


def test_the_commands_make_list_and_remove_keys(home: Workspace, tmp_path: Path) -> None:
    made = lepton(
        home.home, "serve", "keys", "add", "ann", "--models", "flowers", "--expires", "30d"
    )
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert "only time" in made.stderr
    (key,) = [
        each
        for each in json.loads(lepton(home.home, "serve", "keys", "ls", "--json").stdout)
        if each["name"] == "ann"
    ]
    assert key["models"] == ["flowers"]
    assert key["scopes"] == ["infer"]
    assert 29.9 < (key["expires"] - time.time()) / 86_400 < 30.1
    assert "hash" not in key
    assert "salt" not in key
    shown = lepton(home.home, "serve", "keys", "ls").stdout
    assert key["prefix"] in shown
    assert token not in shown
    assert Keys(home).find(token) is not None
    assert lepton(home.home, "serve", "keys", "rm", "ann").returncode == 2
    assert lepton(home.home, "serve", "keys", "rm", "ann", "--yes").returncode == 0
    assert Keys(home).find(token) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "bob", "--expires", "soon"), "30d"),
        (("add", "bob", "--models", "flower"), "flowers"),
        (("add", "bob", "--scope", "infr"), '"infer"'),
        (("add", "Bob!"), "cannot be a name"),
        (("rm", "nobody", "--yes"), 'no key "nobody"'),
        (("add",), "NAME is missing"),
        (("ad",), '"add"'),
    ],
)
def test_wrong_words_are_told(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(home.home))
    with pytest.raises(UsageError) as caught:
        run(["serve", "keys", *words])
    assert told in f"{caught.value} {caught.value.hint}"
