"""`lepton chat`: an answer for a script, talk in a terminal, and what is kept of both."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import pytest

from core.inference.conversations import Conversations
from core.workspace import Workspace
from tests.app.terminal import Terminal, lepton
from tests.cli.conftest import SCRIPT, Shell
from tests.generation.conftest import publish_talkers
from tests.inference.conftest import flowers, learn, publish

LONG = 200_000
SHORT = ("--max-tokens", "12", "--temperature", "0")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a model of short answers, one that goes on for ever, and a table's."""
    from core.data.lake.lake import Lake

    made = Workspace.open(tmp_path_factory.mktemp("talking"))
    publish_talkers(made, LONG)
    Lake(made).commit("flowers", flowers(), op="import", target="species")
    publish(made, learn(made, "flowers"), "flowers")
    return made.home


@pytest.fixture
def shell(home: Path) -> Shell:
    for each in Conversations(Workspace.open(home)).list():
        each.path.unlink()
    return Shell(home)


def piped(shell: Shell, text: str, *words: str) -> str:
    done = subprocess.run(
        [SCRIPT, "chat", *words],
        input=text,
        env=shell.env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_one_answer_for_a_script(shell: Shell) -> None:
    said = shell("chat", "talker", "Who is Emma?", *SHORT)
    told = shell("chat", "talker", "Who is Emma?", *SHORT, "--json").json
    assert told["answer"] == said.out.removesuffix("\n")
    assert told["ending"]["new_tokens"] == 12
    assert told["ending"]["decode_rate"] > 0
    assert said.err == ""
    assert piped(shell, "Who is Emma?\n", "talker", *SHORT) == said.out


def test_what_is_piped_stands_after_the_words(shell: Shell) -> None:
    piped(shell, "A long text.\n", "talker", "Summarise:", *SHORT)
    talk = shell("chat", "show", "last", "--json").json
    assert talk["messages"][0]["content"] == "Summarise:\n\nA long text."


def test_an_answer_has_the_shape_of_a_schema(shell: Shell, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    properties = {"mood": {"enum": ["up", "down"]}}
    schema.write_text(
        json.dumps({"type": "object", "properties": properties, "required": ["mood"],
                    "additionalProperties": False})
    )  # fmt: skip
    said = shell("chat", "talker", "How are you?", "--schema", schema, "--seed", "3")
    assert json.loads(said.out)["mood"] in ("up", "down")


def test_how_likely_its_tokens_were_stands_beneath_an_answer(shell: Shell) -> None:
    told = shell("chat", "talker", "Who is Emma?", *SHORT, "--logprobs", "2", "--json").json
    assert "".join(each["token"] for each in told["tokens"]) == told["answer"]
    first = told["tokens"][0]
    # The likeliest was taken each time.
    assert first["likeliest"][0] == {"token": first["token"], "logprob": first["logprob"]}
    said = shell("chat", "talker", "Who is Emma?", *SHORT, "--logprobs", "2").out
    assert said.startswith(told["answer"])
    *lines, empty = said.removeprefix(told["answer"] + "\n").split("\n")
    assert (len(lines), empty) == (12, "")
    for line, token in zip(lines, told["tokens"], strict=True):
        other = token["likeliest"][1]
        shares = [f"{math.exp(each['logprob']):.1%}"[:-1] + " %" for each in (token, other)]
        assert line.split("  or ")[0].strip().startswith(f'{shares[0]}  "')
        assert line.endswith(f'" {shares[1]}')
    wrong = shell("chat", "talker", "x", "--logprobs", "many")
    assert wrong.code == 2
    assert "logprobs='many' cannot be" in wrong.err


def test_conversations_are_kept_found_gone_on_with_and_written(
    shell: Shell, tmp_path: Path
) -> None:
    shell("chat", "talker", "Who is Emma?", *SHORT, "--system", "Be kind.")
    said = shell("chat", "--continue", "And", "Harriet?")
    assert said.code == 0, said.err
    (kept,) = shell("chat", "ls", "--json").json
    assert (kept["model"], kept["messages"], kept["title"]) == ("talker", 4, "Who is Emma?")
    talk = shell("chat", "show", kept["id"], "--json").json
    assert talk["system"] == "Be kind."
    assert talk["settings"] == {"max_tokens": 12, "temperature": 0}
    assert talk["messages"][2]["content"] == "And Harriet?"
    (found,) = shell("chat", "search", "HARRIET", "--json").json
    assert found["id"] == kept["id"]
    assert "Harriet" in shell("chat", "search", "harriet").out
    assert kept["id"] in shell("chat", "ls").out
    written = tmp_path / "talk.md"
    assert shell("chat", "export", kept["id"][:12], written).code == 0
    assert "**User**\n\nAnd Harriet?" in written.read_text()
    assert shell("chat", "rm", "last", "--yes").code == 0
    assert shell("chat", "ls", "--json").json == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("talkr", "x"), 'no model "talkr"'),
        (("flowers", "x"), "flowers is for tabular-classification, and does not go on with texts"),
        (("talker",), "there is nothing to ask"),
        ((), "MODEL is missing"),
        (("talker", "x", "--temperature", "99"), "temperature=99 cannot be"),
        (("talker", "x", "--schema", "/nonesuch"), "the schema cannot be read"),
        (("talker", "Emma " * 500), "127 fit into this model"),
        (("--continue", "x"), "there is no conversation yet"),
        (("show", "nope"), 'no conversation begins with "nope"'),
    ],
)
def test_wrong_calls_are_told_and_keep_nothing(
    shell: Shell, words: tuple[str, ...], told: str
) -> None:
    said = shell("chat", *words)
    assert said.code == 2
    assert told in said.err
    assert "Traceback" not in said.err
    assert shell("chat", "ls", "--json").json == []


