"""The form that starts a training run: what can be guessed is guessed, and said."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Input, Label, Select, Static

from core.errors import LeptonError, UsageError
from core.tasks import Fit
from screens.fetching import Fetch, while_open
from screens.text import plain
from screens.train import asked
from screens.train.asked import Settings, Surveyed
from screens.widgets.form import options
from screens.widgets.window import Window

LABELS = {
    "dataset": "Data set",
    "task": "Task",
    "target": "Target",
    "model": "Model",
    "pretrained": "  which one",
    "init_from": "  which one",
    "tune": "  tune",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "lr": "Learning rate",
    "augment": "Augment",
    "device": "Device",
    "devices": "Devices",
    "queue": "Queue",
    "name": "Model name",
    asked.MORE: "More",
}

OF_DATA = "dataset", "task", "target"
FULL = "full: all of it"
NOT_ON_CPU = "wait for a GPU, not for the processor"


class StartForm(Window[Settings | None]):
    """Asks what to train; answers with the settings of a run, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel"),
        Binding("ctrl+s", "start", "Start"),
        Binding("y,ctrl+y", "show_command", "Command", key_display="y"),
    ]
    DEFAULT_CSS = """
    StartForm > VerticalScroll { width: 76; max-height: 100%; }
    StartForm .row { height: 1; }
    StartForm .row.-away { display: none; }
    StartForm .row > Label { width: 15; color: $text-muted; }
    StartForm .row > Select { width: 1fr; }
    StartForm .row > Input { width: 1fr; background: $boost; padding: 0; }
    StartForm SelectCurrent { background: $boost; padding: 0; }
    StartForm .row > :focus, StartForm Select:focus > SelectCurrent { background: $primary 30%; }
    StartForm .problem { height: auto; margin-left: 15; color: $text-error; display: none; }
    StartForm .problem.-there { display: block; }
    StartForm #found { height: auto; min-height: 2; margin-top: 1; }
    StartForm #problem { height: auto; color: $text-error; display: none; }
    StartForm #problem.-there { display: block; }
    StartForm #command { height: auto; color: $text-muted; }
    StartForm #buttons { height: 1; margin-top: 1; align-horizontal: right; }
    StartForm Button { margin-left: 2; }
    """

    def __init__(
        self,
        datasets: list[str],
        given: Mapping[str, Any],
        *,
        survey: Callable[[str], Surveyed],
        fetch: Fetch[Surveyed],
        wrong: LeptonError | None = None,
    ) -> None:
        """`wrong` is what came of these settings when they were tried."""
        super().__init__()
        chosen = str(given.get("dataset") or "")
        # A run names the version it read; the form knows data sets, and those versions it is given.
        self._datasets = datasets
        if "@" in chosen and chosen.partition("@")[0] in datasets:
            self._datasets = [chosen, *datasets]
        self._given = asked.held(given)
        self._wrong = wrong
        self._of_model = asked.others({"options": given.get("options", {})})
        self._chosen = chosen if chosen in self._datasets else datasets[0]
        self._survey = survey
        self._fetch = while_open(self, fetch)
        self._surveyed: Surveyed | None = None
        self._fit: Fit | None = None
        self._looked_at = ""
        self._problems: dict[str, str] = {}
        self._waits: Settings | None = None
        """What is to start when the columns are known."""

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.can_focus = False
            box.border_title = "Train a model"
            box.border_subtitle = "^s starts · tab next field · esc cancels"
            yield Static(id="problem", markup=False)
            yield from self._row("dataset", _select(self._datasets, self._chosen))
            yield from self._row("task", _select(asked.tasks(), prompt="guess it"))
            yield from self._row("target", _select([], prompt="guess it"))
            yield from self._row("model", _select([], prompt="looking…"))
            place = self._input("pretrained")
            place.placeholder = "./FOLDER, or OWNER/NAME on the hub"
            yield from self._row("pretrained", place)
            yield from self._row("init_from", _select([], prompt="none"))
            yield from self._row("tune", _select(asked.TUNE.choices, prompt=FULL))
            yield from self._row("epochs", self._input("epochs", str(asked.DEFAULT_EPOCHS)))
            for name in ("batch_size", "lr"):
                yield from self._row(name, self._input(name))
            for name in ("augment", "device", "devices"):
                yield from self._row(name, self._input(name))
            yield from self._row("queue", _select(asked.QUEUES, prompt=NOT_ON_CPU))
            for name in ("name", asked.MORE):
                yield from self._row(name, self._input(name))
            yield Static(id="found", markup=False)
            yield Static(id="command", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Start", id="start", variant="primary", compact=True)

    def _input(self, name: str, usual: str = "") -> Input:
        return Input(self._given.get(name, usual), compact=True)

    def _row(self, name: str, field: Input | Select[str]) -> ComposeResult:
        field.id = name
        with Horizontal(classes="row"):
            yield Label(LABELS[name])
            yield field
        yield Static(id=f"{name}-problem", classes="problem", markup=False)

    def on_mount(self) -> None:
        known = {"task": asked.tasks(), "tune": asked.TUNE.choices, "queue": asked.QUEUES}
        with self.prevent(Select.Changed):
            for name, values in known.items():
                if (value := self._given.get(name)) in values:
                    self.query_one(f"#{name}", Select).value = value
        self.query_one("#device", Input).placeholder = "auto: the first free one; cpu, cuda:1"
        self.query_one("#devices", Input).placeholder = "1; more train it together"
        self.query_one(f"#{asked.MORE}", Input).placeholder = "optimizer=muon dropout=0.2 …"
        self._look()
        self._say()
        if self._wrong is not None:
            self._complain(_words(self._wrong))

    # What the data set allows

    def _look(self) -> None:
        dataset = self._looked_at = self._typed("dataset")
        self._surveyed = self._fit = None
        self.query_one("#found", Static).update(Text("looking at the columns…", "dim"))

        def failed(error: LeptonError) -> None:
            if dataset == self._typed("dataset"):
                self._tell({"dataset": _words(error)})

        self._fetch(lambda: self._survey(dataset), self._learnt, group="survey", failed=failed)

    def _learnt(self, surveyed: Surveyed) -> None:
        # The answer may come when the person has chosen another data set.
        version, wanted = surveyed.version, self._typed("dataset")
        if wanted not in (version.dataset, version.ref):
            return
        self._surveyed = surveyed
        target = self.query_one("#target", Select)
        with self.prevent(Select.Changed):
            names = [column.name for column in surveyed.facts.columns]
            target.set_options(options(names))
            if (column := self._given.pop("target", None)) in names:
                target.value = column
        self._guess()

    def _guess(self) -> None:
        """Say which task and columns these are, and offer the models that suit."""
        if self._surveyed is None:
            return
        try:
            self._fit = asked.fit(self._surveyed, self.settings())
        except UsageError as error:
            self._fit = None
            self.query_one("#found", Static).update("")
            named = "target" if "target" in self.settings() else "task"
            self._tell({named: _words(error)})
            return
        self._tell({})
        waits = self._waits == self.settings()
        self.query_one("#task", Select).prompt = f"{self._fit.task} (guessed)"
        self.query_one("#target", Select).prompt = f"{plain(self._fit.target)} (guessed)"
        model, origin = self.query_one("#model", Select), self.query_one("#init_from", Select)
        kept = self._typed("model") or self._given.get("model")
        began = self._typed("init_from") or self._given.get("init_from")
        trained = [each.ref for each in self._surveyed.trained_for(self._fit)]
        if began is not None and began not in trained:
            trained.append(began)
        known = asked.models(self._fit.task, trained=bool(trained))
        with self.prevent(Select.Changed):
            model.set_options([(Text(f"{name}: {summary}"), name) for name, summary in known])
            names = [name for name, _ in known]
            model.value = kept if kept in names else names[0]
            origin.set_options(options(trained))
            if trained:
                origin.value = began or trained[0]
        self.query_one("#augment", Input).placeholder = asked.augmentations(self._fit.task)
        self.query_one("#found", Static).update(asked.told(self._surveyed, self._fit))
        self._say()
        if waits:
            self.action_start()

    def _tell(self, wrong: dict[str, str]) -> None:
        """Say what is wrong with the data set; what is known of other fields stays."""
        told = {name: words for name, words in self._problems.items() if name not in OF_DATA}
        self._show_problems({**told, **wrong})

    # Events

    @on(Select.Changed, "#dataset")
    def _other_dataset(self) -> None:
        if self._typed("dataset") == self._looked_at:
            return
        with self.prevent(Select.Changed):
            self.query_one("#task", Select).clear()
            self.query_one("#target", Select).set_options([])
        self._forget(lambda word: word.startswith("inputs="))
        self._look()
        self._say()

    @on(Select.Changed, "#task")
    @on(Select.Changed, "#target")
    def _named(self) -> None:
        self._guess()
        self._say()

    @on(Select.Changed, "#model")
    def _other_model(self) -> None:
        self._other_origin()
        if self._typed("model") == asked.OTHERS and not self._typed("pretrained"):
            self.query_one("#pretrained").focus()

    @on(Select.Changed, "#init_from")
    def _other_origin(self) -> None:
        # The options of a run that is cloned are those of its model.
        self._forget(self._of_model.__contains__)
        self._say()

    def _forget(self, unfit: Callable[[str], bool]) -> None:
        """Take the words away that do not fit any more."""
        more = self.query_one(f"#{asked.MORE}", Input)
        kept = [word for word in asked.words(more.value) if not unfit(word)]
        if kept != asked.words(more.value):
            more.value = shlex.join(kept)

    @on(Input.Changed)
    def _mended(self, event: Input.Changed) -> None:
        """What was wrong with a field is not said of what stands there now."""
        kept = {name: words for name, words in self._problems.items() if name != event.input.id}
        if kept != self._problems:
            self._show_problems(kept)

    @on(Select.Changed, "#tune")
    @on(Select.Changed, "#queue")
    @on(Input.Changed)
    def _say(self) -> None:
        """Keep the fields that are there, the suggestions and the command in step with what is
        typed."""
        for name, there in self._there().items():
            row = self.query_one(f"#{name}").parent
            assert row is not None
            row.set_class(not there, "-away")
        given = self.settings()
        for name in ("batch_size", "lr"):
            self.query_one(f"#{name}", Input).placeholder = asked.suggested(given, name)
        trained = self._surveyed.trained if self._surveyed else ()
        self.query_one("#name", Input).placeholder = asked.named(given, trained)
        self.query_one("#command", Static).update(Text(f"$ {asked.command(given)}"))

    def _there(self) -> dict[str, bool]:
        """Which of the fields that hang on the model are asked."""
        model, trained = self._typed("model"), self._surveyed.trained if self._surveyed else ()
        own = model == asked.OURS
        tuned = own and asked.is_tuned(self._typed("init_from"), trained)
        others = model == asked.OTHERS
        return {"pretrained": others, "init_from": own, "tune": others or tuned}

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_start()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.dismiss(None)

    def action_start(self) -> None:
        """Answer with the settings, or say what is wrong with them."""
        given = self.settings()
        self._complain("")
        wrong = asked.mistakes(given, self._fit)
        if "model" in wrong and self._typed("model") == asked.OTHERS:
            wrong["pretrained"] = wrong.pop("model")
        strange = [name for name in wrong if name not in LABELS]
        if more := ". ".join(wrong.pop(name).rstrip(".") for name in strange):
            wrong[asked.MORE] = more
        if wrong:
            self._show_problems(wrong)
            self.query_one(f"#{next(iter(wrong))}").focus()
        elif self._surveyed is None and "dataset" not in self._problems:
            self._waits = given
            said = "looking at the columns… the run starts when they are known"
            self.query_one("#found", Static).update(Text(said, "dim"))
        elif self._fit is None:
            # Its own words are on the screen already.
            self.query_one("#task").focus()
        else:
            self.dismiss(given)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        self.app.push_screen(CommandModal(asked.command(self.settings())))

    # Fields

    def settings(self) -> Settings:
        """What the fields hold, without those left empty."""
        typed = {name: self._typed(name) for name in (*asked.FIELDS, "pretrained", asked.MORE)}
        if not self._there()["tune"]:
            typed["tune"] = ""
        return asked.settings(typed)

    def _typed(self, name: str) -> str:
        field = self.query_one(f"#{name}")
        if isinstance(field, Select):
            value: Any = field.selection
            return value or ""
        assert isinstance(field, Input)
        return field.value

    def _show_problems(self, wrong: dict[str, str]) -> None:
        self._problems = wrong
        for name in LABELS:
            place = self.query_one(f"#{name}-problem", Static)
            place.set_class(name in wrong, "-there")
            place.update(Text(f"✗ {plain(wrong.get(name, ''))}"))

    def _complain(self, words: str) -> None:
        """Say what is wrong with the settings as a whole."""
        place = self.query_one("#problem", Static)
        place.set_class(bool(words), "-there")
        place.update(Text(f"✗ {plain(words)}"))


def _select(names: Iterable[str], value: str | None = None, *, prompt: str = "") -> Select[str]:
    if value is not None:
        return Select(options(names), value=value, allow_blank=False, compact=True)
    return Select(options(names), prompt=prompt, compact=True)


def _words(error: LeptonError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)
