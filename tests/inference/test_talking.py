"""A conversation with a model in the engine's process: kept however an answer ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from core.errors import UsageError
from core.generation.sampling import TooLong
from core.inference.conversations import Conversations
from core.inference.process import EngineProcess
from core.inference.talking import Talk
from core.workspace import Workspace
from tests.generation.conftest import publish_talkers

LONG = 20_000
BRIEF = {"max_tokens": 12, "temperature": 0}


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.open(tmp_path_factory.mktemp("talking"))
    publish_talkers(made, LONG)
    return made


@pytest.fixture(scope="module")
def engine(speaking: Workspace) -> Iterator[EngineProcess]:
    with EngineProcess(speaking, "cpu", threads=1) as process:
        yield process


@pytest.fixture
def kept(speaking: Workspace) -> Conversations:
    return Conversations(speaking)


def said(talk: Talk) -> list[tuple[str, bool]]:
    """Who said something, and whether it was stopped, as the file has it."""
    return [(turn.message.role, turn.stopped) for turn in talk.kept.turns]


def test_asked_again_and_in_other_words(engine: EngineProcess, kept: Conversations) -> None:
    talk = Talk(engine, kept.new("talker", settings=BRIEF))
    with pytest.raises(UsageError, match="nothing was asked yet"):
        talk.retry()
    pieces = [*talk.ask("Who is Emma?")]
    assert pieces[-1].ending is not None
    first = talk.kept.turns[-1]
    assert first.message.content == "".join(piece.text for piece in pieces)
    assert first.ending == pieces[-1].ending
    [*talk.retry()]
    assert talk.kept.turns[-1].message == first.message, "the likeliest, once more"
    [*talk.edit("Who is Harriet?")]
    assert talk.question == "Who is Harriet?"
    assert said(talk) == [("user", False), ("assistant", False)]
    (read,) = [each for each in kept.list() if each.id == talk.kept.id]
    assert read == talk.kept


def test_an_answer_that_is_closed_is_kept_as_far_as_it_came(
    engine: EngineProcess, kept: Conversations
) -> None:
    talk = Talk(engine, kept.new("walker", settings={"max_tokens": LONG // 2}))
    with closing(talk.ask("Emma")) as answer:
        text = next(answer).text + next(answer).text
    assert said(talk) == [("user", False), ("assistant", True)]
    assert talk.kept.turns[-1].message.content == text


def test_another_thread_stops_it(engine: EngineProcess, kept: Conversations) -> None:
    talk = Talk(engine, kept.new("walker", settings={"max_tokens": LONG // 2}))
    began = threading.Event()

    def read() -> None:
        for _ in talk.ask("Emma"):
            began.set()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert began.wait(60)
        talk.stop()
        reading.result(60)
    assert said(talk) == [("user", False), ("assistant", True)]
    assert talk.kept.turns[-1].message.content


def test_what_cannot_be_answered_is_taken_back(engine: EngineProcess, kept: Conversations) -> None:
    talk = Talk(engine, kept.new("talker", settings=BRIEF))
    [*talk.ask("Who?")]
    with pytest.raises(TooLong):
        [*talk.ask("Emma " * 500)]
    talk.kept.set(settings={"max_tokens": -4})
    with pytest.raises(UsageError, match="max_tokens=-4 cannot be"):
        [*talk.ask("And?")]
    assert said(talk) == [("user", False), ("assistant", False)]


def test_one_that_is_removed_in_the_midst_of_an_answer_is_not_written_again(
    engine: EngineProcess, kept: Conversations
) -> None:
    talk = Talk(engine, kept.new("walker", settings={"max_tokens": LONG // 2}))
    with closing(talk.ask("Emma")) as answer:
        next(answer)
        kept.remove(talk.kept.id)
    assert not talk.kept.path.exists()
    for again in (lambda: talk.ask("And?"), talk.retry, lambda: talk.edit("Or?")):
        with pytest.raises(UsageError, match="was removed"):
            again()
    assert not talk.kept.path.exists()
