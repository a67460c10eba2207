"""What is told to who has written a name that is not there."""

from core.errors import nearest
from core.tasks import TASKS


def test_a_slip_of_the_pen_and_a_part_of_a_long_name_are_understood():
    assert nearest("droput", ["dropout", "lr"]) == 'Did you mean "dropout"?'
    assert nearest("speech", TASKS) == 'Did you mean "automatic-speech-recognition"?'


def test_else_it_is_told_what_there_is():
    both = ["image-classification", "text-classification"]
    assert nearest("fication", both) == f"There are: {both[0]}, {both[1]}."
    assert nearest("ver", ["a", "forever-long"]) == "There are: a, forever-long."
    assert nearest("x", []) == ""
