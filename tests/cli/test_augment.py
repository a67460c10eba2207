"""Augmentations from the shell: listed, shown on rows, written as files, and trained with."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from core.data.cleaning.steps.audio import decode
from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.cli.conftest import Shell

SAMPLES = Path(__file__).parents[2] / "sample_data"
TEXTS = ["The plot is good, the actors are not.", None, "one two three four five six seven eight"]


@pytest.fixture
def lake(lepton: Shell) -> Lake:
    lake = Lake(Workspace.open(lepton.home))
    files = sorted((SAMPLES / "images" / "clipart" / "bugs").glob("*.png"))[:4]
    pictures = {"picture": [*(file.read_bytes() for file in files), b"none"], "kind": list("ababa")}
    lake.commit("bugs", pa.table(pictures), op="import", media={"picture": "image"}, target="kind")
    lake.commit("films", pa.table({"review": TEXTS, "mood": list("aba")}), op="import")
    files = sorted((SAMPLES / "audio" / "spoken_digits").glob("0_*.wav"))[:3]
    sounds = {"sound": [file.read_bytes() for file in files]}
    lake.commit("said", pa.table(sounds), op="import", media={"sound": "audio"})
    lake.commit("numbers", pa.table({"x": [1, 2], "city": ["Bern", "Chur"]}), op="import")
    return lake


def test_all_are_listed_with_their_settings(lepton: Shell) -> None:
    told = lepton("data", "augment").out
    assert told == lepton("data", "augment", "--list").out
    assert "rotate                  turn the picture about its middle (images)" in told
    assert "0 to 180; 15 if" in told
    every = {each["name"]: each for each in lepton("data", "augment", "--json").json}
    assert len(every) == 13
    assert every["mixup"]["kinds"] == ["images", "sounds"]
    assert [setting["key"] for setting in every["flip"]["settings"]] == ["axis", "turns", "p"]


@pytest.mark.usefixtures("lake")
def test_pictures_are_shown_and_written(lepton: Shell, tmp_path: Path) -> None:
    said = lepton("data", "augment", "bugs", "--augment", "flip=both,crop", "--row", "1")
    lines = said.out.splitlines()
    assert lines[0] == "row 1"
    assert lines[1].split() == ["before", "epoch", "1", "epoch", "2", "epoch", "3"]
    assert len(lines) == 12
    assert "lepton train bugs --augment flip=both,crop" in said.err
    out = tmp_path / "out"
    words = ("data", "augment", "bugs", "--augment", "flip:p=1", "--epochs", "1")
    rows = ("--row", "2", "--row", "4")
    found = lepton(*words, *rows, "--out", out, "--json").json
    assert found["rows"][1] == {"row": 4, "problem": "not an image in a known format"}
    first = found["rows"][0]
    with (
        Image.open(first["before"]["path"]) as before,
        Image.open(first["after"][0]["path"]) as after,
    ):
        assert after.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes() == before.tobytes()
    assert sorted(file.name for file in out.iterdir()) == ["row-2-before.png", "row-2-epoch-1.png"]
    again = lepton(*words, *rows, "--out", out)
    assert (again.code, "--force" in again.err) == (2, True)
    assert lepton(*words, *rows, "--out", out, "--force").out.startswith("2 files written")


@pytest.mark.usefixtures("lake")
def test_what_is_mixed_says_with_what(lepton: Shell) -> None:
    words = ("data", "augment", "bugs", "--augment", "mixup=1", "--row", "0", "--row", "3")
    first, second = lepton(*words, "--json").json["rows"]
    assert (first["partner"], second["partner"]) == (3, 0)
    assert all(0 < each["share"] < 1 for each in first["after"])
    assert "its own, the rest of row 3" in lepton(*words).out


@pytest.mark.usefixtures("lake")
def test_texts_are_shown_before_and_after(lepton: Shell) -> None:
    words = ("data", "augment", "films", "--augment", "drop=0.5")
    found = lepton(*words, "--json").json
    assert found["column"] == "review"
    one, missing, other = found["rows"]
    assert one["before"]["content"] == "the plot is good , the actors are not ."
    assert missing == {"row": 1, "problem": "there is none"}
    after = [each["content"] for each in other["after"]]
    assert all(0 < len(text.split()) < 8 for text in after)
    assert len(set(after)) == 3
    shown = lepton(*words).out
    assert f"epoch 3               {after[2]}" in shown
    assert lepton(*words, "--seed", "1", "--json").json != found


@pytest.mark.usefixtures("lake")
def test_sounds_are_drawn_and_written(lepton: Shell, tmp_path: Path) -> None:
    words = ("data", "augment", "said", "--augment", "noise=0:p=1", "--row", "0", "--epochs", "1")
    assert "8,000 Hz" in lepton(*words).out
    (row,) = lepton(*words, "--out", tmp_path / "out", "--json").json["rows"]
    before, rate = decode(Path(row["before"]["path"]).read_bytes())
    after, _ = decode(Path(row["after"][0]["path"]).read_bytes())
    assert rate == 8000
    assert before.shape == after.shape
    assert 0.8 < ((after - before) ** 2).mean() / (before**2).mean() < 1.2


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("numbers", "--augment", "flip"), "holds neither images, texts nor sounds"),
        (("bugs", "--augment", "flp,rotate=x"), 'Did you mean "flip"?\n  rotate: "degrees"'),
        (("bugs", "--augment", "drop"), 'but the column "picture" reads images'),
        (("bugs",), "of these: flip, crop, rotate, translate, colour, erase, mixup, cutmix"),
        (("bugs", "--augment", "flip", "--column", "kinds"), 'Did you mean "kind"?'),
        (("bugs", "--augment", "flip", "--row", "77"), "there is no row 77"),
        (("nothing", "--augment", "flip"), "nothing"),
        (("--augment", "flip"), "DATASET is missing"),
    ],
)
def test_a_wrong_call_is_told(lepton: Shell, words: tuple[str, ...], told: str) -> None:
    said = lepton("data", "augment", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_a_training_that_cannot_be_is_not_started(lepton: Shell, lake: Lake) -> None:
    wrong = lepton("train", "bugs", "--augment", "flip,dropp")
    assert (wrong.code, 'Did you mean "drop"?' in wrong.err) == (2, True)
    wrong = lepton("train", "bugs", "--augment", "flip,drop")
    assert wrong.code == 2
    assert "drop is for texts, but image-classification reads images" in wrong.err
    assert not list(lake.workspace.runs.iterdir())


def test_a_large_picture_is_shown_at_the_size_of_training(lepton: Shell, tmp_path: Path) -> None:
    large = io.BytesIO()
    Image.radial_gradient("L").resize((900, 600)).save(large, "PNG")
    lake = Lake(Workspace.open(lepton.home))
    rows = {"picture": [large.getvalue()]}
    lake.commit("large", pa.table(rows), op="import", media={"picture": "image"})
    lepton("data", "augment", "large", "--augment", "flip", "--out", tmp_path / "out")
    with Image.open(tmp_path / "out" / "row-0-epoch-1.png") as shown:
        assert (shown.size, shown.mode) == ((224, 149), "L")
