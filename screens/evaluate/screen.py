"""The Evaluate screen: models at the left, the chosen one's newest report at the right."""

from __future__ import annotations

import json
import shlex
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import OptionList, Static

from core.errors import LeptonError
from core.models.registry import ModelFolder, Models
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.workspace import Workspace
from screens.base import LeptonScreen
from screens.evaluate.report_view import classes_table, mistakes_table, scores_table
from screens.listing import Line, LineList, headline_text
from screens.refresh import refresh_interval
from screens.text import human_count, percent, plain
from screens.widgets.confusion import HEAD_LINES, ConfusionMatrix

REPORT = "report.json"


class EvaluateScreen(LeptonScreen):
    """Judge models; each evaluation is a run of its own and leaves a report."""

    MODE = "evaluate"
    TITLE = "Evaluate"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "evaluate", "Evaluate", tooltip="Judge the model on its test rows"),
        Binding("t", "try", "Try", tooltip="Try the model on a row, a file or a text"),
    ]
    DEFAULT_CSS = """
    EvaluateScreen {
        #models { width: 26; }
        &.-wide #models { width: 36; }
        #told { height: auto; padding: 0 1; }
        #scores { height: auto; padding: 0 1; }
        #matrix { height: 0; max-height: 60%; margin: 0 1; }
        #more { height: 1fr; padding: 0 1; }
        #more > Static { height: auto; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #models, &.-empty #report { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._models: dict[str, ModelFolder] = {}
        self._wanted: str | None = None
        self._report: dict[str, Any] = {}

    def body(self) -> ComposeResult:
        yield Static("No model to evaluate yet.\n\nPress 3 to train one.", id="welcome")
        with Horizontal():
            yield LineList("Models", id="models")
            with Vertical(id="report"):
                yield Static(id="told", markup=False)
                yield Static(id="scores", markup=False)
                yield ConfusionMatrix(id="matrix")
                with VerticalScroll(id="more"):
                    yield Static(id="details", markup=False)

    def on_mount(self) -> None:
        self._look()

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._wanted = model
        self._look()

    def _look(self) -> None:
        self.fetch(Models(self.workspace).list, self._list, group="models")

    def _list(self, models: list[ModelFolder]) -> None:
        self._models = {model.ref: model for model in models}
        self.set_class(not models, "-empty")
        names = self.query_one("#models", LineList)
        lines = [
            Line(ref, ref, (headline_text(model.info.get("metrics") or {}),))
            for ref, model in self._models.items()
        ]
        names.show(lines)
        wanted, self._wanted = self._wanted, None
        for at, (ref, model) in enumerate(self._models.items()):
            if wanted in (ref, model.name):
                names.highlighted = at
                break
        if self.focused is None and models:
            names.focus()

    @property
    def _chosen(self) -> ModelFolder | None:
        return self._models.get(self.query_one("#models", LineList).chosen or "")

    @on(OptionList.OptionHighlighted, "#models")
    def _highlighted(self) -> None:
        model = self._chosen
        if model is not None:
            self.fetch(
                lambda: newest_report(self.workspace, model), self._show_newest, group="report"
            )

    def _show_newest(self, report: dict[str, Any] | None) -> None:
        if report is None:
            self._clear(Text("Not evaluated yet. Press r to judge it on its test rows.", "dim"))
        else:
            self._show(report)

    def _clear(self, said: Text) -> None:
        self._report = {}
        self.query_one("#told", Static).update(said)
        for name in ("scores", "details"):
            self.query_one(f"#{name}", Static).update("")
        self.query_one(ConfusionMatrix).show([], [])

    def _show(self, report: dict[str, Any]) -> None:
        self._report = report
        said = Text.assemble(
            (f"{plain(report['model'])} on {plain(report['dataset'])}", "bold"),
            (f"  {report['split']} · {human_count(report['rows'])} rows", "dim"),
        )
        for note in report.get("notes", ()):
            said.append(f"\n! {plain(note)}", "yellow")
        self.query_one("#told", Static).update(said)
        self.query_one("#scores", Static).update(scores_table(report))
        confusion = report.get("confusion") or {"labels": [], "matrix": []}
        matrix = self.query_one(ConfusionMatrix)
        matrix.show(confusion["labels"], confusion["matrix"])
        matrix.styles.height = len(confusion["labels"]) + HEAD_LINES if confusion["labels"] else 0
        self.query_one("#details", Static).update(classes_table(report))

    def on_confusion_matrix_cell_selected(self, event: ConfusionMatrix.CellSelected) -> None:
        """List the mistakes of a cell in place of the classes."""
        self.query_one("#details", Static).update(
            mistakes_table(self._report, event.true, event.predicted, event.count)
        )

    @on(OptionList.OptionSelected, "#models")
    def action_evaluate(self) -> None:
        model = self._chosen
        if model is None:
            return

        def launch() -> Run:
            run = Runs(self.workspace).create("evaluate", {"model": model.ref}, model=model.ref)
            run.launch()
            return run

        self._clear(Text("starting…", "dim"))
        self.fetch(launch, self._follow, group="launch")

    def _follow(self, run: Run) -> None:
        def poll() -> None:
            self.fetch(run.state, look, group="follow")

        def look(state: RunState) -> None:
            if state.state in ("queued", "running"):
                done = percent(state.step / state.steps, 0) if state.step and state.steps else "…"
                self.query_one("#told", Static).update(Text(f"evaluating  {done}", "dim"))
                self.set_timer(refresh_interval(), poll)
            elif state.state == "finished":
                self._show(json.loads((run.artifacts / REPORT).read_text()))
            else:
                error = LeptonError.from_json(state.error or {"what": f"it was {state.state}"})
                self._clear(Text.assemble(("✗ ", "red"), str(error), f"\n  {error.hint}"))

        poll()

    def action_try(self) -> None:
        if self._chosen is not None:
            self.studio.visit("infer", model=self._chosen.name)

    def shell_command(self) -> str:
        model = shlex.quote(self._chosen.ref) if self._chosen else "MODEL"
        if not self._report:
            return f"lepton eval {model}"
        dataset, split = shlex.quote(self._report["dataset"]), self._report["split"]
        return f"lepton eval {model} {dataset}" + ("" if split == "all" else f" --split {split}")


def newest_report(workspace: Workspace, model: ModelFolder) -> dict[str, Any] | None:
    """The report of the newest finished evaluation of a model; None when there is none."""
    for run in Runs(workspace).all():
        if run.kind != "evaluate" or run.spec.get("model") not in (model.ref, model.name):
            continue
        try:
            report: dict[str, Any] = json.loads((run.artifacts / REPORT).read_text())
        except (OSError, ValueError):
            continue
        if report.get("model") == model.ref:
            return report
    return None
