"""The form that sends a service a request by hand: a field for each column, its curl line, and
what came back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from core.errors import LeptonError
from core.inference.inputs import read_inputs
from core.inference.messages import Row
from core.inference.unseen import unseen
from core.models.registry import Models, task_of
from core.serving.running import Running
from core.workspace import Workspace
from screens.fetching import Fetch, while_open
from screens.text import answer_words, fit, human_number, percent, plain
from screens.widgets.bars import bar
from screens.widgets.form import Form, options, row

if TYPE_CHECKING:
    from core.serving import forms
    from core.serving.trying import Reply, Trial

MEDIA = ("image", "audio")
SHOWN_SCORES = 5
LABEL_CELLS, BAR_CELLS = 20, 24
LONGEST_COMMAND = 2000
WANTED = {
    "number": "a number",
    "category": "a value",
    "date": "2026-01-31",
    "text": "a text",
    "image": "the path of a picture",
    "audio": "the path of a sound",
}


class TryForm(Form[None]):
    """Knows what each model takes from the same `Form` that the service checks requests with."""

    KEYS = "^s sends · ^y copies curl · ^n a row it has not seen · esc closes"
    BUTTONS = (("cancel", "Close"), ("copy", "Copy curl"), ("done", "Send"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "copy", "Copy curl"),
        Binding("ctrl+n", "fill", "A row it has not seen"),
    ]
    AUTO_FOCUS = "#cell-0"
    DEFAULT_CSS = "TryForm .row > Label { width: 20; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(
        self,
        workspace: Workspace,
        service: Running,
        models: Sequence[Mapping[str, Any]],
        form: forms.Form,
        fetch: Fetch[Any],
    ) -> None:
        super().__init__()
        self._workspace = workspace
        self._service = service
        self._models = {each["name"]: each for each in reversed(models)}
        self._name: str = models[0]["name"]
        self._form = form
        self._fetch = while_open(self, fetch)
        self._reply: RenderableType = ""
        self._filled = 0

    def heading(self) -> str:
        return f"Ask {self._service.address}"

    def fields(self) -> ComposeResult:
        names = options(reversed(list(self._models)))
        choice = Select(names, value=self._name, allow_blank=False, compact=True)
        yield from row("model", choice)
        for at, (column, kind) in enumerate(self._form.takes.items()):
            wanted = WANTED.get(kind, kind)
            if self._form.task.gathers:
                wanted = f"{wanted}, … from the past to now"
            yield from row(f"cell-{at}", Input(placeholder=wanted), plain(column))
        if self._service.keys:
            yield from row("key", Input(password=True, placeholder="lep_…"))

    @on(Select.Changed, "#model")
    def _other_model(self, event: Select.Changed) -> None:
        name = str(event.value)
        if name != self._name:
            self._fetch(
                lambda: taken(self._workspace, self._models[name]),
                partial(self._ask_of, name),
                group="form",
                failed=self._failed,
            )

    def _ask_of(self, name: str, form: forms.Form) -> None:
        self._name, self._reply, self._form = name, "", form
        self.call_next(self._lay_out)

    async def _lay_out(self) -> None:
        await self.recompose()
        self._told()
        self.query_one("#cell-0").focus()

    def on_mount(self) -> None:
        self._told()

    @on(Input.Changed)
    def _told(self) -> None:
        """The curl line of what is typed so far, above the last answer."""
        try:
            command = Text(plain(self._trial().curl()[:LONGEST_COMMAND]))
        except LeptonError:
            command = Text("A curl line stands here once the fields fit.", "dim")
        self.complain("")
        self.found(Group(command, self._reply))

    def _trial(self) -> Trial:
        from core.serving.trying import trial

        cells = {
            column: self.query_one(f"#cell-{at}", Input).value.strip()
            for at, column in enumerate(self._form.takes)
        }
        return trial(self._service, self._name, self._form, cells)

    def action_done(self) -> None:
        try:
            asked = self._trial()
        except LeptonError as error:
            self.complain(error)
            return
        key = (self.typed("key") or "") if self._service.keys else ""
        self._reply = Text("asking…", "dim")
        self._told()
        self._fetch(lambda: asked.send(key), self._answered, group="asked", failed=self._failed)

    def _answered(self, reply: Reply) -> None:
        self._reply = answered(reply)
        self._told()

    def _failed(self, error: LeptonError) -> None:
        self._reply = ""
        self._told()
        self.complain(error)

    def action_fill(self) -> None:
        """Fill the fields with the next row that the model has not learnt from."""
        form, name, at = self._form, self._name, self._filled
        if form.medium in MEDIA:
            self.complain(f"Name the file of the {form.medium}.", "cell-0")
            return

        def work() -> Row:
            folder = Models(self._workspace).get(self._models[name]["ref"])
            (row,) = read_inputs(
                self._workspace, form.task, [unseen(self._workspace, folder).row(at)]
            )
            return row

        self._filled += 1
        self._fetch(work, partial(self._fill, name), group="fill", failed=self._failed)

    def _fill(self, name: str, row: Row) -> None:
        if name != self._name:
            return
        from core.serving.trying import typed

        cells = typed(row)
        for at, column in enumerate(self._form.takes):
            self.query_one(f"#cell-{at}", Input).value = cells[column]

    def action_copy(self) -> None:
        """Copy the curl line by the terminal's own escape (OSC 52), which reaches through SSH."""
        try:
            self.app.copy_to_clipboard(self._trial().curl())
        except LeptonError as error:
            self.complain(error)
            return
        self.notify("In tmux this needs: set -g set-clipboard on", title="Copied", markup=False)


def taken(workspace: Workspace, model: Mapping[str, Any]) -> forms.Form:
    """What a model of a service takes, by its name there and its `ref`.

    Raises:
        UsageError: it was removed.
        LeptonError: its folder is damaged.
    """
    from core.serving.forms import Form as Taken
    from core.serving.forms import type_name
    from core.serving.settings import Limits

    folder = Models(workspace).get(model["ref"])
    return Taken(type_name(model["name"]), task_of(folder), Limits())


def answered(reply: Reply) -> RenderableType:
    """What came back: the status, the time, and the answer or what was wrong."""
    head = Text.assemble(
        (f"\n{reply.status}", "bold"),
        f"  {human_number(1000 * reply.seconds, 3)} ms",
        (f"  request {plain(reply.id)}", "dim"),
    )
    document = reply.document
    if not isinstance(document, Mapping):
        return Group(head, Text(plain(str(document))))
    if not document.get("predictions"):
        told = [document.get(name) for name in ("detail", "where", "hint")]
        return Group(head, *(Text(plain(str(each))) for each in told if each))
    output = document["predictions"][0]
    scores = output.get("scores", {}) if isinstance(output, Mapping) else {}
    best = sorted(scores.items(), key=lambda each: -each[1])[:SHOWN_SCORES]
    lines = [
        Text(f"{fit(plain(label), LABEL_CELLS)} {bar(score, BAR_CELLS)} {percent(score)}")
        for label, score in best
    ]
    whole = Text(plain(json.dumps(document, ensure_ascii=False))[:LONGEST_COMMAND], "dim")
    return Group(head, Text(answer_words(output), "bold"), *lines, whole)
