"""The scores of examples that count often are those of the examples laid out as often."""

import numpy as np
import pytest

from core.tasks import task
from core.tasks.base import UNKNOWN
from core.tasks.many_labels import of_many
from core.tasks.object_detection import ObjectDetection
from core.tasks.object_learning import Learnt
from core.tasks.ragged import Ragged
from core.tasks.scoring import taken
from core.tasks.speech_recognition import SpeechRecognition
from core.tasks.table import TableCodec
from core.tasks.tabular_classification import TabularClassification
from core.tasks.tabular_regression import TabularRegression
from core.tasks.transcripts import Letters

ROWS = 40


def of_classes(chance, size):
    target = chance.integers(0, size, ROWS)
    target[:3] = UNKNOWN
    kind = TabularClassification(TableCodec(()), "y", tuple("abcdef"[:size]))
    # Few different outputs: ties are what weighted ranks get wrong.
    return kind, chance.integers(-2, 3, (ROWS, size)).astype(np.float32), target


def of_labels(chance, size=4):
    kind = of_many(TabularClassification, ";")(TableCodec(()), "y", tuple("abcd"))
    target = (chance.random((ROWS, size + 1)) < 0.3).astype(np.uint8)
    return kind, chance.integers(-2, 3, (ROWS, size)).astype(np.float32), target


def of_numbers(chance):
    found = chance.normal(size=(ROWS, 1)).astype(np.float32)
    return TabularRegression(TableCodec(()), "y", 5.0, 2.0), found, chance.normal(size=ROWS)


def of_speech(chance):
    pytest.importorskip("jiwer")
    letters = Letters((" ", "a", "b"))
    kind = SpeechRecognition("sound", "said", letters, commonest="a")
    target = [chance.integers(1, 4, chance.integers(1, 8)).astype(np.int32) for _ in range(ROWS)]
    return kind, chance.integers(1, 4, (ROWS, 5)).astype(np.float32), Ragged.of(target)


def of_boxes(chance):
    pytest.importorskip("pycocotools")
    usual = (0.0, 0.0, 1.0, 1.0)
    learnt = Learnt("image", "objects", ("cat", "dog"), 64, 64, (0.5,), (0.5,), 0, usual)
    kind = ObjectDetection(learnt)
    corners = chance.integers(0, 30, (ROWS, 3, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + 12], 2)
    kinds = chance.integers(-1, 2, (ROWS, 3, 1)).astype(np.float32)
    crowd = (chance.random((ROWS, 3, 1)) < 0.1).astype(np.float32)
    truth = np.concatenate([kinds, boxes, crowd], 2)
    sure = chance.random((ROWS, 3, 1)).astype(np.float32)
    moved = boxes + chance.integers(-3, 4, boxes.shape)
    found = np.concatenate([np.abs(kinds), sure, moved], 2).astype(np.float32)
    found[::7, 2] = -1
    return kind, found, Ragged.of([*truth[:-1], truth[-1][:0]])


CASES = {
    "two classes": lambda chance: of_classes(chance, 2),
    "five classes": lambda chance: of_classes(chance, 5),
    "several labels": of_labels,
    "numbers": of_numbers,
    "speech": of_speech,
    "boxes": of_boxes,
}


@pytest.mark.parametrize("name", CASES)
def test_counting_a_row_twice_is_having_it_twice(name):
    chance = np.random.default_rng(3)
    kind, found, target = CASES[name](chance)
    scorer = kind.scorer(found, target)
    assert scorer.whole(ROWS) == pytest.approx(kind.scores(found, target))
    for _ in range(5):
        rows = np.sort(chance.integers(0, ROWS, ROWS))
        counted = scorer.of(np.bincount(rows, minlength=ROWS).astype(np.float64))
        laid_out = kind.scores(found[rows], taken(target, rows))
        assert counted == pytest.approx(laid_out, abs=1e-9)
        assert counted != pytest.approx(scorer.whole(ROWS), abs=1e-9), "the counts decide"


@pytest.mark.parametrize("name", CASES)
def test_mistakes_are_the_worst_first_and_say_what_was_right(name):
    kind, found, target = CASES[name](np.random.default_rng(4))
    verdicts = kind.verdicts(found, target)
    mistakes = verdicts.mistakes(10)
    order = [verdicts.badness[each["row"]] for each in mistakes]
    assert len(mistakes) == 10
    assert order == sorted(order, reverse=True)
    assert order[-1] > 0
    if verdicts.wrong is not None:
        assert (verdicts.wrong == (verdicts.badness > 0)).all()


def test_a_draw_without_a_class_leaves_out_what_it_cannot_tell():
    kind, found, target = of_classes(np.random.default_rng(5), 2)
    only_one = (target == 1).astype(np.float64)
    scores = kind.scorer(found, target).of(only_one)
    assert "auroc" not in scores
    assert scores["accuracy"] == pytest.approx((found.argmax(1) == 1)[target == 1].mean())


def test_losses_of_examples_are_those_of_torch():
    import torch
    from torch.nn import functional as F

    kind, found, target = of_classes(np.random.default_rng(6), 5)
    known = target != UNKNOWN
    expected = F.cross_entropy(
        torch.from_numpy(found[known]), torch.from_numpy(target[known]), reduction="none"
    )
    losses = kind.losses(found, target)
    assert losses[known] == pytest.approx(expected.numpy(), rel=1e-5)
    assert np.isnan(losses[~known]).all()
    assert task("text-generation").losses(kind, found, target) is None
