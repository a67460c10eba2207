"""Talking on the Infer screen, with real language models in the real engine's process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, Select, TextArea

from core.generation.pieces import Ending
from core.inference.conversations import Conversation, Conversations
from core.models.registry import Models
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.infer.chat import talk_view
from screens.infer.chat.box import SayBox
from screens.infer.chat.pane import ChatPane
from screens.infer.chat.talk_view import TalkView
from screens.infer.screen import InferScreen
from tests.generation.conftest import made_task, publish_talkers
from tests.inference.conftest import learn, publish, reviews
from tests.screens.golden import golden, screen_text
from tests.screens.walk import make_model, until

LONG = 20_000
SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    from core.data.lake.lake import Lake

    made = Workspace.open(tmp_path_factory.mktemp("home"))
    publish_talkers(made, LONG)
    publish(made, made_task(), "rival", seed=3, width=48, heads=2, layers=3)
    Lake(made).commit("reviews", reviews(), op="import", target="mood")
    publish(made, learn(made, "reviews"), "moods")
    return made


@pytest.fixture
def models(workspace: Workspace) -> Iterator[Workspace]:
    yield workspace
    for each in Conversations(workspace).list():
        each.path.unlink()


async def chosen(pilot: Pilot[None], model: str) -> ChatPane:
    """Go to Infer with this language model, and let its answers be short."""
    await until(pilot, "palette")
    pilot.app.visit("infer", model=model)  # type: ignore[attr-defined]
    await until(pilot, f"─ {model}@1 ─")
    pane = pilot.app.screen.query_one(ChatPane)
    pane._talk.set(settings={"max_tokens": 12, "temperature": 0})
    return pane


async def say(pilot: Pilot[None], text: str) -> None:
    box = pilot.app.screen.query_one(SayBox)
    box.focus()
    box.text = text
    await pilot.press("enter")


def kept(models: Workspace) -> list[Conversation]:
    return Conversations(models).list()


def contents(talk: Conversation) -> list[str]:
    return [turn.message.content for turn in talk.turns]


async def test_asked_retried_edited_and_kept_for_the_shell(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await chosen(pilot, "talker")
        await pilot.press("i", *"Who is Emma", "ctrl+j", *"then")
        await pilot.press("enter")
        shown = await until(pilot, "12 said at")
        assert re.search(r"❯ Who is Emma\s+│\n.*then", shown)
        assert re.search(r"\d+ tokens read at [\d,.]+/s, 12 said at [\d,.]+/s", shown)
        (talk,) = kept(models)
        assert contents(talk)[0] == "Who is Emma\nthen"
        first = contents(talk)[1]
        await pilot.press("escape", "r")
        await until(pilot, lambda: kept(models)[0].turns[-1].at > talk.turns[-1].at)
        assert contents(kept(models)[0])[1] == first, "the likeliest, once more"
        await until(pilot, "12 said at")
        await pilot.press("e")
        await until(pilot, "The last question in other words")
        box = pilot.app.screen.query_one(SayBox)
        assert box.text == "Who is Emma\nthen"
        await say(pilot, "Who is [b]Harriet[/b]?")
        await until(pilot, "❯ Who is [b]Harriet[/b]?")
        await until(pilot, "12 said at")
        (talk,) = kept(models)
        assert contents(talk)[:-1] == ["Who is [b]Harriet[/b]?"]
        await pilot.press("escape", "y")
        await until(pilot, f"lepton chat --conversation {talk.id}")
        await pilot.press("escape", "n")
        await until(pilot, lambda: "Harriet" not in screen_text(pilot.app))
        await say(pilot, "And you?")
        await until(pilot, "12 said at")
        assert [contents(each)[0] for each in kept(models)] == [
            "And you?",
            "Who is [b]Harriet[/b]?",
        ]


async def test_an_answer_comes_piece_by_piece_and_escape_stops_it(
    models: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_view, "refresh_interval", lambda: 0.25)
    times: list[float] = []
    heard = TalkView.on_talk_view__heard

    def noted(self: TalkView, event: TalkView._Heard) -> None:
        times.append(monotonic())
        heard(self, event)

    monkeypatch.setattr(TalkView, "on_talk_view__heard", noted)
    async with LeptonApp(models).run_test(size=(100, 30), notifications=True) as pilot:
        pane = await chosen(pilot, "walker")
        pane._talk.set(settings={"max_tokens": LONG // 2, "temperature": 0})
        await say(pilot, "Emma")
        await until(pilot, "▍")
        await say(pilot, "Harriet")
        await until(pilot, "One at a time")
        view = pane.query_one("#said", TalkView)
        await until(pilot, lambda: view.max_scroll_y > 3 and view.scroll_y == view.max_scroll_y)
        view.focus()
        await pilot.press("home")
        # A model of this size says some hundred pieces a second.
        await until(pilot, lambda: len(times) >= 4)
        assert times[3] - times[0] > 0.5, "redrawn four times a second"
        await pilot.press("escape")
        await until(pilot, lambda: not pane.busy)
        assert view.scroll_y == 0, "who reads further up is left there"
        await pilot.press("end")
        await until(pilot, "stopped")
        (talk,) = kept(models)
        assert talk.turns[-1].stopped
        assert len(contents(talk)[1]) > 20
        assert not pane.busy
        await pilot.press("escape")
        assert "Retry" in await until(pilot, "n New")


async def test_keys_that_come_at_once_are_taken_in_their_order(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(80, 24)) as pilot:
        await chosen(pilot, "talker")
        await pilot.press("i")
        await until(pilot, "Say something")
        keys = ["W", "h", "o", "ctrl+j", "i", "s", "enter"]
        for key in keys:
            pilot.app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, "❯ Who")
        await until(pilot, "12 said at")
    (talk,) = kept(models)
    assert contents(talk)[0] == "Who\nis"


async def test_how_likely_its_tokens_were_stands_beneath_an_answer(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 44)) as pilot:
        pane = await chosen(pilot, "talker")
        await pilot.press("s")
        await until(pilot, "How the model is to answer")
        form = pilot.app.screen
        form.query_one("#logprobs", Input).value = "21"
        await pilot.press("ctrl+s")
        await until(pilot, "logprobs=21 cannot be")
        form.query_one("#logprobs", Input).value = "1"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pane._talk.settings.get("logprobs") == 1)
        await pilot.press("y")
        assert "--logprobs 1" in await until(pilot, "The same in a shell")
        await pilot.press("escape")
        await say(pilot, "How are you?")
        shown = await until(pilot, " said at")
        assert len(re.findall(r"\d\.\d %  \S", shown)) == 12
        # Another setting leaves this one as it is.
        await pilot.press("escape", "s")
        await until(pilot, "How the model is to answer")
        await pilot.press("ctrl+s")
        await until(pilot, " said at")
        assert pane._talk.settings["logprobs"] == 1


async def test_the_settings_are_those_of_the_shell(models: Workspace, tmp_path: Path) -> None:
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        pane = await chosen(pilot, "talker")
        await pilot.press("s")
        await until(pilot, "How the model is to answer")
        form = pilot.app.screen
        form.query_one("#system", TextArea).text = "Be kind.\nBe brief."
        form.query_one("#temperature", Input).value = "99"
        await pilot.press("ctrl+s")
        await until(pilot, "temperature=99 cannot be")
        form.query_one("#temperature", Input).value = "0.5"
        form.query_one("#stop", Input).value = "Emma 'the end'"
        form.query_one("#schema", Input).value = str(tmp_path / "none.json")
        await pilot.press("ctrl+s")
        await until(pilot, "the schema cannot be read")
        form.query_one("#schema", Input).value = ""
        form.query_one("#answer", Select).value = "object"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pane._talk.system == "Be kind.\nBe brief.")
        assert pane._talk.settings == {
            "max_tokens": 12,
            "temperature": 0.5,
            "stop": ["Emma", "the end"],
            "json": True,
        }
        await until(pilot, "system: Be kind.⏎Be brief. · max_tokens=12")
        await pilot.press("y")
        shown = await until(pilot, "The same in a shell")
        for part in ("--temperature 0.5", "--stop Emma", "--as-json", "--max-tokens 12"):
            assert part in shown
        await pilot.press("escape")
        await say(pilot, "How are you?")
        await until(pilot, " said at")
        (talk,) = kept(models)
        assert talk.system.startswith("Be kind.")
        assert contents(talk)[1].startswith("{")


async def test_kept_ones_are_found_opened_written_and_removed(
    models: Workspace, tmp_path: Path
) -> None:
    store = Conversations(models)
    for model, question in (("rival@1", "Where is Highbury?"), ("gone", "Who is gone?")):
        talk = store.new(model, settings={"max_tokens": 12, "temperature": 0})
        talk.say("user", question)
        talk.say("assistant", "It is [b]near[/b] London.", stopped=True)
    async with LeptonApp(models).run_test(size=(100, 34), notifications=True) as pilot:
        await chosen(pilot, "talker")
        await pilot.press("o")
        shown = await until(pilot, "Where is Highbury?")
        assert "Who is gone?" in shown
        await pilot.press(*"near highbury")
        await until(pilot, "No message holds all these words.")
        pilot.app.screen.query_one(Input).value = "HIGHBURY"
        await until(pilot, lambda: "Who is gone?" not in screen_text(pilot.app))
        await pilot.press("ctrl+s")
        await until(pilot, "Write it to")
        file = tmp_path / "talk.json"
        pilot.app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        await until(pilot, "Written: ")
        assert json.loads(file.read_text())["messages"][0]["content"] == "Where is Highbury?"
        await pilot.press("ctrl+s")
        await until(pilot, "Write it to")
        pilot.app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        await until(pilot, "something is there already")
        await pilot.press("enter")
        await until(pilot, "─ rival@1 ─")
        await until(pilot, "It is [b]near[/b] London.")
        await say(pilot, "And Hartfield?")
        await until(pilot, "12 said at")
        assert len(store.list()[0].turns) == 4, "gone on with, in the same file"
        await pilot.press("escape", "o")
        await until(pilot, "Who is gone?")
        await pilot.press("down", "enter")
        await until(pilot, "the model of this conversation is gone: gone")
        await pilot.press("o")
        await until(pilot, "enter opens")
        await pilot.press("down", "ctrl+r")
        await until(pilot, "Remove the conversation")
        await pilot.press("y")
        await until(pilot, lambda: len(store.list()) == 1)
        assert store.list()[0].model == "rival@1"
        await pilot.press("ctrl+r")
        await until(pilot, "Remove the conversation")
        await pilot.press("y")
        await until(pilot, "There are none yet.")
        await pilot.press("escape")
        await until(pilot, lambda: "And Hartfield?" not in screen_text(pilot.app))


async def test_two_models_are_told_the_same(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(120, 34)) as pilot:
        pane = await chosen(pilot, "talker")
        pane._talk.set(settings={"temperature": 1.5, "seed": 3})
        await pilot.press("b")
        shown = await until(pilot, "Which model beside talker@1?")
        assert "moods" not in shown.split("Which model")[1], "nobody talks with it"
        await pilot.press(*"riv", "enter")
        await until(pilot, "─ rival@1 ─")
        await say(pilot, "Who is Emma?")
        await until(pilot, lambda: screen_text(pilot.app).count("12 said at") == 2)
        both = {talk.model: talk for talk in kept(models)}
        assert both.keys() == {"talker@1", "rival@1"}
        assert contents(both["talker@1"])[1] != contents(both["rival@1"])[1]
        assert both["rival@1"].settings == both["talker@1"].settings
        await pilot.press("escape", "b")
        await until(pilot, lambda: "─ rival@1 ─" not in screen_text(pilot.app))


async def test_what_cannot_be_answered_comes_back_to_the_box(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "talker")
        await say(pilot, "Emma " * 300)
        shown = await until(pilot, "127 fit into this model")
        assert "n begins a new conversation" in shown
        assert pilot.app.screen.query_one(SayBox).text == ("Emma " * 300).strip()
        assert kept(models) == []


async def test_what_cannot_be_kept_or_set_is_told(models: Workspace) -> None:
    store = Conversations(models)
    talk = store.new("talker@1", settings={"temperature": "hot"})
    talk.say("user", "Who?")
    async with LeptonApp(models).run_test(size=(100, 30), notifications=True) as pilot:
        pane = await chosen(pilot, "talker")
        pane._talk.path = models.home / "nowhere" / "deep" / "talk.jsonl"
        await say(pilot, "Who is Emma?")
        await until(pilot, "the conversation cannot be kept: No such file or directory")
        assert pilot.app.screen.query_one(SayBox).text == "Who is Emma?"
        await pilot.press("escape", "o")
        await until(pilot, "enter opens")
        await pilot.press("enter")
        await until(pilot, "❯ Who?")
        await pilot.press("escape", "s")
        await until(pilot, "temperature=hot cannot be")
        await pilot.press("r")
        await until(pilot, "✗ temperature=hot cannot be")


async def test_a_model_that_is_left_keeps_its_conversation(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "talker")
        await say(pilot, "Who is Emma?")
        await until(pilot, "12 said at")
        pilot.app.visit("infer", model="moods")  # type: ignore[attr-defined]
        await until(pilot, "a text, or a row: reviews#12")
        await chosen(pilot, "talker")
        await until(pilot, "❯ Who is Emma?")
        await pilot.press("escape", "t")
        await until(pilot, "a text, or a row: reviews#12")
        await pilot.press("t")
        await until(pilot, "❯ Who is Emma?")


@pytest.mark.parametrize("size", SIZES)
async def test_golden(tmp_path: Path, size: tuple[int, int]) -> None:
    workspace = Workspace.open(tmp_path)
    for name in ("emma_gpt", "emma_gpt2"):
        make_model(workspace, name, task="text-generation", architecture="gpt", metrics={})
    store = Conversations(workspace)
    talks = []
    for model in ("emma_gpt@1", "emma_gpt2@1"):
        talk = store.new(model, system="Be kind.", settings={"temperature": 0.6})
        talk.say("user", "Who is Emma?")
        ending = Ending("stop", 12, 31, 0.01, 0.1)
        talk.say("assistant", "A [b]young lady[/b],\nhandsome, clever and rich.", ending=ending)
        talk.say("user", "And Harriet?")
        talk.say("assistant", "Her friend; she is", stopped=True)
        talks.append(talk)
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("5")
        await until(pilot, "emma_gpt@1")
        screen = pilot.app.screen
        assert isinstance(screen, InferScreen)
        screen.query_one(ChatPane).open(talks[0], Models(workspace).get("emma_gpt"))
        screen.refresh_bindings()
        await until(pilot, "Her friend")
        await golden(pilot, "chat", size)
        await pilot.press("s")
        await until(pilot, "what the model is told before all else")
        await golden(pilot, "chat-settings", size)
        await pilot.press("escape", "b", "enter")
        await until(pilot, "─ emma_gpt2@1 ─")
        await golden(pilot, "chat-beside", size)
