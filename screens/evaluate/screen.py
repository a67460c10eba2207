"""The Evaluate screen: models and their reports at the left, the chosen report at the right."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, OptionList, Select, Static

from core.errors import LeptonError
from core.models.registry import ModelFolder
from core.runs.run import Run
from core.runs.store import Runs
from screens.base import LeptonScreen
from screens.evaluate.certainty import reliability, scores
from screens.evaluate.contrast import against, slices, suspected
from screens.evaluate.report_view import classes_table, mistakes_table, title
from screens.evaluate.reports import Evaluation, Reports, Seen
from screens.listing import Line, LineList, headline_number
from screens.refresh import refresh_interval
from screens.text import plain, relative_time, state_badge
from screens.widgets.ask import Ask
from screens.widgets.bars import bar
from screens.widgets.confirm import Confirm
from screens.widgets.confusion import HEAD_LINES, ConfusionMatrix
from screens.widgets.form import options

LIST_SECONDS = 2.0
SHOWN_MODELS = 8
SPLITS = ("test", "validation", "train", "all")
NO_MODELS = """\
No model to evaluate yet.

Press 3 to train one: training keeps test rows aside, and here they judge it.\
"""


class EvaluateScreen(LeptonScreen):
    """Judge models; each evaluation is a run of its own and leaves a report."""

    MODE = "evaluate"
    TITLE = "Evaluate"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "evaluate", "Evaluate", tooltip="Judge the model on these rows"),
        Binding("a", "against", "Against", tooltip="Judge it beside another model"),
        Binding("p", "slices", "Slices", tooltip="Judge it on parts of the rows too"),
        Binding("t", "try", "Try", tooltip="Try the model on a row, a file or a text"),
        Binding("x", "remove", "Remove", tooltip="Remove this report", show=False),
        Binding("s", "stop", "Stop", tooltip="Stop this evaluation"),
    ]
    DEFAULT_CSS = """
    EvaluateScreen {
        #lists { width: 20; }
        &.-wide #lists { width: 40; }
        #judged { width: 1fr; }
        #rows { height: 1; padding: 0 1; }
        #rows > Select { width: 1fr; margin-right: 1; }
        #rows SelectCurrent { background: $boost; }
        #rows > Select:focus > SelectCurrent { background: $primary 30%; }
        #rows > #split { width: 16; }
        #report { padding: 0 1; scrollbar-size-vertical: 1; }
        #report > Static { height: auto; margin-bottom: 1; }
        #report > #title { text-wrap: wrap; }
        #matrix { height: 0; max-height: 32; margin-bottom: 1; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #panes { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._reports = Reports(self.workspace)
        self._seen = Seen([], [], [])
        self._wanted: str | None = None
        self._started_run: str | None = None
        self._shown: Evaluation | None = None
        self._looking = False

    def body(self) -> ComposeResult:
        yield Static(NO_MODELS, id="welcome", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="lists"):
                yield LineList("Models", id="models")
                yield LineList("Reports", id="reports")
            with Vertical(id="judged"):
                with Horizontal(id="rows"):
                    yield Select[str]([], prompt="its own data set", id="dataset", compact=True)
                    yield Select(options(SPLITS), prompt="test", id="split", compact=True)
                    yield Button("Evaluate", id="evaluate", variant="primary", compact=True)
                with VerticalScroll(id="report"):
                    yield Static(id="title", markup=False)
                    yield Static(id="scores", markup=False)
                    yield Static(id="against", markup=False)
                    yield ConfusionMatrix(id="matrix")
                    yield Static(id="cell", markup=False)
                    yield Static(id="classes", markup=False)
                    yield Static(id="slices", markup=False)
                    yield Static(id="reliability", markup=False)
                    yield Static(id="mistakes", markup=False)
                    yield Static(id="suspected", markup=False)
                    yield Static(id="files", markup=False)

    def on_mount(self) -> None:
        self.set_interval(LIST_SECONDS, self._look)
        self.set_interval(refresh_interval(), self._poll)

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, dataset: str | None = None, **_: Any) -> None:
        self._wanted = model
        if dataset in self._seen.datasets:
            self.query_one("#dataset", Select).value = dataset
        self._look()

    # What there is

    def _look(self) -> None:
        if self.is_current:
            self.fetch(self._reports.look, self._list, group="look")

    def _list(self, seen: Seen) -> None:
        before, self._seen = self._seen, seen
        self.set_class(not seen.models, "-empty")
        if seen.datasets != before.datasets:
            datasets = self.query_one("#dataset", Select)
            kept = datasets.selection
            datasets.set_options(options(seen.datasets))
            if kept in seen.datasets:
                datasets.value = kept
        self._models.show(
            [
                Line(model.ref, model.ref, (headline_number(model.metrics, model.metric),))
                for model in seen.models
            ],
            chosen=self._named(self._wanted),
        )
        self._wanted = None
        if self.focused is None and seen.models:
            self._models.focus()
        self._list_reports()

    def _named(self, wanted: str | None) -> str | None:
        """The newest version of the model that was meant."""
        return next((m.ref for m in self._seen.models if wanted in (m.ref, m.name)), None)

    @property
    def _models(self) -> LineList:
        return self.query_one("#models", LineList)

    @property
    def model(self) -> ModelFolder | None:
        """The model that the cursor is on."""
        return next((m for m in self._seen.models if m.ref == self._models.chosen), None)

    def _list_reports(self) -> None:
        """The evaluations of the chosen model; the newest is opened when the model changed."""
        model = self.model
        mine = [each for each in self._seen.evaluations if model and each.judges(model)]
        reports = self.query_one("#reports", LineList)
        reports.show([_line(each) for each in mine], chosen=self._started_run)
        if self._started_run in {each.run.id for each in mine}:
            self._started_run = None
        chosen = next((each for each in mine if each.run.id == reports.chosen), None)
        if chosen != self._shown or chosen is None:
            self._show(chosen)
        self.refresh_bindings()

    @on(OptionList.OptionHighlighted, "#models")
    def _other_model(self) -> None:
        self._list_reports()

    @on(OptionList.OptionHighlighted, "#reports")
    def _other_report(self, event: OptionList.OptionHighlighted) -> None:
        chosen = next((e for e in self._seen.evaluations if e.run.id == event.option_id), None)
        if chosen is not None and chosen != self._shown:
            self._show(chosen)
        self.refresh_bindings()

    # One report

    def _show(self, evaluation: Evaluation | None) -> None:
        same = evaluation and self._shown and evaluation.run.id == self._shown.run.id
        self._shown = evaluation
        report = evaluation.report if evaluation else None
        if not same:
            self.query_one("#report", VerticalScroll).scroll_home(animate=False)
        parts: dict[str, Any] = {"title": _state(evaluation)}
        matrix = self.query_one(ConfusionMatrix)
        confusion = (report or {}).get("confusion") or {"labels": [], "matrix": []}
        matrix.show(confusion["labels"], confusion["matrix"])
        matrix.styles.height = len(confusion["labels"]) + HEAD_LINES if confusion["labels"] else 0
        matrix.display = bool(confusion["labels"])
        if report is not None:
            parts["title"] = title(report)
            parts["scores"] = scores(report)
            parts["classes"] = classes_table(report)
            parts["mistakes"] = mistakes_table(report)
            parts |= {
                key: made(report)
                for key, of, made in (
                    ("against", "against", against),
                    ("slices", "slices", slices),
                    ("reliability", "calibration", reliability),
                )
                if report.get(of)
            }
            if (report.get("suspected") or {}).get("rows"):
                parts["suspected"] = suspected(report)
            if evaluation and "format" in report:
                folder = plain(str(self.workspace.runs / evaluation.run.id / "artifacts"))
                parts["files"] = Text(f"report.html, .md and .json lie in {folder}", "dim")
            if confusion["labels"]:
                parts["cell"] = Text("enter on a cell names its mistakes", "dim")
        for part in self.query("#report > Static").results(Static):
            name = str(part.id)
            part.display = name in parts
            part.update(parts.get(name, ""))

    def on_confusion_matrix_cell_selected(self, event: ConfusionMatrix.CellSelected) -> None:
        """Name the mistakes of a cell under the matrix."""
        if self._shown is not None and self._shown.report is not None:
            cell = (event.true, event.predicted, event.count)
            self.query_one("#cell", Static).update(mistakes_table(self._shown.report, cell))

    def _poll(self) -> None:
        """Follow the evaluation that is shown while it goes on."""
        shown = self._shown
        if shown is None or shown.run.pid is None or self._looking or not self.is_current:
            return
        self._looking = True

        def seen(evaluation: Evaluation) -> None:
            self._looking = False
            if self._shown is None or self._shown.run.id != evaluation.run.id:
                return
            if evaluation.run.pid is None:
                self._look()
            elif evaluation != self._shown:
                self._show(evaluation)

        def failed(_: LeptonError) -> None:
            self._looking = False
            self._look()

        run = shown.run.id
        self.fetch(
            lambda: self._reports.of(Runs(self.workspace).get(run)),
            seen,
            group="poll",
            failed=failed,
        )

    # What a person does

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self._shown.run if self._shown else None
        match action:
            case "evaluate" | "try" | "against" | "slices":
                return bool(self._seen.models)
            case "stop":
                return run is not None and run.pid is not None
            case "remove":
                return run is not None and run.pid is None
        return True

    @on(OptionList.OptionSelected, "#models")
    @on(Button.Pressed, "#evaluate")
    def action_evaluate(self) -> None:
        """Judge the chosen model on the chosen rows."""
        self._evaluate()

    def _evaluate(self, **more: Any) -> None:
        if (model := self.model) is not None:
            dataset, split = self._asked()
            self.fetch(
                lambda: self._reports.start(model.ref, dataset, split, **more),
                self._started,
                group="start",
            )

    def action_against(self) -> None:
        """Judge the chosen model beside another one."""
        others = [each.ref for each in self._seen.models if each is not self.model]

        def answered(name: str | None) -> None:
            if name:
                self._evaluate(against=name)

        told = f"There are: {', '.join(map(plain, others[:SHOWN_MODELS]))}." if others else ""
        question = Ask("Against which model", placeholder="name, or name@version", explained=told)
        self.app.push_screen(question, answered)

    def action_slices(self) -> None:
        """Judge the chosen model on parts of the rows too."""

        def answered(typed: str | None) -> None:
            wanted = [each.strip() for each in (typed or "").split(";") if each.strip()]
            if wanted:
                self._evaluate(slices=wanted)

        explained = "Columns or SQL conditions, with ; between them, such as: island; age > 30"
        self.app.push_screen(Ask("By which slices", explained=explained), answered)

    def _asked(self) -> tuple[str | None, str | None]:
        dataset: str | None = self.query_one("#dataset", Select).selection
        split: str | None = self.query_one("#split", Select).selection
        return dataset, split

    def _started(self, run: Run) -> None:
        self._started_run = run.id
        self._look()

    @on(OptionList.OptionSelected, "#reports")
    def _read(self) -> None:
        self.query_one("#report", VerticalScroll).focus()

    def action_try(self) -> None:
        if (model := self.model) is not None:
            self.studio.visit("infer", model=model.name)

    def action_stop(self) -> None:
        if self._shown is not None:
            run = self._shown.run.id
            self._do(lambda: Runs(self.workspace).get(run).stop(wait=0))

    def action_remove(self) -> None:
        if self._shown is None:
            return
        run = self._shown.run.id

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(lambda: Runs(self.workspace).remove(run))

        about = plain(self._shown.about)
        self.app.push_screen(
            Confirm(f"Remove the report on {about}?", "The model stays."), answered
        )

    def _do(self, work: Callable[[], object]) -> None:
        self.fetch(work, lambda _: self._look(), group="do")

    def shell_command(self) -> str:
        words = ["lepton", "eval", self.model.ref if self.model else "MODEL"]
        dataset, split = self._asked()
        words += [dataset] if dataset else []
        words += ["--split", split] if split else []
        spec = self._shown.spec if self._shown else {}
        words += ["--against", spec["against"]] if spec.get("against") else []
        for each in spec.get("slices") or ():
            words += ["--slice", each]
        return shlex.join(words)


def _line(evaluation: Evaluation) -> Line:
    run = evaluation.run
    report = evaluation.report
    far = headline_number(report["metrics"], report.get("metric")) if report else ""
    age = relative_time(run.created).removesuffix(" ago")
    return Line(run.id, f"{state_badge(run.state)[0]} {evaluation.about}", (far, age))


def _state(evaluation: Evaluation | None) -> Text:
    """How an evaluation without a report stands."""
    if evaluation is None:
        return Text("Not evaluated yet. Press r to judge it on its test rows.", "dim")
    run = evaluation.run
    said = Text(f"{state_badge(run.state)}  {plain(evaluation.about)}", "bold")
    if run.pid is not None:
        if run.step and run.steps:
            share = run.step / run.steps
            said.append(f"\n{bar(share, 20)} {share:.0%} of {run.steps:,} rows")
        else:
            said.append("\nloading the model")
    if run.error:
        error = LeptonError.from_json(run.error)
        said.append(f"\n✗ {plain(str(error))}")
        if error.hint:
            said.append(f"\n→ {plain(error.hint)}")
    elif run.state == "finished":
        said.append("\nIts report is gone; press r to judge again.")
    return said
