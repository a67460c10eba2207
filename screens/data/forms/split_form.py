"""The form that asks how to split a data set, and shows what that would come to."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from core.data.lake.layout import ROW_ID
from core.data.lake.version import Version
from core.data.lake.view import SPLIT
from core.data.splitting.split import FOLD, How, Plan, has_classes
from core.errors import Cancelled, LeptonError
from screens.data.forms.splitting import (
    ARGUMENTS,
    WAYS,
    Planner,
    SplitRequest,
    counts_line,
    not_placed_line,
    numbers_folds,
)
from screens.fetching import Fetch, while_open
from screens.text import plain
from screens.widgets.form import Form, options, row

LABELS = {"by": "Classes", "hash": "Hash of", "fold": "Test fold"}
SHARES = ("validation", "test")
WHOLE = ("folds", "fold", "seed")
DEFAULTS = {"validation": "0.1", "test": "0.1", "folds": "5", "fold": "", "seed": "0"}
NEEDED = {"stratified": "by", "group": "group", "time": "time", "hash": "hash"}


class SplitForm(Form[SplitRequest]):
    """Answers with the split that a person wants; the planner has its plan then, or makes it."""

    KEYS = "^s splits · tab next field · ^y command · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Split"))
    AUTO_FOCUS = "#way"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,ctrl+y", "show_command", "Command"),
    ]

    def __init__(self, version: Version, planner: Planner, fetch: Fetch[Plan]) -> None:
        super().__init__()
        self._version = version
        self._planner = planner
        self._fetch = while_open(self, fetch)
        self._impossible: SplitRequest | None = None

    def heading(self) -> str:
        return f"Split {self._version.ref}"

    def fields(self) -> ComposeResult:
        version = self._version
        target = version.target if has_classes(version, version.target) else None
        ways = [(Text(words), way) for way, words in WAYS.items()]
        way = "stratified" if target else "random"
        yield from row("way", Select(ways, value=way, allow_blank=False, compact=True))
        yield from self._numbers("folds", "fold")
        names = [name for name in version.column_names if name not in (SPLIT, FOLD)]
        for name in ("group", "time", "hash"):
            choices = [ROW_ID, *names] if name == "hash" else names
            field = Select(options(choices), prompt="choose", compact=True)
            yield from row(name, field, _label(name))
        classes = Select(options(names), value=target or Select.NULL, compact=True)
        yield from row("by", classes, _label("by"))
        yield from self._numbers(*SHARES, "seed")

    def _numbers(self, *names: str) -> ComposeResult:
        for name in names:
            unsaid = "none: only number them" if name == "fold" else DEFAULTS[name]
            yield from row(name, Input(DEFAULTS[name], placeholder=unsaid), _label(name))

    def on_mount(self) -> None:
        self._other_way()

    @property
    def _way(self) -> str:
        return self.typed("way") or "random"

    @on(Select.Changed, "#way")
    def _other_way(self) -> None:
        arguments, needed = ARGUMENTS[self._way], NEEDED.get(self._way)
        for name in {each for names in ARGUMENTS.values() for each in names}:
            self.show(name, name in arguments)
        self.query_one("#by", Select).prompt = "choose" if needed == "by" else "of no class"
        self.query_one("#group", Select).prompt = "choose" if needed == "group" else "none"

    @on(Select.Changed)
    @on(Input.Changed)
    def _count(self) -> None:
        """Say what each part would get."""
        self.complain("")
        self.found("")
        if (needed := NEEDED.get(self._way)) and self.typed(needed) is None:
            self.found(Text(f"Choose the column: {_label(needed).lower()}.", "dim"))
            return
        if (request := self._request()) is None:
            return
        self.found(Text("counting…", "dim"))

        def done(plan: Plan) -> None:
            self.found(self._outlook(plan, request.how.get("by")))

        def failed(error: LeptonError) -> None:
            if not isinstance(error, Cancelled):
                self._impossible = request
                self.found("")
                self.complain(error)

        self._fetch(lambda: self._planner.plan(request), done, group="plan", failed=failed)

    def _outlook(self, plan: Plan, by: str | None) -> Text:
        said = counts_line(plan.counts, folds=numbers_folds(plan.params))
        said.append_text(not_placed_line(plan.params))
        if by is not None and plan.params["by"] is None:
            said.append(
                f"\n{plain(by)} has too many values for classes: no shares are kept.", "dim"
            )
        if plan.parts is not None and SPLIT in self._version.column_names:
            said.append("\nIt has a split already; the next version will have this one.", "dim")
        return said

    def _request(self) -> SplitRequest | None:
        """What the fields ask for; None where something is wrong, which is said."""
        how: dict[str, Any] = {}
        needed = NEEDED.get(self._way)
        for name in ARGUMENTS[self._way]:
            typed = self.typed(name)
            if typed is None and name == needed:
                self.complain(f"Choose the column: {_label(name).lower()}.", name)
                return None
            if typed is not None:
                try:
                    how[name] = _value(name, typed)
                except ValueError:
                    whole = "a whole number" if name in WHOLE else "a share, such as 0.1"
                    self.complain(f'{_label(name)} is {whole}, not "{typed}".')
                    return None
        numbered = self._way == "folds" and "folds" in how and not how.keys() & {"by", "group"}
        if self._way == "random" or numbered:
            how["random"] = True
        return SplitRequest(self._version.ref, How(**how))  # type: ignore[typeddict-item]

    def action_done(self) -> None:
        request = self._request()
        # What is wrong is said already, and is mended here.
        if request is not None and request != self._impossible:
            self.dismiss(request)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        if (request := self._request()) is not None:
            self.app.push_screen(CommandModal(request.shell_command()))


def _label(name: str) -> str:
    return LABELS.get(name, name.title())


def _value(name: str, typed: str) -> str | int | float:
    return float(typed) if name in SHARES else int(typed) if name in WHOLE else typed
