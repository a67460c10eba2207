"""A request tried by hand, and the curl line that does the same."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

from core.errors import LeptonError, UsageError
from core.inference.inputs import read_inputs
from core.models.registry import Models, task_of
from core.serving.forms import Form
from core.serving.keys import Keys
from core.serving.running import Running, Services
from core.serving.settings import Limits
from core.serving.trying import Trial, trial, typed
from core.workspace import Workspace
from tests.inference.conftest import png
from tests.serving.conftest import Start


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def of(home: Workspace, running: Running, model: str, **cells: str) -> Trial:
    form = Form(model, task_of(Models(home).get(model)), Limits())
    return trial(running, model, form, {name.replace("_", " "): v for name, v in cells.items()})


def test_what_is_typed_is_sent_and_its_curl_line_says_the_same(
    lepton_serve: Start, home: Workspace, tmp_path: Path
) -> None:
    lepton_serve("flowers", "moods", "digits", "sales")
    (running,) = Services(home).list()
    picture = tmp_path / "it's a 7.png"
    picture.write_bytes(png(7))
    series = typed(read_inputs(home, task_of(Models(home).get("sales")), ["sales#60"])[0])
    for model, cells in (
        ("flowers", {"petal_length": "5.5", "colour": "it's $HOME"}),
        ("moods", {"text": "not 'good'\n"}),
        ("digits", {"image": str(picture)}),
        ("sales", series),
    ):
        asked = of(home, running, model, **cells)
        reply = asked.send()
        assert reply.status == 200, reply.document
        assert (reply.document["model"], len(reply.id) > 0) == (model, True)
        if shutil.which("curl"):
            line = ["sh", "-c", f"{asked.curl()} --silent"]
            said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
            assert json.loads(said) == reply.document


def test_cells_become_what_their_columns_hold(lepton_serve: Start, home: Workspace) -> None:
    lepton_serve("flowers", "digits")
    (running,) = Services(home).list()
    for cell, sent in (("5", 5), ("5.50", 5.5), ("", None), ("1e3", 1000)):
        asked = of(home, running, "flowers", petal_length=cell, colour="")
        assert isinstance(asked.body, bytes)
        row = {"petal length": sent, "colour": None}
        assert json.loads(asked.body) == {"instances": [row]}
    with pytest.raises(UsageError, match='"long" is no number') as wrong:
        of(home, running, "flowers", petal_length="long", colour="red")
    assert wrong.value.where == "petal length"
    with pytest.raises(LeptonError, match="inf"):
        of(home, running, "flowers", petal_length="inf", colour="red")
    with pytest.raises(UsageError, match="there is no such file"):
        of(home, running, "digits", image="nowhere.png")
    with pytest.raises(UsageError, match="there is no such file"):
        of(home, running, "digits", image="~nobodys/7.png")


def test_a_key_is_sent_but_not_shown(lepton_serve: Start, home: Workspace) -> None:
    token, _ = Keys(home).add("by-hand")
    try:
        lepton_serve("flowers", "--require-key")
        (running,) = Services(home).list()
        asked = of(home, running, "flowers", petal_length="1", colour="red")
        assert asked.send().status == 401
        assert asked.send(token).status == 200
        line = asked.curl()
        assert token not in line
        shown = subprocess.run(
            ["sh", "-c", f"curl() {{ printf '%s\\n' \"$@\"; }}; {line}"],
            env={"LEPTON_KEY": token},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"Authorization: Bearer {token}" in shown.splitlines()
    finally:
        Keys(home).remove("by-hand")


def test_the_services_own_certificate_is_trusted_and_no_other(
    lepton_serve: Start, home: Workspace, tmp_path: Path
) -> None:
    authority = trustme.CA()
    for name in ("mine", "other"):
        made = authority.issue_cert(f"{name}.example.org")
        made.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    words = ["--cert", str(tmp_path / "mine.pem"), "--key", str(tmp_path / "mine.key")]
    lepton_serve("flowers", *words, verify=False)
    (running,) = Services(home).list()
    asked = of(home, running, "flowers", petal_length="1", colour="red")
    assert asked.send().status == 200
    assert shlex.split(asked.curl())[2:4] == ["--cacert", str(tmp_path / "mine.pem")]
    stranger = Trial(asked.url, asked.kind, asked.body, keys=False, certificate=None)
    with pytest.raises(LeptonError, match="cannot be reached"):
        stranger.send()
    (tmp_path / "mine.pem").write_bytes((tmp_path / "other.pem").read_bytes())
    with pytest.raises(LeptonError, match="cannot be reached"):
        asked.send()
