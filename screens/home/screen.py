"""The first screen: data sets, runs and models in three lists, each an entrance to its mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList, Static

from screens.base import LeptonScreen
from screens.listing import Line, LineList, headline_text
from screens.text import counted, relative_time, state_badge

if TYPE_CHECKING:
    from core.data.lake.version import Version
    from core.models.registry import ModelFolder
    from core.runs.state import RunState
    from screens.home.overview import Overview

REFRESH_SECONDS = 2.0

WELCOME = """\
Nothing is here yet. Three ways to begin:

  Press 2 for Data, then i to bring in a file, a folder of images, or a data
  set by name (mnist-sample is always there).

  $ lepton demo                the whole path on real digits, in a minute
  $ lepton data import FILE    brings a file in from a script

Press ? for all keys, ^p to find a command by its name.\
"""


class HomeScreen(LeptonScreen):
    """Everything in the workspace at one glance."""

    MODE = "home"
    TITLE = "Home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open what the cursor is on"),
        Binding("tab", "app.focus_next", "Next list", show=True),
    ]
    DEFAULT_CSS = """
    HomeScreen {
        #welcome { padding: 1 2; height: 1fr; display: none; }
        #lists { height: 1fr; }
        #machine { height: 1; color: $text-muted; padding: 0 1; }
        #left { width: 2fr; }
        #right { width: 3fr; }
        &.-empty #welcome { display: block; }
        &.-empty #lists { display: none; }
    }
    """

    def body(self) -> ComposeResult:
        yield Static(WELCOME, id="welcome", markup=False)
        with Horizontal(id="lists"):
            with Vertical(id="left"):
                yield LineList("Data sets", id="datasets")
                yield LineList("Models", id="models")
            with Vertical(id="right"):
                yield LineList("Runs", id="runs")
        yield Static(id="machine", markup=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self._look)
        self.set_interval(REFRESH_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        self._look()

    def _look(self) -> None:
        if self.is_current:
            self.fetch(self._gather, self._show, group="overview")

    def _gather(self) -> Overview:
        # Imported in the thread: the first frame does not wait for the lake.
        from screens.home.overview import overview

        return overview(self.workspace)

    def _show(self, seen: Overview) -> None:
        self.set_class(seen.empty, "-empty")
        self._list("datasets").show([_dataset(version) for version in seen.datasets])
        self._list("runs").show([_run(run) for run in seen.runs])
        self._list("models").show([_model(model) for model in newest(seen.models)])
        self.query_one("#machine", Static).update(seen.machine)
        if self.focused is None and not seen.empty:
            next(each for each in self.query(LineList) if each.option_count).focus()

    def _list(self, name: str) -> LineList:
        return self.query_one(f"#{name}", LineList)

    def action_open(self) -> None:
        if isinstance(self.focused, OptionList):
            self.focused.action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        chosen = event.option_id or ""
        match event.option_list.id:
            case "datasets":
                self.studio.visit("data", dataset=chosen)
            case "runs":
                self.studio.visit("train", run=chosen)
            case "models":
                self.studio.visit("models", model=chosen)

    def shell_command(self) -> str:
        return "lepton data ls && lepton runs ls && lepton models ls"


def newest(models: list[ModelFolder]) -> list[ModelFolder]:
    """The newest version of each model."""
    by_name: dict[str, ModelFolder] = {}
    for model in models:
        kept = by_name.get(model.name)
        if kept is None or (model.version or 0) > (kept.version or 0):
            by_name[model.name] = model
    return list(by_name.values())


def _dataset(version: Version) -> Line:
    return Line(version.dataset, version.dataset, (counted(version.rows, "row"),))


def _run(run: RunState) -> Line:
    unfinished = run.state != "finished" and run.epoch is not None and run.epochs
    place = f"{run.epoch}/{run.epochs}" if unfinished else ""
    what = run.model or run.dataset or run.id
    kind = "" if run.kind == "train" else run.kind
    facts = (kind, place, state_badge(run.standing), relative_time(run.created))
    return Line(run.id, what, facts)


def _model(model: ModelFolder) -> Line:
    return Line(model.name, model.name, (headline_text(model.metrics, model.metric),))