@pytest.mark.slow
def test_a_conversation_in_a_terminal(shell: Shell, home: Path, tmp_path: Path) -> None:
    kept = Conversations(Workspace.open(home))
    with Terminal(lepton("chat", "walker", *SHORT), home=home) as terminal:
        terminal.wait_for(">>>")
        terminal.send("Who is Emma?\r")
        terminal.wait_for("12 said at")
        (talk,) = kept.list()
        first = talk.turns[1]
        assert first.ending is not None
        terminal.send("/retry\r")
        terminal.wait_for(lambda text: text.count("12 said at") == 2)
        assert kept.list()[0].turns[1].message == first.message, "the likeliest, once more"
        terminal.send("/edit Who is Harriet?\r")
        terminal.wait_for(lambda text: text.count("12 said at") == 3)
        assert [t.message.content for t in kept.list()[0].turns[::2]] == ["Who is Harriet?"]
        terminal.send("/set temprature 1\r")
        terminal.wait_for('no option "temprature"')
        terminal.send("/set logprobs 1\r/retry\r")
        terminal.wait_for(lambda text: len(re.findall(r'\d\.\d %  "[^"]+"', text)) == 12)
        terminal.wait_for(lambda text: text.rstrip().endswith(">>>"))
        terminal.send("/set logprobs none\r")
        terminal.wait_for(lambda text: re.search(r"none\s+>>>\s*$", text) is not None)
        terminal.send(f"/set max_tokens {LONG // 2}\rGo on.\r")
        terminal.wait_for("Go on.")
        terminal.wait_for(lambda text: len(text.rpartition("Go on.")[2].strip()) > 20)
        terminal.send("\x03")
        terminal.wait_for("stopped")
        last = kept.list()[0].turns[-1]
        assert last.stopped
        assert last.message.content
        terminal.send(f"/save {tmp_path / 'talk.json'}\r")
        # Before the prompt is there again, it would only end what is being done.
        terminal.wait_for(lambda text: ">>>" in text.partition("Written")[2])
        terminal.wait_for_sleep()
        terminal.send("\x03")
        assert terminal.wait_for_exit() == 0
    saved = json.loads((tmp_path / "talk.json").read_text())
    assert saved["messages"][0]["content"] == "Who is Harriet?"
