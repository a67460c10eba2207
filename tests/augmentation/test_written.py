"""Augmentations as they are written: words to settings and back, and all mistakes at once."""

from __future__ import annotations

import tomllib

import pytest

from core.augmentation import AUGMENTATIONS
from core.augmentation.image import Crop, Flip, Rotate
from core.augmentation.written import catalogue, check, check_task, read, written
from core.errors import UsageError
from core.tasks.speech_recognition import SpeechRecognition
from core.tasks.text_classification import TextClassification
from core.tasks.text_generation import TextGeneration
from core.training.config import TrainConfig


def test_words_are_read_in_the_order_of_their_use() -> None:
    assert read("rotate=30, crop=0.5:ratio=1.5:p=0.25,flip=both") == (
        Flip("both"),
        Crop(0.5, 1.5, 0.25),
        Rotate(30.0),
    )
    assert read([]) == read("") == ()
    assert read(["crop", "flip,rotate"]) == (Flip(), Crop(), Rotate())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_what_is_written_is_read_again(name: str) -> None:
    assert written(read(name)) == name
    changed = {
        "flip": "flip=vertical:turns=alternating:p=0.1",
        "masks": "masks=0.2:pitch=0:count=3",
        "shift": "shift:fill=silence",
    }.get(name, f"{name}:p=0.3")
    assert written(read(changed)) == changed


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        ("rotat", 'no augmentation "rotat"', 'Did you mean "rotate"?'),
        ("color", 'no augmentation "color"', 'Did you mean "colour"?'),
        ("zoom", 'no augmentation "zoom"', "There are: colour, crop, cutmix"),
        ("rotate=x", 'rotate: "degrees" has to be a number', '"x"'),
        ("rotate=200", '"degrees" has to be a number from 0 to 180', '"200"'),
        ("rotate=nan", '"degrees" has to be a number from 0 to 180', '"nan"'),
        ("rotate=", 'rotate: "degrees" has to be a number', ""),
        ("flip=diagonal", 'flip: "axis" cannot be "diagonal"', "horizontal"),
        ("crop:scal=0.3", 'crop: no setting "scal"', 'Did you mean "scale"?'),
        ("masks:count=2.5", '"count" has to be a whole number', "2.5"),
        ("flip,flip=both", "flip is named twice", ""),
        ("=3", 'no augmentation ""', "There are"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(given: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(given)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        read("rotat,crop=7:p=2,flip")
    told = str(caught.value)
    assert 'Did you mean "rotate"?' in told
    assert '"scale" has to be a number from 0.01 to 1' in told
    assert '"p" has to be a number from 0 to 1' in told
    with pytest.raises(UsageError) as caught:
        TrainConfig.from_mapping({"dataset": "x", "augment": "rotat,flip", "epochs": 0})
    told = str(caught.value)
    assert "2 mistakes" in told
    assert 'there is no augmentation "rotat". Did you mean "rotate"' in told


def test_a_file_a_list_and_a_line_mean_the_same() -> None:
    line = "rotate=20.0,flip,mixup"
    as_list = tomllib.loads('augment = ["mixup", "flip", "rotate=20"]')["augment"]
    one = TrainConfig.from_mapping({"dataset": "x", "augment": line})
    other = TrainConfig.from_mapping({"dataset": "x", "augment": as_list})
    assert one == other == TrainConfig.from_mapping(one.to_json())
    assert one.augment == ("flip", "rotate=20", "mixup")
    with pytest.raises(UsageError, match="augment must be a list of augmentations"):
        TrainConfig.from_mapping({"dataset": "x", "augment": {"flip": True}})
    assert TrainConfig.from_mapping({"dataset": "x", "augmentations": line}) == one


def test_what_does_not_fit_is_refused() -> None:
    check(read("flip,mixup"), "image")
    with pytest.raises(UsageError) as caught:
        check(read("flip,drop,noise"), "tokens", what="text-classification")
    told = str(caught.value)
    assert "flip is for images, noise is for sounds, but text-classification reads texts" in told
    assert caught.value.hint == "There are: drop, swap."
    assert "drop is" not in told
    with pytest.raises(UsageError, match="flip is for images, but it reads tables"):
        check(read("flip"), "table")


@pytest.mark.parametrize(
    ("words", "task", "hint"),
    [
        ("drop", TextGeneration, "There is none for them."),
        ("swap=0.2", TextGeneration, "There is none for them."),
        ("noise,shift", SpeechRecognition, "shift:fill=silence"),
    ],
)
def test_what_goes_from_beginning_to_end_stays_in_its_order(words, task, hint) -> None:
    with pytest.raises(UsageError, match="from beginning to end") as caught:
        check_task(read(words), task)
    assert hint in caught.value.hint
    check_task(read("noise,shift:fill=silence,masks"), SpeechRecognition)
    check_task(read("drop,swap"), TextClassification)


def test_every_setting_is_explained() -> None:
    for each in catalogue():
        assert each["help"] and each["kinds"]
        assert each["settings"][-1]["key"] == "p"
        assert all(setting["help"] and not setting["required"] for setting in each["settings"])
