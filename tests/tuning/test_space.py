"""Ranges as a person writes them, and what is searched when nobody writes any."""

import pytest

from core.errors import UsageError
from core.models.architectures import architecture
from core.training.config import TrainConfig
from core.tuning.space import Choice, Range, is_searched, read_space, usual_space, usual_values


def test_ranges_and_values_are_told_from_settings():
    assert is_searched("lr", "1e-4..1e-1")
    assert is_searched("batch_size", "32,64")
    assert not is_searched("augment", "flip,rotate=15")
    assert not is_searched("model", "mlp")
    assert not is_searched("epochs", 5)


def test_a_range_is_by_its_logarithm_where_it_is_wide_or_says_so():
    space = read_space(
        {"lr": "1e-4..1e-1", "dropout": "0..0.5", "layers": "1..4", "width": "8..64:log"}
    )
    assert space["lr"] == Range(1e-4, 1e-1, log=True)
    assert space["dropout"] == Range(0, 0.5)
    assert space["layers"].whole
    assert not space["dropout"].whole
    assert space["width"] == Range(8, 64, log=True)
    assert read_space({"lr": "1e-4..1e-1:linear"})["lr"] == Range(1e-4, 1e-1)


def test_what_is_written_out_reads_back():
    for text in ("0.0001..0.1:log", "1..4:linear", "32,64", "true,false", "full,strided"):
        (each,) = read_space({"x": text}).values()
        assert str(each) == text
        assert read_space({"x": str(each)})["x"] == each


def test_values_keep_their_types():
    assert read_space({"x": "32,0.5,strided,true"})["x"] == Choice((32, 0.5, "strided", True))


@pytest.mark.parametrize(
    "text",
    ["1..", "..", "3..1", "a..b", "1..2:cubic", "1,", "7,7", "1e-4...1e-1", "1..inf", "nan..2"],
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(UsageError, match="is nothing to search"):
        read_space({"lr": text})


def test_a_logarithm_begins_above_nothing():
    with pytest.raises(UsageError, match="begins above 0"):
        read_space({"lr": "0..1:log"})


def test_the_usual_space_leaves_out_what_a_person_has_named():
    mlp = architecture("mlp")
    space = usual_space(mlp, TrainConfig("penguins"))
    assert space.keys() == {"lr", "weight_decay", "batch_size", "width", "layers", "dropout"}
    assert all(usual_values(mlp)[name] in each for name, each in space.items())
    named = TrainConfig("penguins", lr=0.1, weight_decay=0.5, options={"width": 8})
    assert usual_space(mlp, named).keys() == {"batch_size", "layers", "dropout"}
