"""Cleaning under the worst: kill -9 at any moment of it, and of taking it back."""

from __future__ import annotations

import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.cleaning.apply import clean, undo
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.killing import kill_amid, spawn

KILLS = 50
ROWS = 30_000
KEPT = 3
RECIPE = Recipe.from_words(
    [
        "drop-duplicates columns=a,word",
        "fill columns=x with=median",
        "scale columns=x how=standard",
        "derive column=y sql='x * 2'",
    ]
)


def clean_for_ever(home: Path, ready: Event) -> None:
    lake = Lake(Workspace.open(home))
    ready.set()
    while True:
        clean(lake, "victim@1", RECIPE)
        undo(lake, "victim")
        clean(lake, "victim@1", RECIPE, each=True)
        # Old versions go as a person's do: the sweeping is killed as often as the rest.
        for version in lake.versions("victim")[KEPT:-1]:
            lake.remove(version.ref)


@pytest.mark.slow
def test_fifty_kills_in_the_middle_of_cleaning(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path))
    rows = {
        "a": [n % 20_000 for n in range(ROWS)],
        "word": [f"word {n % 20_000 % 7}" for n in range(ROWS)],
        "x": [None if n % 9 == 0 else float(n % 20_000) for n in range(ROWS)],
    }
    first = lake.commit("victim", pa.table(rows), op="import")
    began = time.monotonic()
    clean(lake, "victim@1", RECIPE)
    undo(lake, "victim")
    # On a busy machine all of it takes longer, and it is to be killed anywhere in it.
    longest = max(0.5, 2 * (time.monotonic() - began))
    moments = random.Random(7)
    seen: set[int] = set()
    for _ in range(KILLS):
        ready = spawn.Event()
        kill_amid(clean_for_ever, tmp_path, ready, after=ready, seconds=moments.uniform(0, longest))
        for version in lake.versions("victim"):
            with lake.open(version) as view:
                count, ids = view.sql("SELECT count(*), count(DISTINCT _rid) FROM rows")[0]
                gaps = view.sql("SELECT count(*) - count(x) FROM rows")[0][0]
            assert count == ids == version.rows
            assert count in (ROWS, 20_000), "every version has all rows of its step"
            done = [step["step"]["do"] for step in version.params.get("steps", [])]
            assert (gaps == 0) or "scale" not in done
            seen.add(version.n)
        lake.verify("victim")
    assert len(seen) > KEPT, "it was killed at its work, not before it"
    assert lake.version(first.ref).rows == ROWS
    clean(lake, "victim@1", RECIPE)
    assert list(lake.workspace.tmp.iterdir()) == [], "what killed cleanings left is swept"
