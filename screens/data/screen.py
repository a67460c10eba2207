"""The Data screen: data sets at the left, the chosen one's rows and facts at the right."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import OptionList, Static, TabbedContent, TabPane, Tabs

from core.data.lake import Lake
from core.data.version import Version
from core.errors import LeptonError
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from screens.base import LeptonScreen
from screens.data.findings import findings_table, profile_table, versions_table
from screens.data.import_form import ImportForm, ImportRequest
from screens.data.row_view import RowView
from screens.data.rows import LakeRows
from screens.listing import Line, LineList
from screens.text import counted, human_bytes, human_count, plain
from screens.widgets.confirm import Confirm
from screens.widgets.table_view import TableView

TABS = ("rows", "profile", "check", "versions")
IMPORT_POLL_SECONDS = 0.25


class DataScreen(LeptonScreen):
    """Bring data sets in, look at their rows, and see what is wrong with them."""

    MODE = "data"
    TITLE = "Data"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "i", "import", "Import", tooltip="Bring in a file, a folder or a built-in data set"
        ),
        Binding("s", "split", "Split", tooltip="Give every row to train, validation or test"),
        Binding("t", "train", "Train", tooltip="Train a model on this data set"),
        Binding("x", "remove", "Remove", tooltip="Remove this data set", show=False),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", key_display="[", show=False),
        Binding(
            "right_square_bracket",
            "tab(1)",
            "Next tab",
            key_display="]",
            tooltip="Rows, profile, check, versions",
        ),
    ]
    DEFAULT_CSS = """
    DataScreen {
        #datasets { width: 24; }
        &.-wide #datasets { width: 32; }
        #chosen { width: 1fr; }
        #facts { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #welcome { padding: 1 2; display: none; height: 1fr; }
        &.-empty #welcome { display: block; }
        &.-empty #panes { display: none; }
        TabPane { padding: 0; }
        TabPane > VerticalScroll { padding: 0 1; }
        VerticalScroll > Static { height: auto; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lake = Lake(self.workspace)
        self._versions: dict[str, Version] = {}
        self._version: Version | None = None
        self._wanted: str | None = None
        self._shown: set[str] = set()

    def body(self) -> ComposeResult:
        with Horizontal():
            yield LineList("Data sets", id="datasets")
            with Vertical(id="chosen"):
                yield Static(id="facts", markup=False)
                yield Static(
                    "No data set yet.\n\nPress i to bring one in; mnist-sample is always there.",
                    id="welcome",
                )
                with TabbedContent(id="panes"):
                    with TabPane("Rows", id="rows"):
                        yield TableView(id="table")
                    for tab in TABS[1:]:
                        with TabPane(tab.title(), id=tab), VerticalScroll():
                            yield Static(id=f"{tab}-text", markup=False)

    def on_mount(self) -> None:
        self.refresh_datasets()

    def on_screen_resume(self) -> None:
        self.refresh_datasets()

    def arrive(self, *, dataset: str | None = None, **_: Any) -> None:
        self._wanted = dataset
        self.refresh_datasets()

    def refresh_datasets(self) -> None:
        self.fetch(self._lake.datasets, self._list, group="datasets")

    def _list(self, versions: list[Version]) -> None:
        self._versions = {version.dataset: version for version in versions}
        self.set_class(not versions, "-empty")
        datasets = self.query_one("#datasets", LineList)
        wanted = self._wanted or (self._version.dataset if self._version else None)
        datasets.show([_named(version) for version in versions], chosen=wanted)
        self._wanted = None
        if not versions:
            self._version = None
            self.query_one("#facts", Static).update("")
            return
        if wanted in self._versions:
            datasets.highlighted = list(self._versions).index(wanted)
        chosen = self._versions.get(datasets.chosen or "", versions[0])
        if self._version is None or chosen.ref != self._version.ref:
            self._choose(chosen)
        if self.focused is None:
            datasets.focus()

    @on(OptionList.OptionHighlighted, "#datasets")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        version = self._versions.get(event.option_id or "")
        if version is not None and (self._version is None or version.ref != self._version.ref):
            self._choose(version)

    @on(OptionList.OptionSelected, "#datasets")
    def _selected(self) -> None:
        self.query_one(TableView).focus()

    def _choose(self, version: Version) -> None:
        self._version = version
        self._shown.clear()
        self.query_one("#facts", Static).update(_facts(version))
        self.query_one(TableView).source = LakeRows(self.workspace, version)
        self._fill_tab()

    @on(TabbedContent.TabActivated)
    def _fill_tab(self) -> None:
        """Work out what the open tab shows, once for each version."""
        tab, version = self.query_one(TabbedContent).active, self._version
        if version is None or tab in self._shown or tab not in TABS[1:]:
            return
        pane = self.query_one(f"#{tab}-text", Static)
        pane.update(Text("looking…", "dim"))

        def show(drawn: RenderableType) -> None:
            pane.update(drawn)
            self._shown.add(tab)

        def failed(error: LeptonError) -> None:
            pane.update(Text(f"{error}\n{error.hint}"))

        work: dict[str, Callable[[], RenderableType]] = {
            "profile": lambda: _profile(self._lake, version),
            "check": lambda: _check(self._lake, version),
            "versions": lambda: versions_table(self._lake.versions(version.dataset)),
        }
        self.fetch(work[tab], show, group=tab, failed=failed)

    def action_tab(self, step: int) -> None:
        panes = self.query_one(TabbedContent)
        panes.active = TABS[(TABS.index(panes.active) + step) % len(TABS)]
        panes.query_one(Tabs).focus()

    def on_table_view_row_selected(self, event: TableView.RowSelected) -> None:
        source = self.query_one(TableView).source
        if isinstance(source, LakeRows):
            self.fetch(lambda: source.row(event.index), self._show_row, group="row")

    def _show_row(self, row: tuple[int, dict[str, Any]]) -> None:
        self.app.push_screen(RowView(f"row {row[0]}", row[1]))

    def action_import(self) -> None:
        self.app.push_screen(ImportForm(), self._import)

    def _import(self, request: ImportRequest | None) -> None:
        if request is None:
            return
        # An import is a run of its own, so a lost connection does not end it.
        source = Path(request.source).expanduser()
        spec = {
            "source": str(source.absolute()) if source.exists() else request.source,
            "name": request.name,
            "target": request.target,
            "task": request.task,
        }

        def launch() -> Run:
            run = Runs(self.workspace).create("import", spec, dataset=request.name)
            run.launch()
            return run

        self.notify("Importing…", title=plain(request.source), markup=False)
        self.fetch(launch, self._await_import, group="import")

    def _await_import(self, run: Run) -> None:
        def look(state: RunState) -> None:
            if state.state in ("queued", "running"):
                self.set_timer(IMPORT_POLL_SECONDS, poll)
            elif state.state == "finished":
                result = run.history().result or {}
                rejects = result.get("rejects")
                rows = counted(int(result["rows"]), "row")
                self.notify(
                    f"{counted(rejects, 'row')} not taken; see the log." if rejects else " ",
                    title=f"{result['dataset']}: {rows}",
                    markup=False,
                )
                self.arrive(dataset=str(result["dataset"]).partition("@")[0])
            else:
                told = state.error or {"what": f"the import was {state.state}"}
                self.show_error(LeptonError.from_json(told))

        def poll() -> None:
            self.fetch(run.state, look, group=f"await {run.id}")

        poll()

    def action_split(self) -> None:
        version = self._version
        if version is None:
            return

        def split() -> Version:
            from core.data.split import split as split_version

            return split_version(self._lake, version.ref)

        def done(made: Version) -> None:
            self.notify(f"{made.ref} has its splits.", markup=False)
            self.arrive(dataset=made.dataset)

        self.fetch(split, done, group="split")

    def action_train(self) -> None:
        if self._version is not None:
            self.studio.visit("train", dataset=self._version.dataset)

    def action_remove(self) -> None:
        version = self._version
        if version is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.fetch(
                    lambda: self._lake.remove(version.dataset),
                    lambda _: self.refresh_datasets(),
                    group="remove",
                )

        self.app.push_screen(
            Confirm(
                f"Remove {version.dataset} and all its versions?",
                "Models and runs that came from it stay. This cannot be undone.",
            ),
            answered,
        )

    def shell_command(self) -> str:
        if self._version is None:
            return "lepton data ls"
        name = shlex.quote(self._version.dataset)
        verb = self.query_one(TabbedContent).active
        if verb == "rows":
            at = self.query_one(TableView).cursor_row
            return f"lepton data rows {name} --offset {at}" if at else f"lepton data rows {name}"
        return f"lepton data {verb} {name}"


def _named(version: Version) -> Line:
    return Line(version.dataset, version.dataset, (human_count(version.rows),))


def _facts(version: Version) -> Text:
    said = [
        counted(version.rows, "row"),
        counted(len(version.columns), "column"),
        human_bytes(version.bytes),
        version.task or "no task",
    ]
    if version.target:
        said.append(f"target {plain(version.target)}")
    return Text.assemble((version.ref, "bold"), "  ", (" · ".join(said), "dim"), no_wrap=True)


def _profile(lake: Lake, version: Version) -> RenderableType:
    from core.data.profile import profile

    with lake.open(version) as view:
        return profile_table(profile(view))


def _check(lake: Lake, version: Version) -> RenderableType:
    from core.data.check import check

    with lake.open(version) as view:
        return findings_table(check(view, target=version.target))
