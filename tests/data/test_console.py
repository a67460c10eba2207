"""Typed SQL reads the lake's data sets and nothing else, within its limits."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.lake.lake import Lake
from core.data.sql.console import REMEMBERED, Answer, Console, History, completions
from core.data.sql.sandbox import Sandbox
from core.data.sql.statement import named
from core.errors import Cancelled, LeptonError, UsageError
from tests.data.conftest import state

SECRET = "the secret of the file"


@pytest.fixture
def things(lake: Lake) -> Lake:
    """`flowers` in two versions, one with an overlay and a tag; `mnist-sample`; `a.b`."""
    first = pa.table({"height": [1.5, 2.5, None, 4.0], "kind": ["a", "b", "a", "b"]})
    one = lake.commit("flowers", first, op="import", target="kind")
    over = pa.table({"_rid": [0, 1, 2], "kind": ["x", "y", "z"], "note": ["p", "q", "r"]})
    two = lake.commit_columns(one, over, op="label")
    lake.tag(two, "best")
    lake.commit("mnist-sample", pa.table({"label": [1, 2, 2]}), op="import")
    lake.commit("a.b", pa.table({"n": range(5000)}), op="import")
    return lake


@pytest.fixture
def console(things: Lake) -> Console:
    return Console(things, seconds=60)


def rows(console: Console, statement: str) -> list[tuple[object, ...]]:
    return console.run(statement).rows


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "SELECT kind, note FROM flowers ORDER BY _rid",
            [("x", "p"), ("y", "q"), ("z", "r"), (None, None)],
        ),
        ("SELECT kind FROM flowers@1 ORDER BY _rid", [("a",), ("b",), ("a",), ("b",)]),
        ('SELECT count(*) FROM "flowers@1" JOIN flowers@2 b USING (_rid)', [(4,)]),
        ("SELECT max(kind) FROM flowers@best", [("z",)]),
        ("SELECT max(kind) FROM FLOWERS;", [("z",)]),
        ("SELECT flowers.kind FROM flowers WHERE height = 2.5", [("y",)]),
        ('SELECT sum(label) FROM "mnist-sample"', [(5,)]),
        ("SELECT sum(label) FROM mnist-sample", [(5,)]),
        ("SELECT count(*) FROM a.b, mnist-sample@1", [(15000,)]),
        ("FROM flowers SELECT 'flowers@1' -- flowers@9\n LIMIT 1", [("flowers@1",)]),
        ("SELECT $$flowers@9$$, e'it\\'s flowers@9'", [("flowers@9", "it's flowers@9")]),
        ("WITH t AS (SELECT 1 AS n) SELECT n-1 FROM t", [(0,)]),
        ("DESCRIBE flowers", None),
        ("SUMMARIZE flowers@1", None),
        ("EXPLAIN SELECT * FROM flowers", None),
        ("PIVOT flowers@1 ON kind USING count(*) GROUP BY height", None),
        ("SELECT a, a FROM (SELECT 1 AS a)", [(1, 1)]),
        ("SELECT TIMESTAMPTZ '2020-01-01 00:00:00+00' > TIMESTAMPTZ '2019-01-01'", [(True,)]),
    ],
)
def test_it_reads_versions_by_name(
    console: Console, statement: str, expected: list[tuple[object, ...]] | None
) -> None:
    answer = console.run(statement)
    assert answer.rows if expected is None else answer.rows == expected
    assert all(name and kind for name, kind in answer.columns)
    assert not answer.truncated


def test_all_data_sets_are_listed(console: Console) -> None:
    assert [row[0] for row in rows(console, "SHOW TABLES")] == ["a.b", "flowers", "mnist-sample"]


def test_more_rows_than_the_limit_are_cut_and_said_so(console: Console) -> None:
    for limit, truncated in ((4999, True), (5000, False)):
        answer = console.run('SELECT n FROM "a.b"', limit)
        assert (len(answer.rows), answer.truncated) == (limit, truncated)
    assert console.run("SELECT n FROM a.b WHERE false").rows == []


@pytest.mark.parametrize(
    ("statement", "what", "hint"),
    [
        ("SELECT * FROM flours", 'no data set "flours"', "flowers"),
        ("SELECT * FROM flowers@7", "no version 7", "versions 1 and 2"),
        ("SELECT hight FROM flowers", "hight", "height"),
        ("SELECT 1 FROM flowers, mnist-sample", "syntax", '"mnist-sample"'),
        ("SELEC 1", "SELEC", ""),
        ("SELECT", "", ""),
        ("", "no statement", "SELECT"),
        ("-- nothing", "no statement", "SELECT"),
        ("SELECT 1; SELECT 2", "several", "one at a time"),
        ("SELECT 'a\x00b", "", ""),
        ("SELECT CAST('x' AS INT)", "x", ""),
    ],
)
def test_a_wrong_statement_is_told(console: Console, statement: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        console.run(statement)
    assert what in str(caught.value)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 400
    assert "Traceback" not in str(caught.value)


WRITES = """
CREATE TABLE t AS SELECT 1
CREATE VIEW t AS SELECT 1
CREATE MACRO m() AS 1
INSERT INTO flowers VALUES (1)
DELETE FROM flowers
DROP VIEW flowers
COPY flowers TO '{folder}/out.csv'
ATTACH ':memory:' AS m
ATTACH '{folder}/x.db'
PRAGMA enable_profiling
PRAGMA database_list
SET memory_limit = '9GB'
RESET memory_limit
CALL enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')
INSTALL httpfs
LOAD httpfs
EXPORT DATABASE '{folder}/all'
IMPORT DATABASE '{folder}/all'
BEGIN
CHECKPOINT
USE memory
DETACH memory
PREPARE q AS SELECT 1
CREATE SECRET s (TYPE s3)
EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'
EXPLAIN (FORMAT json) COPY (SELECT 1) TO '{folder}/out.csv'
EXPLAIN CREATE TABLE t AS SELECT 1
(COPY (SELECT 1) TO '{folder}/out.csv')
/* a */ COPY (SELECT 1) TO '{folder}/out.csv'
SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')
SELECT * FROM "enable_logging" ()
SELECT * FROM query('FROM enable_logging()')
SELECT * FROM json_execute_serialized_sql('{{}}')
WITH x AS (COPY (SELECT 1) TO '{folder}/out.csv') SELECT 1
WITH x AS ( /* a */ COPY (SELECT 1) TO '{folder}/out.csv') SELECT 1
WITH x AS (INSERT INTO flowers VALUES (1) RETURNING *) SELECT * FROM x
""".strip().splitlines()


@pytest.mark.parametrize("statement", WRITES)
def test_what_writes_or_sets_is_refused_in_one_sentence(
    console: Console, tmp_path: Path, statement: str
) -> None:
    before = state(console.lake), sorted(tmp_path.iterdir())
    with pytest.raises(UsageError) as caught:
        console.run(statement.format(folder=tmp_path))
    assert "a statement here only reads" in str(caught.value)
    assert (state(console.lake), sorted(tmp_path.iterdir())) == before


def test_what_changes_is_found_behind_comments_and_quotes(console: Console, tmp_path: Path) -> None:
    for before in ("a--b' \n", "a /* ' */", "a$x$", "'it''s'", "e'\\'' ", "$$ ' $$", '"a""b\'"'):
        hidden = f"SELECT {before}, (COPY (SELECT 1) TO '{tmp_path}/out.csv') -- ' $x$ \" */ $$"
        with pytest.raises(UsageError, match="COPY does not"):
            console.run(hidden)


READS = """
SELECT * FROM '{folder}/secret.csv'
SELECT * FROM read_csv('{folder}/secret.csv')
SELECT * FROM read_csv_auto(['{folder}/secret.csv'])
SELECT * FROM read_text('{folder}/secret.csv')
SELECT * FROM read_blob('{folder}/*')
SELECT * FROM read_text('{folder}/link')
SELECT * FROM read_text('file://{folder}/secret.csv')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_text('/proc/self/environ')
SELECT * FROM read_csv('/dev/stdin')
SELECT * FROM read_parquet('{folder}/other.parquet')
SELECT * FROM '{lake}'
SELECT * FROM parquet_metadata('{lake}')
SELECT * FROM read_json('{folder}/secret.csv')
SELECT * FROM read_duckdb('{folder}/x.db')
SELECT * FROM sniff_csv('{folder}/secret.csv')
SELECT * FROM glob('{folder}/*')
SELECT * FROM glob('/etc/*')
SELECT * FROM read_text('lake://../secret.csv')
SELECT * FROM read_text('lake://{folder}/secret.csv')
SELECT * FROM read_text('lake:/{folder}/secret.csv')
SELECT * FROM glob('lake://*')
SELECT * FROM glob('lake:///etc/*')
SELECT * FROM 'http://127.0.0.1:9/x.csv'
SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')
SELECT * FROM 's3://bucket/x.parquet'
SELECT getenv('HOME')
SELECT * FROM python_table
SELECT * FROM secret_frame
SELECT * FROM duckdb_secrets()
SELECT * FROM which_secret('s3://x', 's3')
SELECT * FROM flowers WHERE (SELECT count(*) FROM read_text('{folder}/secret.csv')) > 0
""".strip().splitlines()


@pytest.mark.parametrize("attack", READS)
def test_nothing_outside_the_lake_can_be_read(things: Lake, tmp_path: Path, attack: str) -> None:
    (tmp_path / "secret.csv").write_text(f"a\n{SECRET}\n")
    (tmp_path / "link").symlink_to(tmp_path / "secret.csv")
    pq.write_table(pa.table({"a": [SECRET]}), tmp_path / "other.parquet")
    secret_frame = pa.table({"a": [SECRET]})
    assert secret_frame.num_rows
    lake_file = things.workspace.data / things.version("flowers").files[0].name
    statement = attack.format(folder=tmp_path, lake=lake_file)
    for ask in (Console(things).run, lambda text: straight(things, text)):
        try:
            found = repr(ask(statement))
        except LeptonError as error:
            found = str(error)
        else:
            # A path that our file system does not hold is an empty list of files.
            assert "rows=[]" in found or found == "[]", found
        assert SECRET not in found
        assert "root:" not in found


def straight(lake: Lake, statement: str) -> list[object]:
    """The statement in the sandbox without anything having looked at it before."""
    with (
        Sandbox(lake.workspace, {"flowers": lake.version("flowers")}) as sandbox,
        sandbox.stream(statement) as answer,
    ):
        return [row for batch in answer.batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "attack",
    [
        *(s for s in WRITES if "{folder}" in s and "enable_logging" not in s),
        "COPY (SELECT 1) TO 'lake://{name}' (FORMAT parquet, USE_TMP_FILE false)",
        "COPY (SELECT 1) TO 'lake://{name}' (FORMAT parquet)",
        "COPY (SELECT 1) TO '{lake}' (FORMAT parquet, USE_TMP_FILE false)",
        "COPY (SELECT 1) TO 'lake://new.csv'",
        "COPY (SELECT 1 AS a, 2 AS b) TO 'lake://parts' (FORMAT parquet, PARTITION_BY (a))",
        "WITH x AS (COPY (SELECT 1) TO 'lake://{name}' (USE_TMP_FILE false)) SELECT 1",
        "ATTACH 'lake://x.db'",
        "ATTACH '{lake}'",
        "EXPORT DATABASE 'lake://all'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_directories = ['/']",
        "SET memory_limit = '9GB'",
        "RESET memory_limit",
        "SET python_enable_replacements = true",
        "PRAGMA memory_limit = '9GB'",
        "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
        "INSTALL httpfs",
    ],
)
def test_the_walls_hold_without_a_look_at_the_statement(
    things: Lake, tmp_path: Path, attack: str
) -> None:
    file = things.workspace.data / things.version("flowers").files[0].name
    before, bytes_before = (state(things), sorted(tmp_path.iterdir())), file.read_bytes()
    try:
        straight(things, attack.format(folder=tmp_path, name=file.name, lake=file))
    except LeptonError as error:
        assert "Traceback" not in str(error)
    else:
        assert attack.startswith("EXPLAIN"), "EXPLAIN alone tells what would be done"
    assert (state(things), sorted(tmp_path.iterdir())) == before
    assert file.read_bytes() == bytes_before
    assert not (Path.home() / ".duckdb" / "stored_secrets" / "s.duckdb_secret").exists()


def test_a_scratch_folder_is_all_that_could_be_written_and_it_goes(things: Lake) -> None:
    with Sandbox(things.workspace, {}) as sandbox:
        setting = "SELECT current_setting('temp_directory') AS folder"
        with sandbox.stream(setting) as answer:
            (folder,) = next(answer.batches).to_pylist()
        assert Path(folder["folder"]).parent == things.workspace.tmp
        Path(folder["folder"]).mkdir()
    assert list(things.workspace.tmp.iterdir()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM range(1000000000000) a, range(1000) b WHERE a.range * b.range = 7",
        "SELECT a.range FROM range(1000000000000) a WHERE a.range < 0",
    ],
)
def test_a_statement_that_takes_too_long_is_stopped(things: Lake, statement: str) -> None:
    with pytest.raises(LeptonError, match=r"longer than 0\.5 s") as caught:
        Console(things, seconds=0.5).run(statement)
    assert "more time" in caught.value.hint
    assert Console(things).run("SELECT 1").rows == [(1,)]


def test_a_statement_that_takes_too_much_memory_is_stopped(things: Lake) -> None:
    with pytest.raises(LeptonError, match="more memory"):
        Console(things, memory="100MB").run("SELECT list(range) FROM range(500000000)")
    with pytest.raises(UsageError, match="no amount of memory"):
        Console(things, memory="1'; SET x").run("SELECT 1")


def test_an_answer_larger_than_the_machine_is_stopped_before_it_fills_it(lake: Lake) -> None:
    rows = pa.table({"text": [f"a text that is not short, number {n}" for n in range(200_000)]})
    lake.commit("texts", rows, op="import")
    # 2,048 rows of an answer at once, each a list of all the texts: 6.5 GB in one go.
    script = (
        "import resource, sys; from core.data.lake.lake import Lake;"
        " from core.data.sql.console import Console; from core.errors import LeptonError;"
        " from core.workspace import Workspace;"
        " console = Console(Lake(Workspace.open(sys.argv[1])), memory='300MB')\n"
        "try: console.run('SELECT list(text) OVER () FROM texts'); print('answered')\n"
        "except LeptonError as error: print(error.what)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, console.run('SELECT 1').rows)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(lake.workspace.home)], capture_output=True, text=True
    )
    what, after = ended.stdout.splitlines()
    assert "more memory" in what
    most, _, rows_after = after.partition(" ")
    assert int(most) < 3_000_000
    assert rows_after == "[(1,)]"


def test_another_thread_cancels(things: Lake) -> None:
    console = Console(things, seconds=None)
    told: list[LeptonError] = []

    def work() -> None:
        try:
            console.run("SELECT count(*) FROM range(1000000000000) a, range(1000) b")
        except LeptonError as error:
            told.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        console.interrupt()
        worker.join(0.05)
    assert isinstance(told[0], Cancelled)


def test_an_answer_is_exported_whole_or_not_at_all(console: Console, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert console.export("SELECT n, n * 2 AS twice FROM a.b", out / "n.csv") == 5000
    assert (out / "n.csv").read_text().splitlines()[:2] == ["n,twice", "0,0"]
    assert console.export("SELECT * FROM flowers", out / "f.parquet") == 4
    assert pq.read_table(out / "f.parquet")["kind"].to_pylist() == ["x", "y", "z", None]
    console.export("SELECT kind FROM flowers ORDER BY _rid LIMIT 1", out / "f.jsonl")
    assert json.loads((out / "f.jsonl").read_text()) == {"kind": "x"}
    console.export("SELECT 1 AS a WHERE false", out / "empty.csv")
    assert (out / "empty.csv").read_text() == "a\n"
    there = sorted(out.iterdir())
    for path, statement, told in (
        (out / "f.parquet", "SELECT 1", "already"),
        (out / "f.xyz", "SELECT 1", "ending"),
        (out / "no" / "f.csv", "SELECT 1", "folder"),
        (out / "g.csv", "SELECT error('stop') FROM flowers", "stop"),
        (out / "g.csv", "SELECT nothing FROM flowers", "nothing"),
    ):
        with pytest.raises(UsageError, match=told):
            console.export(statement, path)
        assert sorted(out.iterdir()) == there
    assert console.export("SELECT 1 AS a", out / "f.parquet", replace=True) == 1


def test_an_export_that_takes_too_long_leaves_nothing(things: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    endless = "SELECT a.range FROM range(1000000000000) a"
    with pytest.raises(LeptonError, match="longer than"):
        Console(things, seconds=0.5).export(endless, out / "x.csv")
    assert list(out.iterdir()) == []


def test_names_are_quoted_only_where_a_data_set_stands(things: Lake) -> None:
    query, tables = named(things, "SELECT height-1, flowers.kind FROM flowers@1, mnist-sample")
    assert query == 'SELECT height-1, flowers.kind FROM "flowers@1", mnist-sample'
    assert {name: version.ref for name, version in tables.items()} == {
        "flowers": "flowers@2",
        "flowers@1": "flowers@1",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM fl|", ["flowers"]),
        ("SELECT * FROM |", ['"a.b"', "flowers", '"mnist-sample"']),
        ("SELECT he| FROM flowers", ["height"]),
        ("SELECT flowers.k| FROM flowers", ["flowers.kind"]),
        ("SELECT * FROM flowers@|", ['"flowers@2"', '"flowers@best"', '"flowers@1"']),
        ("SELECT * FROM flowers WHE|", ["WHERE", "WHEN"]),
        ('SELECT * FROM "mn|', ['"mnist-sample"']),
    ],
)
def test_completion(things: Lake, text: str, expected: list[str]) -> None:
    found = completions(things, text.replace("|", ""), text.index("|"))
    assert set(expected) <= set(found)
    if "FROM |" in text or "fl|" in text:
        assert sorted(found) == sorted(expected)


def test_history_is_kept_in_order_and_bounded(lake: Lake) -> None:
    history = History(lake)
    assert history.read() == []
    for statement in ("SELECT 1 -- one\n+ 2", "  ", "SELECT 2", "SELECT 2 "):
        history.add(statement)
    assert History(lake).read() == ["SELECT 1 -- one\n+ 2", "SELECT 2"]
    for n in range(REMEMBERED + 5):
        history.add(f"SELECT {n}")
    assert history.read()[-1] == f"SELECT {REMEMBERED + 4}"
    assert len(history.read()) <= REMEMBERED
    path = lake.workspace.home / "sql_history"
    path.write_text(path.read_text() + '"cut sho')
    assert history.read()[-1] == f"SELECT {REMEMBERED + 4}"


def test_an_answer_tells_its_types_and_time(console: Console) -> None:
    answer = console.run("SELECT 1::UTINYINT AS a, [1] AS b, NULL::TIMESTAMPTZ AS c")
    assert isinstance(answer, Answer)
    assert [kind for _, kind in answer.columns] == [
        "UTINYINT",
        "INTEGER[]",
        "TIMESTAMP WITH TIME ZONE",
    ]
    assert answer.seconds > 0
