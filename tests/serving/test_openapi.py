"""`lepton serve --openapi` tells the document that clients are made of, and they are made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.serving.openapi import any_service
from core.workspace import Workspace
from lepton_tui.cli import run
from tests.serving.clients import CLIENTS, ROOT, digit, done
from tests.serving.conftest import Running, Start
from tests.serving.test_keys import lepton

GENERATE = CLIENTS / "generate.py"
OWN = """
import sys
from lepton_client import Client
from lepton_client.api.batches import batch_flowers
from lepton_client.api.predict import predict_digits, predict_flowers
from lepton_client.models import Batch, DigitsResponse, PredictDigitsFilesBody
from lepton_client.models import FlowersBatchRequest, FlowersBatchRow
from lepton_client.models import FlowersRequest, FlowersResponse, FlowersRow
from lepton_client.types import File

client = Client(sys.argv[1])
body = FlowersRequest([FlowersRow(petal_length=5.5, colour="red")])
answered = predict_flowers.sync(client=client, body=body)
assert isinstance(answered, FlowersResponse), answered
(answer,) = answered.predictions
assert answer is not None
print(answer.label.value)
many = FlowersBatchRequest([FlowersBatchRow(petal_length=5.5, colour="red")] * 2)
later = batch_flowers.sync(client=client, body=many)
assert isinstance(later, Batch), later
with open("digit.png", "rb") as opened:
    file = File(opened, "digit.png", "image/png")
    seen = predict_digits.sync(client=client, body=PredictDigitsFilesBody([file]))
assert isinstance(seen, DigitsResponse), seen
"""
needs_tools = pytest.mark.skipif(
    not (CLIENTS / ".venv" / "bin" / "node").exists(),
    reason="its tools come with: make clients-check",
)


def test_the_clients_are_made_of_the_document_that_is_told() -> None:
    """`make clients-check` holds all that is generated; this needs no generators."""
    assert json.loads((CLIENTS / "openapi.json").read_text("utf-8")) == json.loads(any_service())


def test_the_command_tells_what_the_service_tells(
    home: Workspace, service: Running, lepton_serve: Start
) -> None:
    names = ("flowers", "moods", "digits", "lengths", "sales")
    told = lepton(home.home, "serve", *names, "--openapi")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == service.client.get("/openapi.json").json()
    # Nobody is to be served, so it asks for no key that somebody has.
    told = lepton(home.home, "serve", "moods", "--host", "0.0.0.0", "--openapi")
    assert told.returncode == 0, told.stderr
    guarded = json.loads(told.stdout)
    assert guarded["paths"]["/v1/models/moods:predict"]["post"]["security"]
    assert "security" not in guarded["paths"]["/livez"]["get"]


def test_without_a_model_it_is_that_of_any_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "nowhere"))
    run(["serve", "--openapi"])
    document = json.loads(capsys.readouterr().out)
    asked = document["paths"]["/v1/models/{model}:predict"]["post"]
    assert asked["operationId"] == "predict"
    answers = document["components"]["schemas"]["PredictResponse"]["properties"]["predictions"]
    kinds = {each.get("$ref", each.get("type")) for each in answers["items"]["anyOf"]}
    assert len(kinds) == 7
    assert {"number", "null", "#/components/schemas/ObjectsAnswer"} <= kinds
    assert not (tmp_path / "nowhere").exists()


def test_no_model_and_no_wish_for_the_document_is_a_mistake(home: Workspace) -> None:
    told = lepton(home.home, "serve")
    assert told.returncode == 2
    assert "MODEL… is missing" in told.stderr
    assert lepton(home.home, "serve", "roses", "--openapi").returncode == 2


@pytest.mark.slow
@needs_tools
def test_what_is_changed_by_hand_is_found_and_made_again(tmp_path: Path) -> None:
    copy = tmp_path / "clients"
    left = shutil.ignore_patterns(".venv", "node_modules", "dist")
    shutil.copytree(CLIENTS, copy, ignore=left)
    for tools in (".venv", "typescript/node_modules"):
        (copy / tools).symlink_to(CLIENTS / tools)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def generate(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, copy / "generate.py", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    changed = copy / "python" / "lepton_client" / "models" / "problem.py"
    stray = changed.with_name("old.py")
    lost = copy / "typescript" / "src" / "schema.ts"
    own = copy / "python" / "lepton_client" / "streaming.py"
    changed.write_text("x = 1\n")
    stray.write_text("x = 1\n")
    lost.unlink()
    own.write_text("x = 1\n")
    found = generate("--check")
    assert found.returncode == 1
    told = [line.split()[0] for line in found.stdout.splitlines() if "is not what" in line]
    assert told == [f"clients/{path.relative_to(copy)}" for path in (stray, changed, lost)]
    assert changed.read_text() == "x = 1\n"
    made = generate()
    assert made.returncode == 0, made.stderr
    assert not stray.exists()
    assert own.read_text() == "x = 1\n"
    again = generate("--check")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.slow
@needs_tools
def test_a_client_of_ones_own_models_asks_them(
    home: Workspace, service: Running, tmp_path: Path
) -> None:
    document, made = tmp_path / "openapi.json", tmp_path / "mine"
    document.write_text(lepton(home.home, "serve", "flowers", "digits", "--openapi").stdout)
    done(sys.executable, GENERATE, "--document", document, "--into", made, cwd=tmp_path)
    digit(tmp_path)
    program = tmp_path / "own.py"
    program.write_text(OWN)
    path = {**os.environ, "PYTHONPATH": str(made), "MYPYPATH": str(made)}
    said = done(sys.executable, "-P", program, service.address, cwd=tmp_path, env=path)
    assert said.strip() in ("long", "short")
    done(sys.executable, "-m", "mypy", "--strict", program, cwd=tmp_path, env=path)
    assert "petal length" in (made / "schema.ts").read_text("utf-8")
    twice = subprocess.run(
        [sys.executable, GENERATE, "--document", document, "--into", made],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (twice.returncode, "is there already" in twice.stderr) == (2, True)
