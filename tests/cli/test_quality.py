"""`lepton data check` and `rules` at the shell: findings with the way out, rules that fail."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace
from tests.cli.conftest import Shell

RULES = """
[[rule]]
check = "range"
column = "sold"
min = 0
why = "Nobody sells less than nothing."
"""


@pytest.fixture
def sales(lepton: Shell, tmp_path: Path) -> Shell:
    bring(lepton, tmp_path, 40)
    return lepton


def bring(lepton: Shell, folder: Path, rows: int, *more: str):
    lines = [f"d{i},{i % 7 * 1.5},{'ab'[i % 2]}" for i in range(rows)]
    (folder / "sales.csv").write_text("\n".join(["day,sold,shop", *lines, *more]) + "\n")
    return lepton("data", "import", folder / "sales.csv", "--name", "sales", "--json")


def rules_file(lepton: Shell) -> Path:
    return lepton.home / "rules" / "sales.toml"


def test_a_finding_comes_with_the_command_that_mends_it(sales: Shell) -> None:
    said = sales("data", "check", "sales")
    assert said.code == 0, "findings alone are no failure"
    assert "score" in said.out.splitlines()[0]
    (command,) = [line for line in said.out.splitlines() if "drop-columns columns=day" in line]
    _, *words = shlex.split(command)
    assert sales(*words).code == 0
    again = sales("data", "check", "sales", "--json").json
    assert again["dataset"] == "sales@2"
    assert "id-like" not in {each["kind"] for each in again["findings"]}


def test_of_what_is_found_in_many_columns_the_worst_is_shown(lepton: Shell) -> None:
    cells = {f"c{n}": [1.0, *[None] * (n + 1), *[2.0, 3.0] * 20] for n in range(40)}
    rows = {name: each[:40] for name, each in cells.items()}
    Lake(Workspace.open(lepton.home)).commit("wide", pa.table(rows), op="import")
    lines = lepton("data", "check", "wide").out.splitlines()
    of_columns = [line for line in lines if "of the values are missing" in line]
    assert len(of_columns) == 10 + 2, "ten warnings, and what is no more than information"
    (more,) = [line for line in lines if "times more" in line]
    assert (
        more == f"warning  missing 28 times more: {', '.join(f'c{n}' for n in range(29, 19, -1))} …"
    )
    assert len(lepton("data", "check", "wide", "--json").json["findings"]) > 40


def test_the_steps_that_mend_are_a_recipe(lepton: Shell, tmp_path: Path) -> None:
    source, recipe = tmp_path / "towns.csv", tmp_path / "mend.toml"
    rows = (f"{n},{name}\n" for n, name in enumerate(['" Bern"', "bern", "Bern", "Basel"] * 10))
    source.write_text("size,town\n" + "".join(rows) + "3,Basel\n3,Basel\n")
    lepton("data", "import", source)
    said = lepton("data", "check", "towns", "--save", recipe)
    assert "The step fits no line: lepton data check towns@1 --save FILE" in said.out
    assert "as comments to" in said.err
    text = recipe.read_text()
    assert all(line.startswith("#") or not line for line in text.splitlines())
    again = lepton("data", "check", "towns", "--save", recipe)
    assert (again.code, "something is there already" in again.err) == (2, True)
    kept = [block for block in text.split("\n\n") if '"drop-columns"' not in block]
    recipe.write_text(re.sub(r"(?m)^# (?=\[\[step|[a-z-]+ = )", "", "\n\n".join(kept)))
    steps = lepton("data", "clean", "towns", "--recipe", recipe, "--json").json["params"]["steps"]
    assert {step["step"]["do"] for step in steps} >= {"drop-duplicates", "map-values"}
    left = lepton("data", "sql", "SELECT DISTINCT town FROM towns ORDER BY 1", "--json").json
    assert left["rows"] == [["Basel"], ["Bern"]]
    assert lepton("data", "check", "--save", tmp_path / "x.toml").code == 2


def test_every_data_set_is_checked_when_none_is_named(sales: Shell, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n3,4\n")
    assert sales("data", "import", tmp_path / "other.csv").code == 0
    reports = sales("data", "check", "--json").json
    assert [report["dataset"] for report in reports] == ["other@1", "sales@1"]
    assert sales("data", "check", "--target", "a").code == 2
    assert sales("data", "check", "sales", "--detach").code == 2
    assert sales("data", "check", "sales", "--every", "soon").code == 2
    assert sales("data", "check", "sale").code == 2


def test_a_file_of_rules_from_its_template_to_a_failure(sales: Shell, tmp_path: Path) -> None:
    assert "--init" in sales("data", "rules", "sales").err
    made = sales("data", "rules", "sales", "--init")
    assert made.out.strip() == str(rules_file(sales))
    assert sales("data", "rules", "sales", "--init").code == 2
    assert sales("data", "check", "sales").code == 0, "comments are no rules"
    tried = tmp_path / "tried.toml"
    tried.write_text(RULES.replace("min = 0", "min = 1"))
    said = sales("data", "rules", "sales", "--check", tried)
    assert (said.code, "fails" in said.out) == (1, True)
    assert "Nobody sells less than nothing." in said.out
    rules_file(sales).write_text(RULES)
    (rule,) = sales("data", "rules", "sales", "--json").json["rules"]
    assert (rule["check"], rule["holds"], rule["finding"]) == ("range", True, None)
    assert sales("data", "check", "sales").code == 0
    rules_file(sales).write_text(RULES.replace("min = 0", "min = 1"))
    said = sales("data", "check", "sales", "--json")
    assert (said.code, '"failed_rules": 1' in said.out) == (1, True)
    assert "1 rule failed" in said.err
    rules_file(sales).write_text("[[rule]]\ncheck = 'rang'\n")
    said = sales("data", "check", "sales")
    assert (said.code, str(rules_file(sales)) in said.err) == (2, True)


@pytest.mark.parametrize("where", ["sold > 3", "sold > 3 -- at least"])
def test_the_command_that_mends_a_rule_in_sql_can_be_typed(sales: Shell, where: str) -> None:
    rules_file(sales).parent.mkdir()
    rules_file(sales).write_text(f'[[rule]]\ncheck = "sql"\nwhere = "{where}"\n')
    said = sales("data", "check", "sales")
    assert said.code == 1
    assert "⏎" not in said.out, "what is shown of a line break is no line break"
    mends = [line for line in said.out.splitlines() if "lepton data c" in line and "filter" in line]
    if "--" in where:
        assert not mends
        assert "lepton data check sales@1 --save FILE" in said.out
        return
    _, *words = shlex.split(mends[0])
    assert sales(*words).code == 0
    assert sales("data", "check", "sales").code == 0


def test_an_import_that_breaks_a_rule_is_kept_and_told(sales: Shell, tmp_path: Path) -> None:
    rules_file(sales).parent.mkdir()
    rules_file(sales).write_text(RULES)
    assert bring(sales, tmp_path, 41).json["failed_rules"] == 0
    said = bring(sales, tmp_path, 40, "d40,-3,a")
    assert said.code == 1
    assert "rule 1 (range) fails, sold at least 0: 1 row lies outside" in said.err
    assert '"version": 3' in said.out
    assert sales("data", "versions", "sales", "--json").json[0]["version"] == 3
    (tmp_path / "sales.csv").write_text("day,sold,shop\nnew,-1,b\n")
    words = ("data", "import", tmp_path / "sales.csv", "--name", "sales", "--append")
    assert sales(*words).code == 1, "rows that are added are held against the rules too"
    kinds = [(each["dataset"], each["kind"], each["errors"])
             for each in sales("data", "check", "sales", "--history", "--json").json]  # fmt: skip
    assert kinds == [("sales@4", "import", 1), ("sales@3", "import", 1), ("sales@2", "import", 0)]


def test_the_history_of_a_data_set(sales: Shell) -> None:
    assert "Nobody has checked it" in sales("data", "check", "sales", "--history").err
    score = sales("data", "check", "sales", "--json").json["score"]
    (entry,) = sales("data", "check", "sales", "--history", "--json").json
    assert (entry["dataset"], entry["kind"], entry["score"]) == ("sales@1", "check", score)
    assert "sales@1" in sales("data", "check", "sales", "--history").out
    assert sales("data", "check", "--history").code == 2


def test_what_drifted_against_another_version(sales: Shell, tmp_path: Path) -> None:
    lines = [f"x{i},{100 + i % 7},c" for i in range(300)]
    (tmp_path / "sales.csv").write_text("\n".join(["day,sold,shop", *lines]) + "\n")
    assert sales("data", "import", tmp_path / "sales.csv", "--name", "sales").code == 0
    found = sales("data", "check", "sales", "--against", "sales@1", "--json").json["findings"]
    drift = {(each["kind"], each["column"]) for each in found}
    assert {("drift-type", "sold"), ("drift", "sold"), ("drift-label", "shop")} <= drift
    assert sales("data", "check", "sales", "--against", "sales@9").code == 2


def next_log(run: Run, words: str) -> str:
    """The first line of a run's log that has these words, waited for as it comes."""
    for event in run.events(follow=True):
        if event["event"] == "log" and words in event["text"]:
            return event["text"]
    raise AssertionError(f"the run ended without saying {words}")


