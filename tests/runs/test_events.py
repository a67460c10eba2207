"""The event log: what is written is read back, whatever happened to the file in between."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import LeptonError
from core.runs.events import EventReader, EventWriter, last_event, placed_events

from .conftest import until


def test_numbers_json_has_no_word_for_come_back(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as events:
        events.write("epoch", metrics={"loss": math.nan, "best": [math.inf, -math.inf]}, step=1)
        events.write("log", text="NaN")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    epoch, log = EventReader(path).read()
    assert math.isnan(epoch["metrics"]["loss"])
    assert epoch["metrics"]["best"] == [math.inf, -math.inf]
    assert log["text"] == "NaN"


def test_what_trainers_hand_over_becomes_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as events:
        events.write("step", step=np.int64(3), loss=np.float32("nan"), path=tmp_path, pair=(1, 2))
        events.write("log", text="kein Zeichen: \udcff, zwei\nZeilen\u2028")
    step, log = EventReader(path).read()
    assert step["step"] == 3
    assert math.isnan(step["loss"])
    assert (step["path"], step["pair"]) == (str(tmp_path), [1, 2])
    assert log["text"] == "kein Zeichen: \udcff, zwei\nZeilen\u2028"


def test_a_torn_line_costs_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"time":1,"event":"step","step":1}\n{"time":2,"event":"st')
    reader = EventReader(path)
    assert [event["step"] for event in reader.read()] == [1]
    assert reader.read() == []
    assert reader.skipped == 0  # it may yet be completed
    with EventWriter(path) as events:
        events.write("step", step=2)
    assert [event["step"] for event in reader.read()] == [2]
    assert reader.skipped == 1


def test_a_torn_tail_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.read() == []  # not there yet
    path.write_bytes(b'{"time":1,"event":"log","te')
    assert reader.read() == []
    with path.open("ab") as file:
        file.write('xt":"ünï"}\n'.encode())
    assert [event["text"] for event in reader.read()] == ["ünï"]


def test_lines_that_are_no_events_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\x00\xff\n[]\n{"no":1}\n\n' * 50 + b'{"time":1,"event":"log","text":"x"}\n')
    reader = EventReader(path)
    assert [event["text"] for event in reader.read(limit=20)] == ["x"]
    assert reader.skipped == 150


def test_a_piece_is_bounded_but_a_long_line_still_passes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as events:
        for step in range(100):
            events.write("step", step=step)
        events.write("log", text="x" * 5000)
        events.write("step", step=100)
    reader = EventReader(path)
    pieces = []
    while piece := reader.read(limit=300):
        pieces.append(piece)
    assert max(len(piece) for piece in pieces) <= 300 // len(b'{"time":1,"event":"step"}')
    read = [event for piece in pieces for event in piece]
    assert [event["step"] for event in read if event["event"] == "step"] == list(range(101))
    assert len(read) == 102


def test_a_full_disk_is_said_in_plain_words() -> None:
    with EventWriter(Path("/dev/full")) as events, pytest.raises(LeptonError) as failure:
        events.write("step", step=1)
    assert "No space left" in failure.value.what
    assert failure.value.where == "/dev/full"


def test_a_reader_keeps_up_with_another_process(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    program = (
        "import sys; from pathlib import Path; from core.runs.events import EventWriter\n"
        "with EventWriter(Path(sys.argv[1])) as events:\n"
        "    for step in range(20000): events.write('step', step=step, loss=1 / (step + 1))\n"
    )
    reader, steps = EventReader(path), []

    def all_there() -> bool:
        steps.extend(event["step"] for event in reader.read(limit=4096))
        return len(steps) >= 20000

    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as writer:
        until(all_there)
    assert writer.returncode == 0
    assert steps == list(range(20000))
    assert reader.skipped == 0


def test_an_event_is_found_without_being_taken_in_by_words_that_look_like_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as events:
        events.write("epoch", step=1)
        events.write("epoch", step=2)
        events.write("log", text='"event":"epoch"', more={"event": "epoch"})
    content = path.read_bytes()
    found = last_event(content, "epoch")
    assert found is not None
    assert found[1]["step"] == 2
    assert [event["step"] for _, event in placed_events(content, "epoch")] == [1, 2]
    assert last_event(content, "result") is None
