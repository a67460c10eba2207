"""The form of what a model is told first, and how it is to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label, Select, TextArea

from core.errors import LeptonError
from core.generation.sampling import OPTIONS, Sampling
from core.inference.talking import schema_in
from screens.fetching import Fetch, while_open
from screens.text import setting_text
from screens.widgets.form import Form, row

TEXT, OBJECT, KEPT = "text", "object", "kept"
HELP = {option.name: f"{option.help}; {option.allowed}" for option in OPTIONS} | {
    "system": "what the model is told before all else",
    "stop": "the answer ends before one of these; put quotes round one that has blanks",
    "answer": "whether it is any text, or JSON (pip install 'lepton-tui[generation]')",
    "schema": "the file of a JSON schema that the answer is to fit",
    "logprobs": "beneath an answer, how likely each token was; with a number, so many others too",
}


@dataclass(frozen=True)
class Told:
    """What was changed: the system's message, and single settings."""

    system: str
    settings: Mapping[str, Any]


class SettingsForm(Form[Told]):
    """Knows the settings of `lepton chat`, by their names there; an empty one is the usual one."""

    HEADING = "How the model is to answer"
    KEYS = "^s keeps it · tab next field · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Keep"))
    AUTO_FOCUS = "#system"
    DEFAULT_CSS = """
    SettingsForm .row > Label { width: 20; }
    SettingsForm #system-row { height: 3; }
    SettingsForm #system { height: 3; width: 1fr; background: $boost; padding: 0; }
    SettingsForm #system:focus { background: $primary 30%; }
    SettingsForm #found { margin-top: 0; min-height: 2; }
    """

    def __init__(self, system: str, settings: Mapping[str, Any], fetch: Fetch[Any]) -> None:
        super().__init__()
        self._system = system
        self._settings = settings
        self._now = Sampling.of(settings)
        self._fetch = while_open(self, fetch)

    def fields(self) -> ComposeResult:
        with Horizontal(classes="row", id="system-row"):
            yield Label("system")
            yield TextArea(self._system, id="system", compact=True, highlight_cursor_line=False)
        for option in OPTIONS:
            value = self._settings.get(option.name)
            known = "" if value is None else setting_text(value)
            usual = Input(known, placeholder=setting_text(option.default))
            yield from row(option.name, usual, option.name)
        yield from row("stop", Input(shlex.join(self._now.stop), placeholder="none"), "stop")
        shapes = [(Text("any text"), TEXT), (Text("a JSON object"), OBJECT)]
        if self._now.schema is not None:
            shapes.append((Text("JSON of the schema that it has"), KEPT))
        at = KEPT if self._now.schema is not None else OBJECT if self._now.json else TEXT
        shape = Select(shapes, value=at, allow_blank=False, compact=True)
        yield from row("answer", shape, "answer")
        yield from row("schema", Input(placeholder="a file"), "schema")
        known = "" if self._now.logprobs is None else str(self._now.logprobs)
        yield from row("logprobs", Input(known, placeholder="none"), "logprobs")

    @on(events.DescendantFocus)
    def _explain(self, event: events.DescendantFocus) -> None:
        self.found(Text(HELP.get(event.widget.id or "", ""), "dim"))

    def action_done(self) -> None:
        given: dict[str, Any] = {option.name: self.typed(option.name) for option in OPTIONS}
        stop, shape, schema = self.typed("stop") or "", self.typed("answer"), self.typed("schema")
        likeliest = self.typed("logprobs")
        system = self.query_one("#system", TextArea).text.strip()

        def work() -> Told:
            asked = {name: value for name, value in given.items() if value is not None}
            asked["stop"] = _split(stop)
            asked["json"] = shape == OBJECT
            asked["logit_bias"] = self._now.logit_bias
            asked["logprobs"] = likeliest
            if shape == KEPT:
                asked["schema"] = self._now.schema
            if schema:
                asked["schema"] = schema_in(Path(schema))
            read, now = Sampling.of(asked).to_json(), self._now.to_json()
            return Told(system, {name: read[name] for name in read if read[name] != now[name]})

        def done(told: Told) -> None:
            self.dismiss(told)

        self._fetch(work, done, group="settings", failed=self._failed)

    def _failed(self, error: LeptonError) -> None:
        self.complain(error)


def _split(stop: str) -> list[str]:
    """Texts as a shell would take them; one with a quote that nothing closes is one text."""
    try:
        return shlex.split(stop)
    except ValueError:
        return [stop]
