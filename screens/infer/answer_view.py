"""AnswerView: what one model says of one row, and the row as it is: picture, sound or series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from core.errors import LeptonError, UsageError
from core.inference.messages import Answer, Row, contents
from core.models.registry import ModelFolder
from screens.data.rows.boxes import Box, boxed, boxes_in
from screens.data.rows.sound import SoundView
from screens.fetching import Fetch
from screens.infer.tried import Tried, bars, number, said, took
from screens.text import plain
from screens.widgets.bars import ScoreBars
from screens.widgets.image_view import ImageView
from screens.widgets.line_chart import LineChart

PAST_SHOWN = 4
"""How much of the past is drawn for what is told of the time to come."""


class AnswerView(Vertical):
    """Words, bars of confidence, and beside them what the model was shown."""

    DEFAULT_CSS = """
    AnswerView {
        #answer { height: auto; max-height: 12; padding: 0 1; }
        #sound { display: none; height: 4; padding: 0 1; }
        &.-audio.-heard #sound { display: block; }
        #seen { height: 1fr; }
        #scores { padding: 0 1; }
        #picture { display: none; }
        &.-image #picture { display: block; }
        #forecast { display: none; }
        &.-series #forecast { display: block; }
        &.-series #scores { display: none; }
        &.-beside { border-top: solid $panel; border-title-color: $primary; }
        &.-beside.-image #seen { layout: vertical; }
    }
    """

    def __init__(self, fetch: Fetch[Any], *, id: str) -> None:
        super().__init__(id=id)
        self._fetch = fetch
        self._model: ModelFolder | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="answer", markup=False)
        sound = SoundView()
        sound.id = "sound"
        yield sound
        with Horizontal(id="seen"):
            yield ImageView(id="picture")
            yield ScoreBars(id="scores")
            yield LineChart("forecast", x_label="steps ahead", empty="", id="forecast")

    def of(self, model: ModelFolder) -> None:
        """Be for the answers of a model."""
        self._model = model
        self.border_title = plain(model.ref)
        for kind in ("image", "audio", "series"):
            self.set_class(model.kind.reads == kind, f"-{kind}")
        self.clear()

    def say(self, words: str) -> None:
        """Something in place of an answer."""
        self.query_one("#answer", Static).update(Text(words, "dim"))

    def fail(self, error: LeptonError) -> None:
        """Say what was wrong and what to do."""
        self.clear()
        style = "yellow" if isinstance(error, UsageError) else "red"
        told = Text.assemble(("✗ ", style), plain(str(error)), "\n  ", (plain(error.hint), "dim"))
        self.query_one("#answer", Static).update(told)

    def clear(self) -> None:
        self.query_one("#answer", Static).update("")
        self.query_one(ScoreBars).show({})
        self.query_one(ImageView).show(None)
        self.query_one("#forecast", LineChart).clear()
        self.remove_class("-heard")

    def show(self, tried: Tried, at: int) -> None:
        """Show the answer to one of the rows; nothing where another model was chosen since."""
        if self._model is None or self._model.ref != tried.model.ref:
            return
        self.clear()
        if at >= len(tried.answers):
            self.query_one("#answer", Static).update(took(tried))
            return
        row, answer = tried.rows[at], tried.answers[at]
        told = said(answer, row).append("\n").append_text(took(tried))
        self.query_one("#answer", Static).update(told)
        self.query_one(ScoreBars).show(bars(answer))
        self._draw(tried.model, row, answer)
        for value in row.values.values():
            if isinstance(value, bytes | Path):
                self._show_file(tried.model, value, boxes_in(answer.output))

    def _show_file(self, model: ModelFolder, value: bytes | Path, boxes: list[Box]) -> None:
        heard = self.has_class("-audio")

        def done(content: bytes) -> None:
            if self._model is None or self._model.ref != model.ref:
                return
            if heard:
                self.query_one(SoundView).show(content)
                self.add_class("-heard")
            else:
                self.query_one(ImageView).show(content)

        def failed(error: LeptonError) -> None:
            """The answer has said already that the file cannot be read."""
            self.log.error(error)

        self._fetch(
            lambda: picture_of(value, boxes), done, group=f"picture {self.id}", failed=failed
        )

    def _draw(self, model: ModelFolder, row: Row, answer: Answer) -> None:
        """What a series was, what it is to become, and what it became where that is known."""
        if not isinstance(answer.output, dict) or "values" not in answer.output:
            return
        chart = self.query_one("#forecast", LineChart)
        values = answer.output["values"]
        past = [number(value) for value in row.values[model.info["codec"]["target"]]]
        past = past[-PAST_SHOWN * len(values) :]
        chart.set_series("past", range(1 - len(past), 1), past)
        chart.set_series("forecast", range(1, len(values) + 1), values)
        if isinstance(row.truth, dict):
            truth = [number(value) for value in row.truth["values"]]
            chart.set_series("truth", range(1, len(truth) + 1), truth)


def picture_of(value: bytes | Path, boxes: Sequence[Box]) -> bytes:
    """What a row holds or names, with the boxes of an answer over it.

    Raises:
        UsageError: the file cannot be read.
    """
    content = value if isinstance(value, bytes) else contents(value)
    return boxed(content, boxes) if boxes else content