def test_a_schedule_tells_what_is_new_until_it_is_stopped(sales: Shell, tmp_path: Path) -> None:
    rules_file(sales).parent.mkdir()
    rules_file(sales).write_text(RULES)
    words = ("data", "check", "sales", "--every", "1s", "--detach", "--json")
    run = Runs(Workspace.open(sales.home)).get(sales(*words).json["id"])
    assert "sales@1: new warning: day" in next_log(run, "day:")
    assert bring(sales, tmp_path, 40, "d40,-3,a").code == 1
    assert next_log(run, "rule 1").startswith("sales@2: new error: sold: rule 1 (range) fails")
    rules_file(sales).write_text(RULES.replace("min = 0", "min = -5"))
    next_log(run, "sales@2: gone error: sold: rule 1")
    rules_file(sales).write_text("[[rule]]")
    next_log(run, "sales: it cannot be checked")
    assert sales("runs", "stop", run.id).code == 0
    assert run.state().state == "stopped"
    lines = [event["text"] for event in run.events() if event["event"] == "log"]
    assert len(lines) == len(set(lines)), "nothing is told twice"


def test_a_schedule_that_sleeps_for_an_hour_wakes_to_be_stopped(sales: Shell) -> None:
    words = ("data", "check", "--every", "1h", "--detach", "--json")
    run = Runs(Workspace.open(sales.home)).get(sales(*words).json["id"])
    next_log(run, "sales@1: new")
    assert sales("runs", "stop", run.id).code == 0
    assert run.state().state == "stopped"
    assert sales("data", "check", "sales", "--history", "--json").json[0]["kind"] == "check"
