"""The Infer screen with real models, whose weights are of a seed, and the real engine process."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.inference.messages import Answer, Row
from core.models.registry import Models
from core.tasks import facts, guess, task
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.data.rows.boxes import COLOURS
from screens.infer.picture_grid import PictureGrid
from screens.infer.screen import InferScreen
from screens.infer.tried import Tried
from screens.infer.trying import TryPane
from screens.listing import LineList
from screens.widgets.image_view import ImageView
from screens.widgets.line_chart import LineChart
from tests.inference.conftest import digits, flowers, learn, png, publish, reviews
from tests.screens.golden import golden, screen_text
from tests.screens.walk import make_model, until
from tests.tasks.test_speech import tone

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    made = Workspace.open(tmp_path_factory.mktemp("home"))
    lake = Lake(made)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("reviews", reviews(), op="import", target="mood")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    for name in ("flowers", "reviews", "digits"):
        publish(made, learn(made, name), f"{name}_model", dataset=name)
    yield made


async def ask(pilot: Pilot[None], given: str) -> None:
    box = pilot.app.screen.query_one("#ask", Input)
    box.value = given
    box.focus()
    await pilot.press("enter")


async def chosen(pilot: Pilot[None], model: str) -> None:
    """Go to Infer with this model, as another screen would."""
    await until(pilot, "palette")
    pilot.app.visit("infer", model=model)  # type: ignore[attr-defined]
    await until(pilot, f"─ {model}@1 ─")


async def test_models_that_appear_and_go_are_followed_and_what_is_typed_stays(
    tmp_path: Path,
) -> None:
    made = Workspace.open(tmp_path)
    Lake(made).commit("flowers", flowers(), op="import", target="species")
    learnt = learn(made, "flowers")
    for name in ("middle", "other"):
        publish(made, learnt, name)
    async with LeptonApp(made).run_test(size=(80, 24)) as pilot:
        await chosen(pilot, "other")
        await pilot.press("i", *"petal le")
        box = pilot.app.screen.query_one("#ask", Input)
        names = pilot.app.screen.query_one("#models", LineList)

        def undisturbed() -> bool:
            return (box.value, names.chosen, pilot.app.focused) == ("petal le", "other", box)

        publish(made, learnt, "first")
        shown = await until(pilot, "│first")
        assert undisturbed()
        assert "─ other@1 ─" in shown
        Models(made).remove("middle")
        await until(pilot, lambda: "middle" not in screen_text(pilot.app))
        assert undisturbed()
        # A newer version is taken when it is chosen, not under one's hands.
        publish(made, learnt, "other", seed=1)
        screen = pilot.app.screen
        assert isinstance(screen, InferScreen)
        await until(pilot, lambda: screen._models["other"].version == 2)
        assert undisturbed()
        assert "─ other@1 ─" in screen_text(pilot.app)
        names.focus()
        await pilot.press("enter")
        await until(pilot, "─ other@2 ─")
        assert box.value == "petal le"


async def test_a_row_of_a_table_is_answered_beside_its_truth(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "flowers_model")
        await ask(pilot, "flowers#0")
        shown = await until(pilot, "1 answer in ")
        truth = "long" if flowers()["petal length"][0].as_py() > 5 else "short"
        said = re.search(r"(long|short)  [\d.]+ %  (✓ right|✗ it is (long|short))", shown)
        assert said, shown
        assert (said[1] == truth) == (said[2] == "✓ right")
        await ask(pilot, "petal length=9 colour=red")
        shown = await until(pilot, "petal length=9")
        assert "right" not in shown


async def test_a_typed_text_and_a_pasted_one(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "reviews_model")
        await pilot.press("i", *"good film")
        await pilot.press("enter")
        await until(pilot, "1 answer in ")
        box = pilot.app.screen.query_one("#ask", Input)
        box.value = ""
        box.post_message(events.Paste("a great\nscene,  [b]bad[/b]\n plot\n"))
        await until(pilot, lambda: box.value == "a great scene, [b]bad[/b] plot")
        await pilot.press("enter")
        await until(pilot, "%  a great scene, [b]bad[/b] plot")


async def test_a_picture_from_a_file(models: Workspace, tmp_path: Path) -> None:
    picture = tmp_path / "seen.png"
    picture.write_bytes(png(7))
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "digits_model")
        await ask(pilot, str(picture))
        await until(pilot, "1 answer in ")
        await until(pilot, "▀▀▀▀")
        await pilot.press("escape", "y")
        await until(pilot, "lepton predict digits_model")


async def test_boxes_are_told_and_drawn_over_the_picture(models: Workspace) -> None:
    from safetensors.torch import load, save_file

    cells = ['[{"label": "spot", "bbox": [2, 2, 9, 9]}]', "[]"] * 8
    spots = pa.table({"image": [png(at, 32) for at in range(16)], "objects": cells})
    Lake(models).commit("spots", spots, op="import", media={"image": "image"})
    publish(models, learn(models, "spots"), "spots_model", dataset="spots", width=8)
    folder = Models(models).get("spots_model").path
    # One that was not trained is never sure: this one sees something everywhere.
    tensors = load((folder / "model.safetensors").read_bytes())
    tensors["classify.1.bias"] += 7
    save_file(tensors, folder / "model.safetensors")
    # An older model does not say which weights are its own.
    info = json.loads((folder / "model.json").read_text())
    del info["weights_sha256"]
    (folder / "model.json").write_text(json.dumps(info))
    async with LeptonApp(models).run_test(size=(160, 40)) as pilot:
        await chosen(pilot, "spots_model")
        await ask(pilot, "spots#0")
        shown = await until(pilot, "1 answer in ")
        assert re.search(r"\d+ boxes: spot \d+", shown)
        assert "the row says 1 box: spot " in shown
        shown = await until(pilot, "▀▀▀▀")
        assert re.search(r"▀▀▀▀.* 1 spot \d+,\d+ ", shown)
        picture = pilot.app.screen.query_one(ImageView)
        styles = [
            segment.style
            for line in picture.render_lines(picture.region.reset_offset)
            for segment in line
        ]
        seen = {style.color.triplet.hex for style in styles if style and style.color}
        assert COLOURS[0] in seen, "a grey picture, and a frame in colour"


async def test_a_forecast_is_drawn_after_its_past_and_beside_what_came(models: Workspace) -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=at) for at in range(60)]
    sales = pa.table({"day": days, "sold": [100.0 + at % 7 for at in range(60)]})
    Lake(models).commit("sales", sales, op="import")
    publish(models, learn(models, "sales"), "sales_model", dataset="sales")
    async with LeptonApp(models).run_test(size=(120, 30)) as pilot:
        await chosen(pilot, "sales_model")
        await ask(pilot, "sales#40")
        shown = await until(pilot, "1 answer in ")
        # Its weights begin as the mean of the weeks before.
        assert "106, 100, 101, 102, 103, 104, …  it became 106, 100, 101" in shown
        chart = pilot.app.screen.query_one("#forecast", LineChart)
        assert chart.names == ["past", "forecast", "truth"]
        assert chart.readings["forecast"] == pytest.approx(105, abs=0.01)
        await ask(pilot, "sales")
        await until(pilot, lambda: chart.names == ["past", "forecast"])
        late = Tried(Models(models).get("flowers_model"), [], [], 0.5)
        pilot.app.screen.query_one(TryPane).show(late)
        assert chart.names, "what another model said late is not shown"


async def test_the_next_test_row_goes_on_to_another(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "digits_model")
        await pilot.press("n")
        await until(pilot, "1 answer in ")
        box = pilot.app.screen.query_one("#ask", Input)
        first = box.value
        assert re.fullmatch(r"digits@1#\d+", first)
        await pilot.press("n")
        await until(pilot, lambda: box.value != first)


async def test_what_one_model_was_asked_stays_only_where_the_next_reads_the_same(
    models: Workspace,
) -> None:
    def inputs(*names: str) -> dict[str, object]:
        return {"training": {"inputs": list(names)}}

    make_model(models, "a_table", **inputs("petal length", "colour"))
    make_model(models, "b_table", **inputs("petal length", "colour"))
    make_model(models, "c_table", **inputs("price"))
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "flowers_model")
        await ask(pilot, "petal length=9 colour=red")
        await until(pilot, "1 answer in ")
        box = pilot.app.screen.query_one("#ask", Input)
        await chosen(pilot, "digits_model")
        shown = await until(pilot, "n asks about a row that the model has not seen")
        assert box.value == ""
        assert "petal length" not in shown
        assert "1 answer in" not in shown
        await chosen(pilot, "a_table")
        box.value = "petal length=9"
        await chosen(pilot, "b_table")
        await until(pilot, "i and then enter ask this model the same")
        assert box.value == "petal length=9"
        await chosen(pilot, "c_table")
        await until(pilot, "n asks about a row that the model has not seen")
        assert box.value == ""


async def test_the_answers_to_a_folder_stand_beneath_its_pictures(
    models: Workspace, tmp_path: Path
) -> None:
    for at in range(40):
        (tmp_path / f"seen-{at:02}.png").write_bytes(png(at))
    (tmp_path / "seen-40.png").write_bytes(png(40)[:60])
    os.mkfifo(tmp_path / "seen-41.png")
    async with LeptonApp(models).run_test(size=(100, 40)) as pilot:
        await chosen(pilot, "digits_model")
        await ask(pilot, str(tmp_path))
        shown = await until(pilot, "42 answers in ")
        assert re.search(r"│seen-00.png ◂ +seen-01.png +seen-02.png ", shown)
        assert re.search(r"│\d \d\d % +\d \d\d % +\d \d\d % ", shown)
        grid = pilot.app.screen.query_one(PictureGrid)
        row = grid._columns
        await until(pilot, lambda: {*range(2 * row)} <= grid._pictures.keys())
        shown = screen_text(pilot.app)
        assert re.search(r"│▀{12} +▀{12} +▀{12}", shown)
        assert 39 not in grid._pictures, "it is not in sight"
        await pilot.press("right")
        await until(pilot, lambda: f"{tmp_path.name}/seen-01.png" in beneath(pilot))
        await pilot.press("down")
        await until(pilot, lambda: f"seen-{1 + row:02}.png" in beneath(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "thisisapipe" in beneath(pilot))
        assert re.search(r"seen-41\.png ◂", await until(pilot, "✗ no answer"))
        await pilot.press("left")
        await until(pilot, lambda: "cannotberead" in beneath(pilot))
        await until(pilot, lambda: grid._pictures.get(40, grid) is None)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: grid._columns == 3)
        await until(pilot, "seen-40.png ◂")
        assert await pilot.click(PictureGrid, offset=(18, 2))
        await until(pilot, lambda: grid.at % 3 == 1)
        await ask(pilot, str(tmp_path / "*-0[01].png"))
        await until(pilot, "2 answers in ")
        await until(pilot, "seen-00.png ◂")
        await ask(pilot, str(tmp_path / "seen-02.png"))
        await until(pilot, "1 answer in ")
        assert "─ 2 answers ─" not in screen_text(pilot.app)


async def test_the_answers_to_rows_are_gone_through(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await chosen(pilot, "flowers_model")
        await ask(pilot, "flowers#0-3")
        shown = await until(pilot, "4 answers in ")
        assert len(re.findall(r"flowers#[0-3] +(?:long|short) [\d.]+ % [✓✗]│", shown)) == 4
        await pilot.press("down")
        await until(pilot, lambda: "flowers#1" in beneath(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "flowers#3" in beneath(pilot))


def beneath(pilot: Pilot[None]) -> str:
    """What is told of the row that is looked at, in one line."""
    return "".join(str(pilot.app.screen.query_one("#answer").render()).split())


async def test_two_models_side_by_side_on_one_input(models: Workspace) -> None:
    publish(models, learn(models, "digits"), "rival", seed=3, dataset="digits")
    async with LeptonApp(models).run_test(size=(110, 34), notifications=True) as pilot:
        await chosen(pilot, "digits_model")
        await pilot.press("b")
        shown = await until(pilot, "Which model beside digits_model@1?")
        assert "rival@1" in shown
        assert "flowers_model" not in shown.split("Which model")[1], "it reads no pictures"
        await pilot.press(*"riv", "enter")
        await until(pilot, "─rival@1─")
        await ask(pilot, "digits#0-3")
        shown = await until(pilot, lambda: screen_text(pilot.app).count("4 answers in ") == 2)
        told = [line for line in shown.splitlines() if re.search(r"\d \d\d % [✓✗]", line)]
        first, second = (re.findall(r"(\d) \d\d % [✓✗]", line) for line in told)
        assert len(first) == len(second) == 4, shown
        assert first != second, "two models of different seeds"
        await pilot.press("escape", "y")
        shown = await until(pilot, "The same in a shell")
        assert "lepton predict digits_model 'digits#0-3'" in shown
        assert "lepton predict rival@1 'digits#0-3'" in shown
        await pilot.press("escape", "b")
        await until(pilot, lambda: "rival@1" not in screen_text(pilot.app))
        await chosen(pilot, "reviews_model")
        await pilot.press("b")
        await until(pilot, "no other model reads what reviews_model@1 does")


async def test_a_wrong_answer_goes_back_to_the_data_set(models: Workspace, tmp_path: Path) -> None:
    lake = Lake(models)
    picture = tmp_path / "seen.png"
    picture.write_bytes(png(77))
    async with LeptonApp(models).run_test(size=(100, 34), notifications=True) as pilot:
        await chosen(pilot, "digits_model")
        await ask(pilot, "digits@1#5")
        await until(pilot, "1 answer in ")
        await pilot.press("escape", "c")
        await until(pilot, "It becomes the label of row 5 of digits, in a new version.")
        await pilot.press("1", "enter")
        await until(pilot, "digits@2 says so of row 5: 1")
        pane = pilot.app.screen.query_one(TryPane)
        pane.ask(str(picture))
        pane.action_correct()
        assert pilot.app.screen.query(TryPane), "what was said before is not put right meanwhile"
        await until(pilot, lambda: "seen.png" in beneath(pilot))
        await pilot.press("escape", "c")
        await until(pilot, "It becomes a new row of digits, in a new version.")
        await pilot.press("2", "enter")
        await until(pilot, "digits@3 has a new row 24: 2")
        await pilot.press("c")
        await until(pilot, "It becomes the label of row 24 of digits")
        await pilot.press("0", "enter")
        await until(pilot, "digits@4 says so of row 24: 0")
        await pilot.press("c", "escape")
    with lake.open("digits") as view:
        kept = view.sql("SELECT _rid, label FROM rows WHERE _rid IN (5, 24) ORDER BY _rid")
        assert kept == [(5, "1"), (24, "0")]
        assert view.sql("SELECT count(*) FROM rows WHERE _rid >= 24") == [(1,)]


async def test_a_number_is_put_right_by_typing_it(models: Workspace) -> None:
    prices = {"size": [float(at) for at in range(30)], "price": [at * 1.5 for at in range(30)]}
    Lake(models).commit("prices", pa.table(prices), op="import", target="price")
    publish(models, learn(models, "prices"), "prices_model", dataset="prices")
    async with LeptonApp(models).run_test(size=(100, 30), notifications=True) as pilot:
        await chosen(pilot, "prices_model")
        await ask(pilot, "size=7")
        await until(pilot, "1 answer in ")
        for said, told in (("dear", '"dear" does not fit "price"'), ("10.5", "row 30: 10.5")):
            await pilot.press("escape", "c")
            await until(pilot, "What is it?")
            pilot.app.screen.query_one(Input).value = said
            await pilot.press("enter")
            await until(pilot, told)
    assert Lake(models).version("prices").rows == 31


async def test_a_sound_is_drawn_as_its_wave(models: Workspace) -> None:
    sounds = {"audio": [tone(0.2 + at / 100) for at in range(8)], "text": ["ab ba", "cab"] * 4}
    Lake(models).commit("spoken", pa.table(sounds), op="import", media={"audio": "audio"})
    with Lake(models).open("spoken") as view:
        fit = guess(facts(view), target="text", task="automatic-speech-recognition")
        learnt = task(fit.task).learn(fit, view)
    publish(models, learnt, "spoken_model", dataset="spoken")
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "spoken_model")
        await ask(pilot, "spoken#2")
        await until(pilot, "the row says")
        await until(pilot, "0.22 s · 8,000 Hz · 1 channel")
        await until(pilot, "██████████")


@pytest.mark.parametrize(
    ("model", "given", "told"),
    [
        ("digits_model", "nowhere.png", "nowhere.png"),
        ("digits_model", "digits#99", "there is no row 99"),
        ("flowers_model", "petal lenth=3", "petal length"),
        ("flowers_model", "flours#1", "flowers"),
    ],
)
async def test_a_wrong_input_is_told_and_the_screen_goes_on(
    models: Workspace, model: str, given: str, told: str
) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, model)
        await ask(pilot, given)
        assert told in await until(pilot, "✗ ")
        await ask(pilot, f"{model.removesuffix('_model')}#1")
        await until(pilot, "1 answer in ")


async def test_the_engine_that_dies_comes_back(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await chosen(pilot, "flowers_model")
        await ask(pilot, "flowers#1")
        await until(pilot, "1 answer in ")
        screen = pilot.app.screen
        assert isinstance(screen, InferScreen)
        os.kill(screen.studio.engine.pid or 0, signal.SIGKILL)
        await ask(pilot, "flowers#2")
        await until(pilot, lambda: "asking" not in str(screen.query_one("#answer").render()))
        await ask(pilot, "flowers#3")
        await until(pilot, "1 answer in ")


@pytest.mark.parametrize("size", SIZES)
async def test_golden(tmp_path: Path, size: tuple[int, int]) -> None:
    workspace = Workspace.open(tmp_path)
    make_model(workspace)
    make_model(workspace, "penguins_rival")
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("5")
        await until(pilot, "penguins_mlp@1")
        screen = pilot.app.screen
        assert isinstance(screen, InferScreen)
        scores = {"[b]Gentoo[/b]": 0.912, "Adelie": 0.08, "Chinstrap": 0.008}
        rows = [Row("penguins@2#12", {}, truth="Adelie")]
        answer = Answer(
            "penguins@2#12", {"label": "[b]Gentoo[/b]", "score": 0.912, "scores": scores}
        )
        model = Models(workspace).get("penguins_mlp")
        screen.query_one(TryPane).show(Tried(model, rows, [answer], 0.5))
        await golden(pilot, "infer", size)
        await pilot.press("b", "enter")
        await until(pilot, "─penguins_rival@1─")
        rows = [*rows, Row("penguins@2#7", {}, truth="[b]Gentoo[/b]")]
        sure = {"Adelie": 0.61, "[b]Gentoo[/b]": 0.31, "Chinstrap": 0.08}
        other = {"label": "Adelie", "score": 0.61, "scores": sure}
        both = [answer, Answer("penguins@2#7", answer.output)]
        rival = [Answer("penguins@2#12", other), Answer("penguins@2#7", answer.output)]
        screen.query_one(TryPane).show(
            Tried(model, rows, both, 0.0052),
            Tried(Models(workspace).get("penguins_rival"), rows, rival, 1.5),
        )
        await golden(pilot, "infer-beside", size)
        await pilot.press("c")
        await until(pilot, "What is it?")
        await golden(pilot, "infer-correct", size)
        await pilot.press("escape", "b")
        unread = Answer("a.png", error=LeptonError("it is no [image]", where="a.png"))
        screen.query_one(TryPane).show(Tried(model, [Row("a.png", {})], [unread], 0.5))
        await until(pilot, "✗ a.png: it is no [image]")


@pytest.mark.parametrize("size", SIZES)
async def test_golden_of_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    workspace = Workspace.open(tmp_path)
    make_model(workspace, "digits_cnn", task="image-classification", architecture="cnn")
    rows = [Row(f"photos/{at:02}.png", {"image": png(at)}) for at in range(12)]
    rows[3] = Row("photos/03.png", {"image": b"none"}, truth="[b]nine[/b]")
    sure = {"[b]a very long label[/b]": 0.876, "[b]nine[/b]": 0.124}
    output = {"label": "[b]a very long label[/b]", "score": 0.876, "scores": sure}
    answers = [Answer(row.input, output) for row in rows]
    answers[5] = Answer(rows[5].input, error=LeptonError("it is no image"))
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("5")
        await until(pilot, "digits_cnn@1")
        pane = pilot.app.screen.query_one(TryPane)
        pane.show(Tried(Models(workspace).get("digits_cnn"), rows, answers, 0.5))
        grid = pilot.app.screen.query_one(PictureGrid)
        await until(pilot, lambda: {*range(6)} <= grid._pictures.keys())
        whole = pilot.app.screen.query_one("#first ImageView", ImageView)
        await until(pilot, lambda: whole._pixels is not None)
        await golden(pilot, "infer-pictures", size)
