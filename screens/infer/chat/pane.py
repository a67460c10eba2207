"""ChatPane: a conversation with a language model, or the same one with two side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget

from core.errors import LeptonError, UsageError
from core.generation.sampling import Sampling, TooLong
from core.inference.conversations import Conversation, Conversations
from core.inference.talking import Talk
from core.models.registry import ModelFolder, Models
from core.workspace import Workspace
from screens.infer.chat.box import SayBox
from screens.infer.chat.kept_view import KeptTalks
from screens.infer.chat.settings_form import SettingsForm, Told
from screens.infer.chat.talk_view import TalkView
from screens.infer.way import Way
from screens.text import clip, plain, setting_text

NOTHING_SAID_YET = """\
i goes to the box below: say something.
s sets what it is told first and how it goes on; o opens what was said before.\
"""
TITLE, EDITING = "Say something", "The last question in other words"
HINT_CELLS = 60


class ChatPane(Way):
    """What is said here is kept as `lepton chat` keeps it, and either goes on with the other's."""

    DEFAULT_CSS = """
    ChatPane #talks { height: 1fr; }
    ChatPane TalkView { width: 1fr; height: 1fr; }
    ChatPane #beside { display: none; }
    ChatPane.-beside #beside { display: block; }
    """

    @dataclass
    class Opened(Message):
        """A conversation was opened that is with this model."""

        kept: Conversation
        model: ModelFolder

    def __init__(self, workspace: Workspace, *, id: str) -> None:
        super().__init__(id=id)
        self._workspace = workspace
        self._kept = Conversations(workspace)
        self._models: list[ModelFolder] = []
        self._open: dict[str, Talk] = {}
        """The conversation that is open with each model, by its ref."""
        self._at_work: set[Talk] = set()
        self._editing = False
        self._draft = ""
        """What stood in the box before the last question was put there."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="talks"):
            yield TalkView(self._at_work, id="said")
            yield TalkView(self._at_work, id="beside")
        yield SayBox(id="say")

    def on_mount(self) -> None:
        self._box.border_title = TITLE

    @property
    def _box(self) -> SayBox:
        return self.query_one(SayBox)

    @property
    def _views(self) -> list[TalkView]:
        """Those that are in use, the first model's first."""
        return list(self.query(TalkView))[: len(self._models)]

    @property
    def _talk(self) -> Conversation:
        return self._open[self._models[0].ref].kept

    @property
    def busy(self) -> bool:
        """Whether an answer is coming."""
        return any(view.busy for view in self._views)

    def of(self, models: Sequence[ModelFolder]) -> None:
        before = [model.ref for model in self._models]
        self._models = list(models)
        self.set_class(len(models) > 1, "-beside")
        if self._models[0].ref not in self._open:
            self._begin(self._models[0])
        if len(models) > 1 and models[1].ref not in before:
            # It is asked the same from here on.
            self._begin(models[1], self._talk)
        for view in self.query(TalkView):
            if view not in self._views:
                view.stop()
        for at, view in enumerate(self._views):
            if before[at : at + 1] != [models[at].ref]:
                self._show(view, models[at])
        self._edit(editing=False)

    def open(self, kept: Conversation, model: ModelFolder) -> None:
        """Go on with a conversation that is kept."""
        self._open[model.ref] = Talk(self.infer_screen.studio.engine, kept)
        self._models = []
        self.of([model])

    def _begin(self, model: ModelFolder, like: Conversation | None = None) -> None:
        """A new conversation, with the settings of another one."""
        told = (like.system, like.settings) if like else ("", {})
        kept = self._kept.new(model.ref, system=told[0], settings=told[1])
        self._open[model.ref] = Talk(self.infer_screen.studio.engine, kept)

    def _show(self, view: TalkView, model: ModelFolder) -> None:
        talk = self._open[model.ref]
        view.open(talk, model.ref)
        if not talk.kept.turns:
            view.say(NOTHING_SAID_YET)
        self._tell_settings()

    def _tell_settings(self) -> None:
        """What was set otherwise than usual, beneath the box."""
        talk = self._talk
        told = [f"{name}={setting_text(value)}" for name, value in talk.settings.items()]
        if talk.system:
            told.insert(0, f"system: {talk.system}")
        self._box.border_subtitle = plain(clip(" · ".join(told), HINT_CELLS))

    # What a person does

    def can(self, action: str) -> bool:
        asked = bool(self._models) and any(view.turns for view in self._views)
        match action:
            case "stop":
                return self.busy
            case "retry" | "edit":
                return asked and not self.busy
            case "new":
                return asked
            case "settings":
                return bool(self._models) and not self.busy
            case "conversations":
                return bool(self._models)
        return False

    def enter(self) -> None:
        self._box.focus()

    def leave(self, focused: Widget | None) -> bool:
        if self.busy:
            self.action_stop()
            return True
        if self._editing:
            self._edit(editing=False)
            self._box.text = self._draft
        if focused is self._box:
            # Here the arrow keys scroll.
            self._views[0].focus()
            return True
        return False

    def on_say_box_said(self, event: SayBox.Said) -> None:
        event.stop()
        if self.busy:
            self.notify("Escape stops the answer that is coming.", title="One at a time")
            return
        self._box.text = self._draft if self._editing else ""
        for view in self._views:
            if self._editing and view.last_question >= 0:
                view.edit(event.text)
            else:
                view.ask(event.text)
        self._edit(editing=False)
        self.screen.refresh_bindings()

    def action_stop(self) -> None:
        for view in self._views:
            view.stop()

    def action_retry(self) -> None:
        for view in self._views:
            if view.last_question >= 0:
                view.retry()
        self.screen.refresh_bindings()

    def action_edit(self) -> None:
        view = self._views[0]
        if view.last_question < 0:
            return
        if not self._editing:
            self._draft = self._box.text
        self._box.text = view.turns[view.last_question].message.content
        self._box.move_cursor(self._box.document.end)
        self._edit(editing=True)
        self._box.focus()

    def _edit(self, *, editing: bool) -> None:
        self._editing = editing
        self._box.border_title = EDITING if editing else TITLE

    def action_new(self) -> None:
        """Begin anew, with the same settings."""
        before = self._talk
        for view, model in zip(self._views, self._models, strict=True):
            self._begin(model, before)
            self._show(view, model)
        self._edit(editing=False)
        self.screen.refresh_bindings()

    def on_talk_view_ended(self, event: TalkView.Ended) -> None:
        event.stop()
        self._at_work.discard(event.talk)
        for view in self._views:
            if view.talk is not event.talk:
                continue
            view.ended(event)
            if view.lost and not self._box.text:
                # It was not answered at all: it can be said otherwise.
                self._box.text = view.lost
            if isinstance(event.error, TooLong):
                hint = "n begins a new conversation; nothing of this one is left out."
                view.fail(TooLong(event.error.what, hint=hint))
        self.screen.refresh_bindings()

    def action_settings(self) -> None:
        talk = self._talk

        def kept(told: Told | None) -> None:
            if told is None:
                return
            talks = [self._open[model.ref].kept for model in self._models]

            def work() -> None:
                for each in talks:
                    each.set(system=told.system, settings=dict(told.settings))

            self.infer_screen.fetch(work, lambda _: self._tell_settings(), group="set")

        try:
            form = SettingsForm(talk.system, talk.settings, self.infer_screen.fetch)
        except UsageError as error:
            # Somebody has edited the conversation's file.
            self.infer_screen.show_error(error)
        else:
            self.app.push_screen(form, kept)

    def action_conversations(self) -> None:
        def chosen(kept: Conversation | None) -> None:
            if kept is None:
                self._leave_removed()
                return

            def work() -> ModelFolder:
                try:
                    return Models(self._workspace).get(kept.model)
                except UsageError as error:
                    raise LeptonError(
                        f"the model of this conversation is gone: {kept.model}",
                        hint=f"Read it: lepton chat show {kept.id}",
                    ) from error

            def done(model: ModelFolder) -> None:
                self.post_message(self.Opened(kept, model))

            self.infer_screen.fetch(work, done, group="open")

        self.app.push_screen(KeptTalks(self._kept, self.infer_screen.fetch), chosen)

    def _leave_removed(self) -> None:
        """Begin anew where the conversation that is open was removed."""
        talks = [self._open[model.ref].kept for model in self._models]
        if not self.busy and any(talk.removed for talk in talks):
            self.action_new()

    def shell_command(self) -> str:
        return "\n".join(_command(self._open[model.ref].kept) for model in self._models)


def _command(talk: Conversation) -> str:
    if talk.turns:
        return f"lepton chat --conversation {talk.id}"
    words = ["lepton", "chat", talk.model]
    words += ["--system", talk.system] if talk.system else []
    usual = Sampling().to_json()
    for name, value in talk.settings.items():
        if value == usual.get(name) or name in ("schema",):
            continue
        option = "--as-json" if name == "json" else f"--{name.replace('_', '-')}"
        each = value if isinstance(value, list) else [value]
        words += [option] if name == "json" else [w for v in each for w in (option, str(v))]
    return shlex.join(words)
