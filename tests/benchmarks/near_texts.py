"""Near-duplicates among 100,000 texts, 10,000 of them planted, beside the plain SQL for it."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pyarrow as pa

from core.data.near import near_duplicate_texts
from tests.benchmarks.measure import Result, in_turns, seconds

TEXTS = 100_000
PLANTED = 10_000
THRESHOLD = 0.7
PERMUTATIONS = 64
BANDS = 16
REPEATS = 3
RECALL = 0.99


def measure() -> list[Result]:
    table, planted = texts()
    found: set[int] = set()

    def ours() -> None:
        found.clear()
        pairs = near_duplicate_texts(opened(table), "rows", "t", threshold=THRESHOLD)
        found.update(late for late, _ in pairs)

    mine, theirs = in_turns(
        REPEATS, lambda: seconds(ours), lambda: seconds(lambda: _plain(opened(table)))
    )
    if wrong := len(found - planted):
        raise AssertionError(f"{wrong} texts are no near-duplicates")
    missed = 1 - len(found & planted) / len(planted)
    return [
        Result(f"near-duplicates, {TEXTS:,} texts / plain SQL", mine, theirs, "s", 1.5),
        Result("of those planted, missed", 100 * missed, None, "%", 100 * (1 - RECALL)),
    ]


def texts() -> tuple[pa.Table, set[int]]:
    """Texts of 20 to 100 words, and the row ids of those that are near-copies of others."""
    chance = random.Random(11)
    words = [f"{a}{b}{c}" for a in "bdfghklmnprstvz" for b in "aeiou" for c in "lmnrstxyz" * 3]
    words += [f"{word}{end}" for word in words[::2] for end in ("ing", "ed", "ly", "ness")]
    own = [
        " ".join(chance.choices(words, k=chance.randint(20, 100))) for _ in range(TEXTS - PLANTED)
    ]
    made: list[str] = []
    planted: set[int] = set()
    for text in chance.sample(own, PLANTED):
        parts = text.split()
        # One other word changes three runs of words.
        for _ in range(max(1, len(parts) // 50)):
            parts[chance.randrange(len(parts))] = "altered"
        copy = " ".join(parts)
        if _overlap(copy, text) >= THRESHOLD:
            planted.add(len(own) + len(made))
        made.append(copy)
    every = own + made
    return pa.table({"_rid": pa.array(range(len(every)), pa.int64()), "t": every}), planted


def _overlap(one: str, other: str) -> float:
    a, b = (_runs(text.split()) for text in (one, other))
    return len(a & b) / len(a | b)


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


def opened(table: pa.Table) -> Any:
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.register("arrived", table)
    connection.execute("CREATE TABLE rows AS SELECT * FROM arrived")
    return connection


def _plain(con: Any) -> list[tuple[int, int]]:
    """Every pair of near texts, as one would write it: min-hashes, bands, a join, and a check."""
    con.execute(
        "CREATE TABLE runs AS SELECT _rid AS id, list_distinct(list_transform("
        "range(1, len(w) - 1), lambda i: hash(w[i] || ' ' || w[i + 1] || ' ' || w[i + 2]))) AS s"
        " FROM (SELECT _rid, string_split(lower(t), ' ') AS w FROM rows)"
    )
    least = ", ".join(f"min(hash(h, {p})) AS m{p}" for p in range(PERMUTATIONS))
    con.execute(
        f"CREATE TABLE signs AS SELECT id, {least} FROM (SELECT id, unnest(s) AS h FROM runs)"
        " GROUP BY id"
    )
    each = PERMUTATIONS // BANDS
    bands = " UNION ALL ".join(
        f"SELECT id, {b} AS band, hash({', '.join(f'm{b * each + i}' for i in range(each))}) AS k"
        " FROM signs"
        for b in range(BANDS)
    )
    con.execute(f"CREATE TABLE bands AS {bands}")
    found = con.execute(
        "SELECT a, b FROM (SELECT DISTINCT x.id AS a, y.id AS b FROM bands x JOIN bands y"
        " ON x.band = y.band AND x.k = y.k AND x.id < y.id) p"
        " JOIN runs r ON r.id = p.a JOIN runs q ON q.id = p.b"
        f" WHERE len(list_intersect(r.s, q.s)) >= {THRESHOLD}"
        " * len(list_distinct(list_concat(r.s, q.s)))"
    ).fetchall()
    return [(int(a), int(b)) for a, b in found]
