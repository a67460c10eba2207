"""The windows that add a step to a recipe: which one, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, OptionList, Select, Static
from textual.widgets.option_list import Option

from core.data.cleaning.recipe import Recipe, catalogue
from core.data.cleaning.steps import STEPS
from core.errors import UsageError
from core.settings import from_words
from screens.data.clean.step_words import value_words
from screens.tables import beside
from screens.text import plain
from screens.widgets.form import Form, options, row
from screens.widgets.window import Window

Step = dict[str, Any]


class StepChoice(Window[str | None]):
    """Every step there is; what is typed narrows the list. Answers with the step's name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel"),
        Binding("down", "move(1)", "Down", show=False),
        Binding("up", "move(-1)", "Up", show=False),
    ]
    DEFAULT_CSS = """
    StepChoice > Vertical { width: 78; height: 90%; }
    StepChoice OptionList { height: 1fr; border: none; padding: 0; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._every = catalogue()

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Add a step"
            box.border_subtitle = "type to find · enter · esc cancels"
            yield Input(placeholder="fill, duplicates, dates …", compact=True)
            listed = OptionList()
            listed.can_focus = False
            yield listed

    def on_mount(self) -> None:
        self._narrow("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def _narrow(self, typed: str) -> None:
        words = typed.lower().split()
        found = [
            each
            for each in self._every
            if all(word in f"{each['do']} {each['help']}".lower() for word in words)
        ]
        # The name says more than the text does.
        found.sort(key=lambda each: not all(word in each["do"] for word in words))
        listed = self.query_one(OptionList)
        listed.set_options(
            Option(beside(Text(each["do"], "bold"), Text(each["help"], "dim"), 22), each["do"])
            for each in found
        )
        listed.highlighted = 0 if found else None

    def action_move(self, step: int) -> None:
        listed = self.query_one(OptionList)
        listed.action_cursor_down() if step > 0 else listed.action_cursor_up()

    @on(Input.Submitted)
    def _chosen(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None:
            self.dismiss(option.id)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class StepForm(Form[Step]):
    """The settings of one step, over columns of these names. Answers with the step."""

    KEYS = "enter · tab next field · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Done"))

    def __init__(self, do: str, columns: Sequence[str], given: Step | None = None) -> None:
        super().__init__()
        self._do = do
        self._columns = list(columns)
        self._given = given or {}
        self._about = next(each for each in catalogue() if each["do"] == do)

    def heading(self) -> str:
        return self._do

    def fields(self) -> ComposeResult:
        yield Static(Text(self._about["help"]), classes="about")
        for number, setting in enumerate(self._about["settings"]):
            field = self._field(setting)
            yield from row(f"setting-{number}", field, setting["key"])
            yield Static(Text(_explained(setting)), classes="help")

    def _field(self, setting: dict[str, Any]) -> Input | Select[str]:
        given = value_words(self._given.get(setting["key"]))
        default = value_words(setting["default"])
        choices = {
            "choice": list(setting["choices"]),
            "yes or no": ["yes", "no"],
            "column": self._columns,
        }.get(setting["kind"])
        if choices is None:
            suggester = (
                SuggestFromList(self._columns, case_sensitive=False)
                if setting["kind"] == "columns"
                else None
            )
            return Input(given, placeholder=default, suggester=suggester)
        prompt = default or ("choose" if setting["required"] else "none")
        if given in choices:
            return Select(options(choices), value=given, prompt=prompt, compact=True)
        return Select(options(choices), prompt=prompt, compact=True)

    def on_mount(self) -> None:
        settings = self._about["settings"]
        if any(setting["kind"] in ("column", "columns") for setting in settings):
            names = ", ".join(plain(name) for name in self._columns[:30])
            self.found(Text(f"Columns: {names}", "dim"))
        if not settings:
            self.query_one("#done").focus()

    def action_done(self) -> None:
        words: dict[str, str] = {}
        for number, setting in enumerate(self._about["settings"]):
            if typed := self.typed(f"setting-{number}"):
                words[setting["key"]] = typed
        step = {"do": self._do, **from_words(STEPS[self._do], words)}
        try:
            Recipe.of([step])
        except UsageError as error:
            told = error.what.partition(": ")[2] or error.what
            self.complain(". ".join(each for each in (told, error.hint) if each))
            return
        self.dismiss(step)


def _explained(setting: dict[str, Any]) -> str:
    said = str(setting["help"])
    how = {"columns": "a,b,c", "list": "a,b,c", "table": "old:new, …"}.get(setting["kind"])
    if how:
        said += f" ({how})"
    return f"{said}; needed" if setting["required"] else said
