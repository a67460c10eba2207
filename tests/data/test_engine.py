"""The memory limit: how it is said, its default, and that DuckDB keeps to it by spilling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from core import memory
from core.data.engine import connect
from core.data.lake.lake import Lake
from core.errors import UsageError
from core.workspace import Workspace

ROWS = 4_000_000


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "home")


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GB", 8 * 10**9),
        ("8gib", 8 * 2**30),
        ("1.5 MB", 1_500_000),
        ("512KiB", 512 * 1024),
        ("2TB", 2 * 10**12),
        ("100%", memory.there()),
        ("50%", int(memory.there() / 2)),
    ],
)
def test_amounts_as_people_write_them(text: str, amount: int) -> None:
    assert memory.parse(text) == amount


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0%", "101%", "8GB; SET x", "1e3MB", "viel"])
def test_a_bad_limit_is_a_wrong_call_that_names_the_variable(
    text: str, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setenv("LEPTON_MEMORY", text)
    with pytest.raises(UsageError, match="LEPTON_MEMORY") as caught:
        connect(workspace)
    assert "8GB" in caught.value.hint


def test_too_little_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_MEMORY", "10MB")
    with pytest.raises(UsageError, match="LEPTON_MEMORY=10MB is too little: 100MB is the least"):
        memory.limit()


def test_without_a_word_it_is_a_share_of_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEPTON_MEMORY", raising=False)
    assert memory.limit() == int(memory.there() * memory.SHARE)
    monkeypatch.setenv("LEPTON_MEMORY", "")
    assert memory.limit() == int(memory.there() * memory.SHARE)


def test_what_a_control_group_may_have_counts(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    (root / "jobs" / "mine").mkdir(parents=True)
    (root / "memory" / "old").mkdir(parents=True)
    (root / "jobs" / "mine" / "memory.max").write_text("max\n")
    (root / "jobs" / "memory.max").write_text("3000000000\n")
    (root / "memory" / "old" / "memory.limit_in_bytes").write_text("2000000000\n")
    own.write_text("5:cpu,cpuacct:/x\n4:memory:/old/only/the/host/sees\n0::/jobs/mine\n")
    assert sorted(memory._group_limits(root, own)) == [2_000_000_000, 3_000_000_000]
    assert list(memory._group_limits(root, tmp_path / "nothing")) == []


def test_a_sort_larger_than_the_limit_spills_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    query = (
        "SELECT count(*), sum(i), max(n) FROM (SELECT i, row_number() OVER (ORDER BY h) AS n"
        f" FROM (SELECT i, hash(i) AS h, repeat('x', 60) || i AS t FROM range({ROWS}) r(i)"
        " ORDER BY hash(i + 1)) WHERE t <> '')"
    )
    monkeypatch.setenv("LEPTON_MEMORY", "100MB")
    with connect() as tight, pytest.raises(duckdb.OutOfMemoryException):
        tight.execute(query).fetchall()
    with connect(workspace) as roomy:
        assert roomy.execute(query).fetchall() == [(ROWS, ROWS * (ROWS - 1) // 2, ROWS)]
        assert [path.suffix for path in workspace.tmp.iterdir()] == [".spill"]
    assert not list(workspace.tmp.iterdir())


def test_views_and_commits_keep_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setenv("LEPTON_MEMORY", "150MB")
    lake = Lake(workspace)
    with lake.open(lake.commit("a", pa.table({"x": [1, 2]}), op="import")) as view:
        ((said,),) = view.sql("SELECT current_setting('memory_limit')")
        assert said.startswith("143.0 MiB")
        ((threads,),) = view.sql("SELECT current_setting('threads')")
        assert threads == 1
        ((place,),) = view.sql("SELECT current_setting('temp_directory')")
        assert Path(place).parent == workspace.tmp


def test_the_command_line_says_so_too(workspace: Workspace) -> None:
    Lake(workspace).commit("a", pa.table({"x": [1, 2]}), op="import")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lepton_tui", "data", "show", "a"],
        env={"LEPTON_HOME": str(workspace.home), "LEPTON_MEMORY": "lots"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "LEPTON_MEMORY" in done.stderr
    assert "Traceback" not in done.stderr
