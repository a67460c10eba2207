"""The Infer screen: a model, a box to ask it in, and its answer with how sure it is."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, OptionList, Static

from core import tasks
from core.errors import LeptonError, UsageError
from core.inference.inputs import read_inputs
from core.inference.messages import Answer, Row
from core.inference.unseen import Unseen, unseen
from core.models.registry import ModelFolder, Models, task_of
from core.tasks.rows import label_text
from screens.base import LeptonScreen
from screens.data.rows.boxes import Box, boxed, boxes_in
from screens.listing import Line, LineList, headline_number
from screens.text import (
    answer_words,
    clip,
    counted,
    human_duration,
    human_number,
    percent,
    plain,
)
from screens.widgets.bars import ScoreBars
from screens.widgets.image_view import ImageView
from screens.widgets.line_chart import LineChart

ANSWER_SECONDS = 120.0
SHOWN_ANSWERS = 50
SHOWN_INPUT = 60
PAST_SHOWN = 4
"""How much of the past is drawn for what is told of the time to come."""
ASK = {
    "image": "an image's path, a folder, or a row: mnist#12",
    "tokens": "a text, or a row: reviews#12",
    "audio": "a sound's path, a folder, or a row: digits#12",
    "series": "a data set, a table file, or a row: sales#12, to tell what follows",
    "table": "column=value …, or a row: penguins#12",
}
NAMED = ("table", "series")
"""Inputs that are columns by their names."""
NOTHING_ASKED = """\
n asks about a row that the model has not seen.
i goes to the box above, to ask about something of your own.\
"""
THE_SAME = """\
i and then enter ask this model the same.
n asks about a row that it has not seen.\
"""


@dataclass(frozen=True)
class Tried:
    """Who was asked what, the answers, and how long they took in seconds."""

    model: ModelFolder
    rows: list[Row]
    answers: list[Answer]
    seconds: float


class AskBox(Input):
    """The line to ask in. What is pasted is taken whole, though it be several lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Ask"),
        Binding("escape", "screen.leave_field", "Leave the box"),
    ]

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(" ".join(event.text.split()), *self.selection)


