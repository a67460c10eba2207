"""Conversations are kept as they are had, and read whatever a kill left of them."""

import json

import duckdb
import pytest

from core.errors import UsageError
from core.generation.pieces import Ending
from core.inference.conversations import Conversations
from core.workspace import Workspace

ENDING = Ending("stop", 3, 5, 0.1, 0.2)


@pytest.fixture
def kept(tmp_path):
    return Conversations(Workspace.open(tmp_path))


def talk(kept, question="Who is Emma?"):
    made = kept.new("talker", system="Be kind.", settings={"temperature": 0.5})
    made.say("user", question)
    made.say("assistant", "A young lady.\nHandsome.", ending=ENDING)
    return made


def test_what_is_said_and_set_is_read_again(kept):
    made = talk(kept)
    made.set(settings={"top_p": 0.9}, system="Be short.")
    made.say("user", "And?")
    made.say("assistant", "Cle", stopped=True)
    (read,) = kept.list()
    assert read == made
    assert read.settings == {"temperature": 0.5, "top_p": 0.9}
    assert [each.role for each in read.messages] == ["system", *["user", "assistant"] * 2]
    assert read.turns[1].ending == ENDING
    assert read.turns[3].stopped
    assert read.title == "Who is Emma?"
    assert made.path.stat().st_mode & 0o077 == 0


def test_one_that_has_not_begun_leaves_nothing(kept):
    kept.new("talker").set(system="x")
    assert kept.list() == []
    with pytest.raises(UsageError, match="there is no conversation yet"):
        kept.get("last")


def test_what_is_taken_back_is_gone_and_can_be_read_in_the_file(kept):
    made = talk(kept)
    (gone,) = made.take_back(1)
    assert gone.message.content.startswith("A young")
    made.say("assistant", "A heroine.")
    (read,) = kept.list()
    assert [turn.message.content for turn in read.turns] == ["Who is Emma?", "A heroine."]
    assert "A young lady" in made.path.read_text()


def test_one_that_is_removed_while_it_is_had_stays_removed(kept):
    made = talk(kept)
    made.say("user", "And?")
    read = kept.get(made.id)
    kept.remove(made.id)
    for each in (made, read):
        assert each.removed
        each.say("assistant", "Too late.")
        each.set(system="x")
        each.take_back(1)
    assert not made.path.exists()
    assert kept.list() == []


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_kill_in_the_midst_of_a_line_costs_that_line_alone(kept, cut):
    made = talk(kept)
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[:-cut])
    (read,) = kept.list()
    assert len(read.turns) == (2 if cut == 1 else 1)
    read.say("user", "Still there?")
    (again,) = kept.list()
    assert [turn.message.content for turn in again.turns][-1] == "Still there?"
    assert again.turns[0].message.content == "Who is Emma?"


def test_they_are_found_by_id_by_its_beginning_and_by_words(kept):
    first, second = talk(kept), talk(kept, "Wer ist STRASSE?")
    assert kept.get("last").id == second.id
    assert kept.get(first.id).id == first.id
    with pytest.raises(UsageError, match="several conversations begin"):
        kept.get("2")
    with pytest.raises(UsageError, match="no conversation begins"):
        kept.get("../../etc")
    found = [(each.id, turn.message.role) for each, turn in kept.search("straße ist")]
    assert found == [(second.id, "user")]
    assert len([*kept.search("YOUNG lady")]) == 2
    assert kept.remove(first.id).id == first.id
    assert [each.id for each in kept.list()] == [second.id]


def test_a_damaged_file_is_left_out_and_duckdb_reads_the_others(kept):
    made = talk(kept)
    (kept.folder / "broken.jsonl").write_text('{"model": 3')
    (kept.folder / "other.jsonl").write_text("[]\n")
    assert [each.id for each in kept.list()] == [made.id]
    told = duckdb.sql(f"SELECT content FROM read_json('{made.path}') WHERE role = 'user'")
    assert told.fetchall() == [("Who is Emma?",)]


def test_it_is_a_document_too(kept):
    made = talk(kept)
    assert "**Assistant**\n\nA young lady.\nHandsome." in made.in_markdown()
    assert json.loads(json.dumps(made.to_json()))["messages"][1]["ending"]["new_tokens"] == 5
