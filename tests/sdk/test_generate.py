"""Language models as Python objects: texts and conversations gone on with, whole and in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lepton_tui as l
from core.data.lake.lake import Lake
from core.errors import UsageError
from core.generation.sampling import TooLong
from core.workspace import Workspace
from tests.generation.conftest import publish_talkers
from tests.inference.conftest import flowers, learn, publish

TALK = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who is Emma?"}]
BRIEF = {"max_tokens": 12, "temperature": 1.2, "seed": 7}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Workspace.open(tmp_path_factory.mktemp("home"))
    publish_talkers(made, 20_000)
    Lake(made).commit("flowers", flowers(), op="import", target="species")
    publish(made, learn(made, "flowers"), "flowers_mlp")
    return made.home


@pytest.fixture(autouse=True)
def there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(home))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def talker(name: str = "talker") -> l.Model:
    model = l.load(name)
    assert isinstance(model, l.Model)
    return model


@pytest.mark.parametrize("prompt", ["Emma was", TALK])
def test_whole_and_in_parts_it_is_the_same(prompt: l.sdk.Said) -> None:
    model = talker()
    pieces = [*model.generate(prompt, stream=True, **BRIEF)]
    assert len(pieces) > 3
    ending = pieces[-1].ending
    assert ending is not None
    assert 3 < ending.new_tokens <= 12
    assert ending.decode_rate > 0
    assert model.generate(prompt, **BRIEF) == "".join(piece.text for piece in pieces)
    assert model.generate(prompt, **{**BRIEF, "seed": 8}) != model.generate(prompt, **BRIEF)


def test_each_part_tells_how_likely_its_tokens_were_where_that_is_asked_for() -> None:
    model = talker()
    parts = [*model.generate("Emma was", stream=True, logprobs=3, **BRIEF)]
    tokens = [token for part in parts for token in part.tokens]
    assert parts[-1].ending is not None
    assert len(tokens) == parts[-1].ending.new_tokens
    assert all(len(token.likeliest) == 3 and token.logprob < 0 for token in tokens)
    assert "".join(part.text for part in parts) == model.generate("Emma was", **BRIEF)
    with pytest.raises(UsageError, match="logprobs come with the parts") as told:
        model.generate("Emma was", logprobs=3)
    assert told.value.hint == "Ask with stream=True."


def test_an_answer_is_ended_by_who_closes_it_and_has_the_shape_that_is_asked_for() -> None:
    model = talker("walker")
    answer = model.generate("Emma", stream=True, max_tokens=10_000)
    assert next(answer).text
    answer.close()
    assert [*answer] == []
    mood = {"type": "object", "properties": {"mood": {"enum": ["up", "down"]}}}
    schema = {**mood, "required": ["mood"], "additionalProperties": False}
    assert json.loads(model.generate(TALK, schema=schema, seed=1))["mood"] in ("up", "down")


def test_wrong_calls_are_told_before_any_work() -> None:
    model = talker()
    with pytest.raises(UsageError, match='no option "temprature"') as told:
        model.generate("Emma", temprature=1)
    assert "temperature" in told.value.hint
    with pytest.raises(UsageError, match="a message is a role"):
        model.generate([{"role": "me", "content": "x"}])
    with pytest.raises(TooLong):
        model.generate("Emma " * 400)
    with pytest.raises(UsageError, match="does not go on with texts"):
        talker("flowers_mlp").generate("Emma")