class InferScreen(LeptonScreen):
    """Try a model. The engine is a process of its own, so the screen stays quick."""

    MODE = "infer"
    TITLE = "Infer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "ask", "Ask", tooltip="Type what the model is to answer"),
        Binding("n", "next_row", "Next test row", tooltip="Try a row it has not seen"),
    ]
    DEFAULT_CSS = """
    InferScreen {
        #models { width: 26; }
        &.-wide #models { width: 36; }
        #ask { height: 3; border: round $panel; padding: 0 1; background: $background; }
        #ask:focus { border: round $primary; }
        #answer { height: auto; max-height: 12; padding: 0 1; }
        #seen { height: 1fr; }
        #scores { padding: 0 1; }
        #picture { display: none; }
        &.-image #picture { display: block; }
        #forecast { display: none; }
        &.-series #forecast { display: block; }
        &.-series #scores { display: none; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #try { display: none; }
        &.-empty #models { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._models: dict[str, ModelFolder] = {}
        self._model: ModelFolder | None = None
        self._wanted: str | None = None
        self._unseen: Unseen | None = None
        self._next = 0

    def body(self) -> ComposeResult:
        yield Static(
            "No model yet.\n\nPress 3 to train one, or run lepton demo in a shell.", id="welcome"
        )
        with Horizontal():
            yield LineList("Models", id="models")
            with Vertical(id="try"):
                yield AskBox(id="ask")
                yield Static(id="answer", markup=False)
                with Horizontal(id="seen"):
                    yield ImageView(id="picture")
                    yield ScoreBars(id="scores")
                    yield LineChart("forecast", x_label="steps ahead", empty="", id="forecast")

    def on_mount(self) -> None:
        self._look()

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._wanted = model.partition("@")[0] if model else None
        self._look()

    def _look(self) -> None:
        self.fetch(Models(self.workspace).list, self._list, group="models")

    def _list(self, models: list[ModelFolder]) -> None:
        self._models = {}
        for model in models:
            self._models.setdefault(model.name, model)
        self.set_class(not models, "-empty")
        lines = [
            Line(name, name, (headline_number(model.metrics, model.metric),))
            for name, model in self._models.items()
        ]
        names = self.query_one("#models", LineList)
        names.show(lines, chosen=self._wanted)
        if self._wanted in self._models:
            names.highlighted = list(self._models).index(self._wanted or "")
        self._wanted = None
        if self.focused is None and models:
            names.focus()

    @on(OptionList.OptionHighlighted, "#models")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        model = self._models.get(event.option_id or "")
        if model is None or (self._model and model.ref == self._model.ref):
            return
        before, self._model = self._model, model
        self._unseen, self._next = None, 0
        kind = _reads(model)
        self.set_class(kind == "image", "-image")
        self.set_class(kind == "series", "-series")
        ask = self.query_one("#ask", Input)
        ask.border_title = plain(model.ref)
        ask.border_subtitle = str(model.info["task"])
        ask.placeholder = ASK.get(kind, "")
        if before is not None and not _ask_alike(before, model):
            ask.value = ""
        self._clear()
        said = THE_SAME if ask.value.strip() else NOTHING_ASKED
        self.query_one("#answer", Static).update(Text(said, "dim"))

    @on(OptionList.OptionSelected, "#models")
    def action_ask(self) -> None:
        self.query_one("#ask", Input).focus()

    def action_next_row(self) -> None:
        """Ask about the next row of the test split of what the model was trained on."""
        model = self._model
        if model is None:
            return

        def ask(found: Unseen) -> None:
            self._unseen = found
            row = found.row(self._next)
            self._next += 1
            self.query_one("#ask", Input).value = row
            self._try(row)

        if self._unseen is not None:
            ask(self._unseen)
        else:
            work = partial(unseen, self.workspace, model)
            self.fetch(work, ask, group="ids", failed=self._failed)

    @on(Input.Submitted, "#ask")
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._try(event.value.strip())

    def _try(self, given: str) -> None:
        model = self._model
        if model is None:
            return
        self.query_one("#answer", Static).update(Text("asking…", "dim"))
        engine = self.studio.engine

        def work() -> Tried:
            task = task_of(model)
            path = Path(given).expanduser()
            rows = read_inputs(
                self.workspace, task, [str(path) if given.startswith("~") else given]
            )
            began = time.perf_counter()
            answers = engine.predict(model.ref, rows, ANSWER_SECONDS)
            return Tried(model, rows, answers, time.perf_counter() - began)

        self.fetch(work, self._show, group="try", failed=self._failed)

    def _failed(self, error: LeptonError) -> None:
        self._clear()
        style = "yellow" if isinstance(error, UsageError) else "red"
        said = Text.assemble(("✗ ", style), plain(str(error)), "\n  ", (plain(error.hint), "dim"))
        self.query_one("#answer", Static).update(said)

    def _clear(self) -> None:
        self.query_one("#answer", Static).update("")
        self.query_one(ScoreBars).show({})
        self.query_one(ImageView).show(None)
        self.query_one("#forecast", LineChart).clear()

    def _show(self, tried: Tried) -> None:
        if self._model is None or self._model.ref != tried.model.ref:
            return  # Another model was chosen while this one was thinking.
        self._clear()
        said = Text()
        for row, answer in zip(tried.rows[:SHOWN_ANSWERS], tried.answers, strict=False):
            said.append_text(_said(answer, row.truth)).append("\n")
        answers = counted(len(tried.answers), "answer")
        said.append(f"{answers} in {human_duration(tried.seconds)}", "dim")
        self.query_one("#answer", Static).update(said)
        if len(tried.answers) == 1:
            self.query_one(ScoreBars).show(_bars(tried.answers[0]))
            self._draw(tried.model, tried.rows[0], tried.answers[0])
        boxes = boxes_in(tried.answers[0].output) if tried.answers else []
        for value in tried.rows[0].values.values() if tried.rows else ():
            if isinstance(value, bytes | Path):
                self._show_picture(tried.model, value, boxes)

    def _show_picture(self, model: ModelFolder, value: bytes | Path, boxes: list[Box]) -> None:
        def done(picture: bytes) -> None:
            if self._model is not None and self._model.ref == model.ref:
                self.query_one(ImageView).show(picture)

        self.fetch(lambda: _picture(value, boxes), done, group="picture")

    def _draw(self, model: ModelFolder, row: Row, answer: Answer) -> None:
        """What a series was, what it is to become, and what it became where that is known."""
        if not isinstance(answer.output, dict) or "values" not in answer.output:
            return
        chart = self.query_one("#forecast", LineChart)
        values = answer.output["values"]
        past = [_number(value) for value in row.values[model.info["codec"]["target"]]]
        past = past[-PAST_SHOWN * len(values) :]
        chart.set_series("past", range(1 - len(past), 1), past)
        chart.set_series("forecast", range(1, len(values) + 1), values)
        if isinstance(row.truth, dict):
            truth = [_number(value) for value in row.truth["values"]]
            chart.set_series("truth", range(1, len(truth) + 1), truth)

    def shell_command(self) -> str:
        model = shlex.quote(self._model.name if self._model else "MODEL")
        given = self.query_one("#ask", Input).value.strip()
        return f"lepton predict {model} {shlex.quote(given) if given else 'INPUT'}"


def _reads(model: ModelFolder) -> str:
    return tasks.task(str(model.info["task"])).reads


def _ask_alike(one: ModelFolder, other: ModelFolder) -> bool:
    """Whether what one model is asked can be asked of the other: of a table, the same columns."""
    kind = _reads(one)
    inputs = [(model.info.get("training") or {}).get("inputs") for model in (one, other)]
    return kind == _reads(other) and (kind not in NAMED or inputs[0] == inputs[1])


def _bars(answer: Answer) -> Mapping[str, float]:
    """How sure the answer is: of each label, or of each box, with its number and its corner."""
    if answer.scores or not isinstance(answer.output, dict):
        return answer.scores
    found = zip(boxes_in(answer.output), answer.output.get("boxes", ()), strict=True)
    return {
        f"{at} {box.label} {box.x:.0f},{box.y:.0f}": each["score"]
        for at, (box, each) in enumerate(found, 1)
    }


def _number(value: object) -> float:
    """A value of a series as it was given; what is none, or cannot be read, is a gap."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _picture(value: bytes | Path, boxes: list[Box]) -> bytes:
    content = value if isinstance(value, bytes) else value.read_bytes()
    return boxed(content, boxes) if boxes else content


def _said(answer: Answer, truth: object) -> Text:
    asked = plain(clip(answer.input, SHOWN_INPUT))
    if answer.error is not None:
        return Text.assemble(("✗ ", "red"), f"{asked}: {plain(str(answer.error))}")
    if answer.label is None:
        said = Text.assemble((answer_words(answer.output), "bold"))
        if isinstance(truth, int | float):
            said.append(f"  the row says {human_number(float(truth))}")
        elif isinstance(truth, dict):
            told = "it became" if "values" in truth else "the row says"
            said.append(f"  {told} {answer_words(truth)}")
        return said.append(f"  {asked}", "dim")
    said = Text.assemble((plain(answer.label), "bold"), f"  {percent(answer.score)}")
    if truth is not None:
        right = label_text(truth) == answer.label
        said.append("  ✓ right" if right else f"  ✗ it is {plain(label_text(truth) or '')}")
    return said.append(f"  {asked}", "dim")
