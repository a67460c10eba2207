"""Rows, SQL and profiles from the shell."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.cli.conftest import SCRIPT, Shell


@pytest.fixture
def plants(lepton: Shell) -> Lake:
    lake = Lake(Workspace.open(lepton.home))
    rows = {"height": [3.5, 1.0, None, 2.0], "kind": ["a", "\x1b[31mb", "a", "line\nbreak"]}
    lake.commit("plants", pa.table(rows), op="import", target="kind")
    lake.commit("plants", pa.table({"height": [9.0]}), op="clean")
    return lake


@pytest.mark.usefixtures("plants")
def test_rows_by_condition_and_order(lepton: Shell) -> None:
    said = lepton("data", "rows", "plants@1", "--where", "height > 1", "--sort", "-height")
    assert [line.split() for line in said.out.splitlines()] == [
        ["_rid", "height", "kind"],
        ["0", "3.5", "a"],
        ["3", "2", "line⏎break"],
    ]
    assert "of 2 that fulfil it, among 4" in said.err
    found = lepton("data", "rows", "plants@1", "--sort=kind,-height", "--json", "--limit", "2").json
    assert [row["_rid"] for row in found] == [1, 0]
    wrong = lepton("data", "rows", "plants@1", "--where", "hight > 1")
    assert (wrong.code, wrong.out) == (2, "")
    assert 'no column "hight"' in wrong.err


def test_a_terminal_shows_the_columns_it_has_room_for(lepton: Shell) -> None:
    lake = Lake(Workspace.open(lepton.home))
    lake.commit("wide", pa.table({f"column{at}": [at] for at in range(300)}), op="import")
    whole = lepton("data", "rows", "wide")
    assert len(whole.out.splitlines()[0].split()) == 301
    lepton.env["COLUMNS"] = "60"
    said = lepton("data", "rows", "wide")
    assert said.out.split() == ["_rid", *(f"column{at}" for at in range(6)), *"0012345"]
    assert "No room for column6, column7" in said.err
    assert "more" in said.err
    assert len(lepton("data", "rows", "wide", "--json").json[0]) == 301


def test_a_terminal_lists_the_first_columns_of_very_many(lepton: Shell) -> None:
    lake = Lake(Workspace.open(lepton.home))
    lake.commit("wide", pa.table({f"column{at}": [at] for at in range(300)}), op="import")
    for command in ("show", "profile"):
        whole = lepton("data", command, "wide")
        assert (whole.out.count("column299 "), whole.err) == (1, "")
        lepton.env["COLUMNS"] = "60"
        said = lepton("data", command, "wide")
        assert ("column99 " in said.out, "column100 " in said.out) == (True, False)
        assert "The first 100 of 300 columns" in said.err
        del lepton.env["COLUMNS"]


def test_a_profile_draws_what_columns_hold(lepton: Shell, tmp_path: Path) -> None:
    source = tmp_path / "things.csv"
    rows = (f"{n % 10},name {n:03},{'ab'[n % 2]}\n" for n in range(200))
    source.write_text("n,name,kind\n" + "".join(rows))
    lepton("data", "import", source)
    said = lepton("data", "profile", "things")
    assert [line.split() for line in said.out.splitlines()][1:] == [
        ["column", "type", "missing", "distinct", "values"],
        ["n", "bigint", "0", "10", "██████████", "0", "to", "9,", "mean", "4.5,", "median", "4.5"],
        ["name", "varchar", "0", "200", "8", "characters"],
        ["kind", "varchar", "0", "2", "a", "(100),", "b", "(100)"],
    ]


@pytest.mark.usefixtures("plants")
def test_sql_prints_tables_json_and_csv(lepton: Shell) -> None:
    said = lepton("data", "sql", "SELECT kind, height FROM plants@1 ORDER BY _rid", "--limit", "2")
    assert said.out.splitlines() == ["kind    height", "a          3.5", "␛[31mb       1"]
    assert "The first 2 rows" in said.err
    found = lepton("data", "sql", "SELECT sum(1) AS n, 'x' AS n FROM plants", "--json").json
    assert found["rows"] == [[1, "x"]]
    assert [column["type"] for column in found["columns"]] == ["HUGEINT", "VARCHAR"]
    said = lepton("data", "sql", "SELECT kind, height FROM plants@1 WHERE _rid > 1", "--csv")
    assert list(csv.reader(io.StringIO(said.out))) == [
        ["kind", "height"],
        ["a", ""],
        ["line\nbreak", "2.0"],
    ]


@pytest.mark.usefixtures("plants")
def test_sql_from_standard_input_and_to_a_file(lepton: Shell, tmp_path: Path) -> None:
    done = subprocess.run(
        [SCRIPT, "data", "sql", "-", "--json"],
        env=lepton.env,
        input="SELECT count(*) FROM plants@1",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["rows"] == [[4]]
    out = tmp_path / "rows.parquet"
    assert lepton("data", "sql", "SELECT * FROM plants", "--output", out).code == 0
    assert pq.read_table(out).num_rows == 1
    again = lepton("data", "sql", "SELECT 1", "--output", out)
    assert again.code == 2
    assert "--force" in again.err
    assert lepton("data", "sql", "SELECT 1", "--output", out, "--force").code == 0


@pytest.mark.usefixtures("plants")
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["DROP TABLE plants"], 2, "only reads"),
        (["SELECT * FROM read_text('/etc/passwd')"], 2, "nothing else"),
        (["SELECT count(*) FROM range(9999999999999)", "--timeout", "0.3"], 1, "longer than"),
        (["SELECT list(range) FROM range(900000000)", "--memory", "90MB"], 1, "more memory"),
        ([], 2, "no statement"),
    ],
)
def test_sql_that_fails(lepton: Shell, words: list[str], code: int, told: str) -> None:
    said = lepton("data", "sql", *words)
    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert "Traceback" not in said.err


def test_the_prompt_completes_remembers_and_is_interrupted(lepton: Shell, plants: Lake) -> None:
    parent, child = pty.openpty()
    env = {**lepton.env, "TERM": "xterm", "COLUMNS": "80"}
    talk = subprocess.Popen(
        [SCRIPT, "data", "sql"], env=env, stdin=child, stdout=child, stderr=child, close_fds=True
    )
    os.close(child)
    seen = ""
    history = plants.workspace.home / "sql_history"

    def until(words: str, send: str = "") -> None:
        nonlocal seen
        os.write(parent, send.encode())
        deadline = time.monotonic() + 60
        while words not in seen:
            ready, _, _ = select.select([parent], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"never saw {words!r} in {seen!r}"
            seen += os.read(parent, 65536).decode(errors="replace")
        seen = seen[seen.index(words) + len(words) :]

    try:
        until("sql> ")
        until("max(height)", "SELECT max(height) FROM pla\t@1\n")
        until("3.5")
        until("no column", "SELECT hight FROM plants\n")
        until("sql> ")
        os.write(parent, b"SELECT count(*) FROM range(1000000000000) a, range(9) b\n")
        deadline = time.monotonic() + 60
        while "range(9)" not in history.read_text():
            assert time.monotonic() < deadline
        talk.send_signal(signal.SIGINT)
        until("Cancelled.")
        until("42", "SELECT 6 * \\\n7\n")
        until("sql> ")
        os.write(parent, b"\x04")
        assert talk.wait(60) == 0
    finally:
        talk.kill()
        talk.wait()
        os.close(parent)
    kept = history.read_text().splitlines()
    assert json.loads(kept[0]) == "SELECT max(height) FROM plants@1"
    assert json.loads(kept[-1]) == "SELECT 6 * \n7"
