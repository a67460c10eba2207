"""How a person names the settings of a run of before."""

import json
from pathlib import Path

import pytest

from core.errors import UsageError
from core.runs.store import Runs
from core.tuning.outcome import BEST
from core.workspace import Workspace
from lepton_tui.cli.settings import read_config

SETTLED = {"dataset": "plants@1", "lr": 0.01}
ASKED = {"dataset": "plants", "lr": None}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.chdir(tmp_path)
    return Runs(Workspace.open(tmp_path / "home"))


@pytest.mark.parametrize(
    "named",
    ["{id}", "{last}", "runs/{id}", "runs/{last}/", "{path}", "{path}/run.json"],
)
def test_a_run_is_named_by_its_id_or_its_folder(runs: Runs, named: str) -> None:
    run = runs.create("train", ASKED)
    named = named.format(id=run.id, last=run.id[-4:], path=run.path)
    # One that never began is asked for once more, the others as they ran.
    assert read_config(named, runs.workspace) == ASKED
    (run.artifacts / "config.json").write_text(json.dumps(SETTLED))
    assert read_config(named, runs.workspace) == SETTLED


def test_a_search_has_the_best_that_it_found(runs: Runs) -> None:
    run = runs.create("tune", {})
    with pytest.raises(UsageError, match="has no settings of a training"):
        read_config(run.id, runs.workspace)
    (run.artifacts / BEST).write_text("lr = 0.25\n")
    for named in (run.id, str(run.path)):
        assert read_config(named, runs.workspace) == {"lr": 0.25}


@pytest.mark.parametrize("named", ["no/such.toml", "no.json"])
def test_a_file_that_is_not_there_is_told_with_what_may_be_named(runs: Runs, named: str) -> None:
    with pytest.raises(UsageError, match="there is no such file") as caught:
        read_config(named, runs.workspace)
    assert caught.value.hint == "Name a TOML or JSON file, or a run: lepton runs ls"


def test_a_run_that_is_not_there_is_told(runs: Runs) -> None:
    runs.create("train", ASKED)
    with pytest.raises(UsageError, match='there is no run "zzzz"'):
        read_config("runs/zzzz", runs.workspace)
