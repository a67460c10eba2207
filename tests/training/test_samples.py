"""What a model says of a few rows while it learns, and that asking changes nothing."""

from __future__ import annotations

import pytest
import torch

from core.data.lake.lake import Lake
from core.training import samples as module
from core.training.feed import compiled
from core.training.samples import SHOWN, Samples


def picked(workspace, trainer, split="validation"):
    with Lake(workspace).open(trainer.config.dataset) as view:
        found = compiled(workspace, view, trainer.task, split)
        return Samples.pick(trainer.task, view, found, seed=3)


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("penguins", {"model": "mlp", "batch_size": 16, "options": {"dropout": 0.3}}),
        ("reviews", {"model": "lstm", "options": {"length": 24}}),
        ("digits", {"model": "cnn", "batch_size": 16, "options": {"width": 8}}),
    ],
)
def test_asking_changes_no_bit_and_tells_rows_as_the_data_has_them(
    dataset, settings, trainer, workspace, request, monkeypatch
):
    monkeypatch.setattr(module, "_SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(module, "SHARE", 1e9)
    request.getfixturevalue(dataset)
    quiet = trainer(dataset, "quiet", **settings, epochs=2)
    assert quiet.fit()
    asked = trainer(dataset, "asked", **settings, epochs=2)
    asked.samples = picked(workspace, asked)
    assert asked.fit()
    for name, value in quiet.module.state_dict().items():
        assert torch.equal(value, asked.module.state_dict()[name]), name
    first, second = asked.emit.of("samples")
    assert [(each["epoch"], len(each["examples"])) for each in (first, second)] == [
        (1, SHOWN),
        (2, SHOWN),
    ]
    rows = [each["row"] for each in first["examples"]]
    assert rows == sorted(rows) == [each["row"] for each in second["examples"]]
    with Lake(workspace).open(asked.config.dataset) as view:
        known = view.rows(rows, [asked.task.target])
    assert [str(each["truth"]) for each in first["examples"]] == [
        str(row[asked.task.target]) for row in known
    ]
    for each in second["examples"]:
        assert set(each["answer"]) == {"label", "score"}
        assert each["answer"]["label"] in asked.task.labels
        assert bool(each["input"]) == (dataset != "digits")


def test_the_same_rows_after_a_resume_and_others_by_another_seed(trainer, workspace, penguins):
    made = trainer("penguins", "one", model="mlp", epochs=1)
    first, again = picked(workspace, made), picked(workspace, made)
    assert first.rows == again.rows
    assert "," in first.rows[0]["input"]


def test_a_model_that_answers_by_chance_takes_none_from_the_training(
    trainer, workspace, penguins, monkeypatch
):
    made = trainer("penguins", "one", model="mlp", epochs=1)
    samples = picked(workspace, made)
    solve = module.solved

    def by_chance(*given, **named):
        torch.rand(3)
        return solve(*given, **named)

    monkeypatch.setattr(module, "solved", by_chance)
    before = torch.get_rng_state()
    samples.ask(made.module, made.device)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_asked_seldom_where_that_takes_long_and_always_at_the_end(
    trainer, workspace, penguins, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    made = trainer("penguins", "one", model="mlp", epochs=1)
    samples = picked(workspace, made)
    solve = module.solved

    def slow(*given, **named):
        now[0] += 2.0
        return solve(*given, **named)

    monkeypatch.setattr(module, "solved", slow)
    assert samples.due()
    samples.ask(made.module, made.device)
    now[0] += 99.0
    assert not samples.due()
    assert samples.due(last=True)
    now[0] += 2.0
    assert samples.due()


def test_a_truth_that_has_no_words_is_left_out():
    assert module._truth([{"box": [0, 0, 1, 1]}]) is None
    assert module._truth(["a", "b"]) == {"labels": ["a", "b"]}
    for value, label in ((True, "true"), (1.0, "1"), (2, "2"), ("a", "a"), (None, None)):
        assert module._as_answered(module._truth(value), {"label": "x", "score": 1.0}) == label
    assert module._as_answered(1.0, 0.5) == 1.0
