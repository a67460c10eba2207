"""What a person writes about a run."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from core.errors import LeptonError, UsageError
from core.runs.notes import Notes, read_notes, write_notes
from core.runs.store import Runs


def test_a_line_holds_a_note_and_its_tags() -> None:
    notes = Notes.written("flips help  #best #v1.2 # more #best")
    assert notes == Notes("flips help # more", ("best", "v1.2"))
    assert Notes.written(str(notes)) == notes
    assert Notes.written("- #kept") == Notes("", ("kept",))
    with pytest.raises(UsageError, match='"#a/b" is no tag'):
        Notes.written("#a/b")


def test_tags_are_added_once_and_taken_away_by_name() -> None:
    notes = Notes("said").tagged(["#a", "b", "a"])
    assert notes == Notes("said", ("a", "b"))
    assert notes.tagged(["c"], remove=["a"]).tags == ("b", "c")
    with pytest.raises(UsageError) as wrong:
        notes.tagged(remove=["z"])
    assert wrong.value.hint == "There are: a, b."
    with pytest.raises(UsageError):
        notes.tagged(["two words"])


def test_a_run_tells_its_notes_and_a_damaged_file_tells_nothing(runs: Runs) -> None:
    run = runs.create("train", {})
    assert (run.state().note, run.state().tags) == ("", ())
    write_notes(run.path, lambda _: Notes("ünïcode", ("a",)))
    assert (run.state().note, run.state().to_json()["tags"]) == ("ünïcode", ("a",))
    (run.path / "notes.json").write_text('{"note": "x')
    assert read_notes(run.path) == Notes()


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(LeptonError, match="the note cannot be kept: No such file"):
        write_notes(tmp_path / "gone", lambda notes: notes)


def test_many_who_tag_at_once_all_get_their_will(runs: Runs) -> None:
    run = runs.create("train", {})
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_tag, args=(run.path, f"p{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(read_notes(run.path).tags) == {f"p{n}-{at}" for n in range(3) for at in range(20)}


def _tag(folder: Path, name: str) -> None:
    for at in range(20):
        write_notes(folder, lambda notes, at=at: notes.tagged([f"{name}-{at}"]))
