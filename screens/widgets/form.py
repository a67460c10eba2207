"""Form: a window of fields, a line each, with room for what was found and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from core.errors import LeptonError
from screens.text import plain
from screens.widgets.window import Answer, Window


class Form(Window[Answer | None]):
    """Fields by their ids; Enter in one of them is `action_done`, and a button is an action.

    `BUTTONS` are (action, label), the last one what the form is for.
    """

    HEADING: ClassVar[str] = ""
    KEYS: ClassVar[str] = ""
    BUTTONS: ClassVar[tuple[tuple[str, str], ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s", "done", "Done"),
    ]
    DEFAULT_CSS = """
    Form > VerticalScroll { width: 78; max-height: 100%; }
    Form .row { height: 1; }
    Form .row > Label { width: 12; color: $text-muted; }
    Form .row > Select { width: 1fr; }
    Form .row > Input { width: 1fr; background: $boost; padding: 0; }
    Form SelectCurrent { background: $boost; padding: 0; }
    Form .row > :focus, Form Select:focus > SelectCurrent { background: $primary 30%; }
    Form .help { height: auto; margin-left: 12; color: $text-muted; }
    Form .-away { display: none; }
    Form #found { height: auto; margin-top: 1; }
    Form #problem { height: auto; color: $text-error; }
    Form #buttons { height: 1; margin-top: 1; align-horizontal: right; }
    Form Button { margin-left: 2; }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = Text(plain(self.heading()))
            box.border_subtitle = self.KEYS
            yield from self.fields()
            yield Static(id="found", markup=False)
            yield Static(id="problem", markup=False)
            with Horizontal(id="buttons"):
                for action, label in self.BUTTONS:
                    last = action == self.BUTTONS[-1][0]
                    yield Button(
                        label, id=action, compact=True, variant="primary" if last else "default"
                    )

    def heading(self) -> str:
        return self.HEADING

    def fields(self) -> ComposeResult:
        """The rows of the form: see `row`."""
        raise NotImplementedError

    def action_done(self) -> None:
        """Answer, or say what is wrong."""
        raise NotImplementedError

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_done()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        await self.run_action(str(event.button.id))

    def typed(self, name: str) -> str | None:
        """What a field holds, None where it is empty."""
        field = self.query_one(f"#{name}")
        if isinstance(field, Select):
            chosen: str | None = field.selection
            return chosen
        assert isinstance(field, Input)
        return field.value.strip() or None

    def show(self, name: str, there: bool) -> None:
        """Let a row be there or not."""
        row = self.query_one(f"#{name}").parent
        assert isinstance(row, Widget)
        row.set_class(not there, "-away")

    def found(self, words: RenderableType) -> None:
        """Say what the fields come to."""
        self.query_one("#found", Static).update(words)

    def complain(self, wrong: str | LeptonError, at: str | None = None) -> None:
        """Say what is wrong, and go to the field where; nothing is wrong with ""."""
        if isinstance(wrong, LeptonError):
            hint = wrong.hint or ""
            # A whole command stays as a shell wants it.
            if "lepton " not in hint:
                hint = re.sub(r"--([a-z]+)", self._called, hint)
            wrong = ". ".join(said for said in (str(wrong), hint) if said)
        self.query_one("#problem", Static).update(Text(f"✗ {plain(wrong)}" if wrong else ""))
        if at is not None:
            self.query_one(f"#{at}").focus()

    def _called(self, option: re.Match[str]) -> str:
        """What an option of the shell is called here, where it is a field."""
        for field in self.query(f"#{option[1]}"):
            for label in field.siblings:
                if isinstance(label, Label):
                    return str(label.content)
        return option[0]


def row(name: str, field: Input | Select[str], label: str = "") -> ComposeResult:
    """A line of a form: the field's label, and the field under the id `name`."""
    field.id = name
    if isinstance(field, Input):
        field.compact = True
    with Horizontal(classes="row"):
        yield Label(label or name.title())
        yield field


def options(values: Iterable[str]) -> list[tuple[Text, str]]:
    """Choices for a `Select`; their words may come from data, so none is markup."""
    return [(Text(plain(value)), value) for value in values]
