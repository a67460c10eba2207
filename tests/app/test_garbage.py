"""When garbage is collected; in a process of its own, as the collector is the whole process's."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from lepton_tui import garbage

now = 0.0
garbage.monotonic = lambda: now
full = []
gc.callbacks.append(lambda phase, info: full.append(info["generation"] == 2 and phase == "start"))

class Knot:
    def __init__(self):
        self.me = self

keeper = garbage.QuietCollector()
keeper.hold()
knots = [Knot() for _ in range(200_000)]
assert not full, "nothing is collected while the app starts"
keeper.look()
assert gc.isenabled() and gc.get_freeze_count() > 200_000
knots = [Knot() for _ in range(200_000)]
del knots
assert full and not any(full), "only the young are looked through while a person may press a key"
keeper.touched()
now += 1.0
keeper.look()
assert not any(full), "a second after a key"
now += 1.5
keeper.look()
assert any(full), "in a quiet moment"
"""


def test_full_collections_wait_for_a_quiet_moment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


LEAVING = """
import duckdb
from lepton_tui.garbage import QuietCollector

QuietCollector.hold()
connection = duckdb.connect()
connection.sql("SELECT 1")
QuietCollector().look()
QuietCollector.end()
"""


def test_duckdb_is_silent_when_the_app_is_left() -> None:
    run = [sys.executable, "-c", LEAVING]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
