"""How many rows at once: measured once for a model and a machine, and kept beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.inference import calibration, threads
from core.inference.calibration import Calibration, choose
from core.inference.engine import Engine
from core.models.registry import Models
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import publish

FILE = "calibration.json"
ROW = {"petal length": 1, "colour": "red"}


@pytest.fixture
def folder(models: Workspace, table_task: Task) -> Path:
    publish(models, table_task, "unmeasured")
    return Models(models).get("unmeasured").path


def measured(models: Workspace, folder: Path, *rows: dict) -> Calibration | None:
    engine = Engine(models, "cpu")
    with engine.use(str(folder)) as model:
        for row in rows:
            engine.predict(str(folder), [row])
        # Asked after what the first answers had it do.
        engine.predict(str(folder), [{"petal length": "many"}])
        return model.calibration


@pytest.mark.parametrize(
    ("rates", "rows", "threads"),
    [
        # A batch that is no quicker only makes people wait.
        ({(1, 1): 100.0, (1, 2): 102.0, (1, 4): 70.0}, 1, 1),
        ({(1, 1): 100.0, (1, 8): 590.0, (1, 16): 600.0, (1, 32): 601.0}, 8, 1),
        # Two threads must be worth it.
        ({(1, 1): 100.0, (2, 1): 109.0}, 1, 1),
        ({(1, 1): 100.0, (1, 2): 110.0, (2, 1): 150.0, (2, 2): 200.0}, 2, 2),
        ({(4, 1): 1.0}, 1, 4),
    ],
)
def test_the_smallest_batch_that_is_about_the_quickest(
    rates: dict[tuple[int, int], float], rows: int, threads: int
) -> None:
    found = choose(rates)
    assert (found.rows, found.threads(rows)) == (rows, threads)


def test_a_small_batch_has_threads_of_its_own() -> None:
    found = choose({(1, 1): 100.0, (1, 8): 200.0, (2, 1): 60.0, (2, 8): 390.0})
    assert [found.threads(rows) for rows in (1, 2, 8, 500)] == [1, 2, 2, 2]


def test_it_is_measured_once(
    models: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured(models, folder, ROW)
    assert first is not None
    assert (1, 1) in first.rates
    assert max(rows for _, rows in first.rates) > 1
    monkeypatch.setattr(calibration, "measure", lambda *_: pytest.fail("measured again"))
    assert measured(models, folder, ROW) == first


def test_what_others_were_in_the_way_of_is_measured_again(
    models: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "BUSY", -2.0)
    assert measured(models, folder, ROW) is not None
    assert not (folder / FILE).exists()
    monkeypatch.setattr(calibration, "BUSY", 2.0)
    assert measured(models, folder, ROW) is not None
    assert (folder / FILE).exists()


def test_it_is_measured_again_as_soon_as_nobody_is_in_the_way(
    models: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, times = calibration.measure, []
    monkeypatch.setattr(calibration, "measure", lambda *of: times.append(0) or measure(*of))
    engine = Engine(models, "cpu")

    def asked() -> int:
        for _ in range(2):  # the second waits for what the first had it do
            engine.predict(str(folder), [ROW])
        return len(times)

    monkeypatch.setattr(calibration, "BUSY", -2.0)
    assert asked() == 1
    monkeypatch.setattr(calibration, "BUSY", 2.0)
    assert asked() == 1  # a moment later
    monkeypatch.setattr(calibration, "AGAIN_SECONDS", 0.0)
    assert asked() == 2
    assert (folder / FILE).exists()
    assert asked() == 2


def test_what_others_use_of_the_processors_is_seen() -> None:
    others = calibration.Others()
    work = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert others.share() > 0


def test_a_row_that_has_no_answer_measures_nothing_and_the_next_one_does(
    models: Workspace, folder: Path
) -> None:
    assert measured(models, folder, {**ROW, "petal length": "many"}) is None
    assert measured(models, folder, {**ROW, "petal length": "many"}, ROW) is not None


@pytest.mark.parametrize("harm", ["another machine", "cut short", "no table"])
def test_what_does_not_fit_is_measured_again(models: Workspace, folder: Path, harm: str) -> None:
    measured(models, folder, ROW)
    text = (folder / FILE).read_text()
    wrong = {
        "another machine": json.dumps({**json.loads(text), "rows": 3, "machine": "another"}),
        "cut short": text[:20],
        "no table": "[3]",
    }
    (folder / FILE).write_text(wrong[harm])
    found = measured(models, folder, ROW)
    assert found is not None
    assert found.rows != 3
    assert json.loads((folder / FILE).read_text())["machine"] == json.loads(text)["machine"]


def test_more_rows_than_there_is_memory_for_are_not_chosen() -> None:
    def answer(rows: int) -> None:
        if rows > 4:
            raise MemoryError

    found = calibration.measure(answer, 256, torch.device("cpu"), 1)
    assert found is not None
    assert {rows for _, rows in found.rates} == {1, 2, 4}
    assert calibration.measure(lambda _: answer(5), 256, torch.device("cpu"), 1) is None


def test_a_folder_that_cannot_be_written_to_goes_without(
    models: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(calibration, "write_json", refuse)
    assert measured(models, folder, ROW) is not None
    assert not (folder / FILE).exists()


ASKED_AND_GONE = """
import sys, threading, torch
from core.inference import calibration
from core.inference.engine import Engine
from core.workspace import Workspace

begun, take = threading.Event(), calibration._Timed.take
square = torch.rand(700, 700)

def long(self, *given):
    begun.set()
    torch.mm(square, square)
    return take(self, *given)

calibration.SECONDS = calibration.FIRST_SECONDS = 1000.0
calibration._Timed.take = long
engine = Engine(Workspace.open(sys.argv[1]), "cpu")
print(engine.predict(sys.argv[2], [{"petal length": 1, "colour": "red"}])[0].error)
assert begun.wait(60)
"""


def test_a_process_may_end_while_it_is_measured(models: Workspace, folder: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", ASKED_AND_GONE, models.home, folder],
        capture_output=True,
        text=True,
        timeout=threads.MOST_SECONDS,  # It is waited for so long at the most, and then left.
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "None\n", "")
    # What was not measured to its end is not kept.
    assert not (folder / FILE).exists()
