"""The window that asks for the settings of one augmentation."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Input, Select, Static

from core.augmentation import Augmentation
from core.augmentation.written import read_word
from core.errors import UsageError
from core.settings import Setting, settings_of
from screens.widgets.form import Form, options, row


class AugmentationForm(Form[Augmentation]):
    """A field for each setting. Answers with the augmentation as it is set."""

    KEYS = "enter · tab next field · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Done"))

    def __init__(self, given: Augmentation) -> None:
        super().__init__()
        self._given = given
        self._settings = settings_of(type(given))

    def heading(self) -> str:
        return self._given.name

    def fields(self) -> ComposeResult:
        yield Static(Text(f"{self._given.summary[0].upper()}{self._given.summary[1:]}."))
        for setting in self._settings:
            yield from row(setting.key, self._field(setting), setting.key)
            yield Static(Text(_explained(setting)), classes="help")

    def _field(self, setting: Setting) -> Input | Select[str]:
        value = _said(getattr(self._given, setting.key))
        if setting.choices:
            choices = options(setting.choices)
            return Select(choices, value=value, allow_blank=False, compact=True)
        return Input(value, placeholder=_said(setting.default))

    def action_done(self) -> None:
        typed = {setting.key: self.typed(setting.key) for setting in self._settings}
        words = [f"{key}={value}" for key, value in typed.items() if value is not None]
        try:
            self.dismiss(read_word(":".join([self._given.name, *words])))
        except UsageError as error:
            self.complain(error)


def _explained(setting: Setting) -> str:
    if setting.least is None or setting.most is None:
        return setting.help
    return f"{setting.help}, {setting.least:g} to {setting.most:g}"


def _said(value: object) -> str:
    return str(value).removesuffix(".0")
