"""The program that stands in the plan, word for word, as a person would run it."""

from __future__ import annotations

import re

import pytest

from tests.sdk.conftest import Programs, put_small_mnist

PROGRAM = """\
import lepton_tui as l
dataset = l.load("mnist")
model = l.load("mnist_resnet18")
model.train(dataset, epochs=10, batch_size=32)
model.validate(dataset, batch_size=32)
model.test(dataset, batch_size=32)
"""


@pytest.mark.slow
def test_the_program_as_it_stands(program: Programs) -> None:
    put_small_mnist(program.home / "datasets" / "mnist", train=300, test=200)
    said = program(PROGRAM)
    assert said.code == 0, said.err
    assert "\x1b" not in said.out + said.err
    epochs = re.findall(r"^epoch +(\d+)/10  .*val/accuracy", said.out, re.MULTILINE)
    assert [int(number) for number in epochs] == [*range(1, 11)]
    scores = {
        split: (float(accuracy), float(baseline))
        for split, accuracy, baseline in re.findall(
            r"^(\w+) accuracy (\d\.\d+) \(baseline (\d\.\d+)\)$", said.out, re.MULTILINE
        )
    }
    assert list(scores) == ["validation", "test"]
    accuracy, baseline = scores["test"]
    assert baseline < 0.2, "ten digits, about as many of each"
    assert accuracy > 0.5, said.out
    # The files are not the originals, and whoever put them there is told.
    assert "train-images-idx3-ubyte.gz is not the original file" in said.err


def test_offline_it_says_which_files_to_put_where(program: Programs) -> None:
    said = program(PROGRAM)
    assert said.code == 1
    last = said.err[said.err.rindex("LeptonError") :]
    assert "is not on this machine and cannot be downloaded" in last
    for part in ("train", "t10k"):
        assert f"{part}-images-idx3-ubyte.gz" in last
        assert f"{part}-labels-idx1-ubyte.gz" in last
    assert f"into {program.home / 'datasets' / 'mnist'} and try again" in last
    # What it says to do is what helps.
    put_small_mnist(program.home / "datasets" / "mnist-here", train=40, test=20)
    (program.home / "datasets" / "mnist").rmdir()
    (program.home / "datasets" / "mnist-here").rename(program.home / "datasets" / "mnist")
    said = program(PROGRAM.partition("model =")[0] + "print(len(dataset), dataset.splits)\n")
    assert (said.code, said.out) == (0, "60 {'test': 20, 'train': 40}\n"), said.err


def test_an_archive_may_lie_where_the_program_says(program: Programs) -> None:
    folder = program.folder / "digits"
    put_small_mnist(folder, train=30, test=10)
    said = program('import lepton_tui as l\nprint(l.load("mnist", source="digits"))\n')
    assert said.out == "<Dataset mnist@1: 40 rows, image-classification>\n", said.err
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    said = program('import lepton_tui as l\nprint(l.load("mnist", source="digits"))\n')
    assert said.code == 1
    assert 't10k-labels-idx1-ubyte.gz, of the data set "mnist", is not there (digits)' in said.err


@pytest.mark.parametrize("own", ["core/__init__.py", "core.py", "screens/__init__.py"])
def test_a_folder_that_shadows_ours_is_named(program: Programs, own: str) -> None:
    path = program.folder / own
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine = True\n")
    said = program("import lepton_tui as l\n")
    assert said.code == 1
    name = own.partition("/")[0].removesuffix(".py")
    where = path.parent if path.name == "__init__.py" else path
    assert f"ImportError: Lepton's package '{name}' is shadowed by {where.resolve()}" in said.err


def test_a_folder_of_a_name_like_ours_is_no_harm(program: Programs) -> None:
    # Without __init__.py it is a namespace, which gives way to a package.
    (program.folder / "core").mkdir()
    assert program("import lepton_tui as l\nl.load\n").code == 0
