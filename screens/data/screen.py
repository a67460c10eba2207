"""The Data screen: data sets at the left, the chosen one's rows and facts at the right."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import ContentSwitcher, OptionList, Static

from core.data.exporting.export import Exported
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.tasks import Fit
from screens.base import LeptonScreen
from screens.data.augment.pane import AugmentPane
from screens.data.check.pane import CheckPane
from screens.data.clean.pane import CleanPane
from screens.data.facts_line import FactsLine, Purpose
from screens.data.forms.export_form import ExportForm, exported_words
from screens.data.forms.import_form import ImportForm, ImportRequest
from screens.data.forms.importing import ImportLine, ended_words
from screens.data.forms.split_form import SplitForm
from screens.data.forms.split_result import SplitMade, SplitResult
from screens.data.forms.splitting import Planner, SplitRequest
from screens.data.pane import AGE_SECONDS, Pane
from screens.data.profile.pane import ProfilePane
from screens.data.rows.pane import RowsPane
from screens.data.sql.pane import SqlPane
from screens.data.versions.pane import VersionsPane
from screens.data.versions.removing import ask_to_remove
from screens.listing import Line, LineList
from screens.text import human_count
from screens.widgets.tab_line import TabLine

PANES: dict[str, type[Pane]] = {
    "rows": RowsPane,
    "sql": SqlPane,
    "profile": ProfilePane,
    "check": CheckPane,
    "clean": CleanPane,
    "versions": VersionsPane,
    "augment": AugmentPane,
}

LOOK_SECONDS = 2.0


class DataScreen(LeptonScreen):
    """Bring data sets in, look at their rows, see what is wrong with them and make it right."""

    MODE = "data"
    TITLE = "Data"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "i", "import", "Import", tooltip="Bring in a file, a folder or a built-in data set"
        ),
        Binding("s", "split", "Split", tooltip="Give every row to train, validation or test"),
        Binding("e", "export", "Export", tooltip="Write the rows to a file or a folder"),
        Binding("t", "train", "Train", tooltip="Train a model on this data set"),
        Binding("x", "remove", "Remove", tooltip="Remove this data set", show=False),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", key_display="[", show=False),
        Binding(
            "right_square_bracket",
            "tab(1)",
            "Tab",
            key_display="]",
            tooltip="Rows, SQL, profile, check, clean, versions, augment",
        ),
    ]
    DEFAULT_CSS = """
    DataScreen {
        #datasets { width: 24; }
        &.-wide #datasets { width: 32; }
        #chosen { width: 1fr; }
        #welcome { padding: 1 2; display: none; height: 1fr; }
        &.-empty #welcome { display: block; }
        &.-empty #panes { display: none; }
        ContentSwitcher { height: 1fr; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lake = Lake(self.workspace)
        self._versions: dict[str, Version] = {}
        self._version: Version | None = None
        self._wanted: str | None = None
        self._opened: Version | None = None
        self._guessed: dict[str, Fit | None] = {}
        self._guessing = ""
        self._seen: tuple[int, ...] = ()

    def body(self) -> ComposeResult:
        with Horizontal():
            yield LineList("Data sets", id="datasets")
            with Vertical(id="chosen"):
                yield FactsLine(id="facts")
                yield ImportLine(id="importing")
                yield Static(
                    "No data set yet.\n\nPress i to bring one in; mnist-sample is always there.",
                    id="welcome",
                )
                with Vertical(id="panes"):
                    first = next(iter(PANES))
                    titles = {name: pane.TITLE for name, pane in PANES.items()}
                    yield TabLine(titles, active=first)
                    with ContentSwitcher(initial=first):
                        for name, pane in PANES.items():
                            yield pane(self._lake, id=name)

    def on_mount(self) -> None:
        self.refresh_datasets()
        self.set_interval(LOOK_SECONDS, self._look_around)
        self.set_interval(AGE_SECONDS, self._grow_older)

    def on_screen_resume(self) -> None:
        self.refresh_datasets()

    def arrive(self, *, dataset: str | None = None, **_: Any) -> None:
        self._wanted = dataset
        self.refresh_datasets()

    # Which data set

    def refresh_datasets(self) -> None:
        opened = self._opened

        def look() -> tuple[list[Version], Version | None]:
            versions = self._lake.datasets()
            there = opened is not None and any(v.dataset == opened.dataset for v in versions)
            own = self._lake.versions(opened.dataset) if opened and there else []
            return versions, next((v for v in own if opened and v.ref == opened.ref), None)

        self.fetch(look, lambda found: self._list(*found), group="datasets")

    def _look_around(self) -> None:
        """See what other processes do: the files of the catalogue change whenever one commits."""
        if not self.is_current:
            return
        catalogue = self.workspace.catalogue
        files = (catalogue, catalogue.with_name(f"{catalogue.name}-wal"))
        seen = tuple(file.stat().st_mtime_ns for file in files if file.exists())
        if seen != self._seen:
            self._seen = seen
            self.refresh_datasets()

    def _grow_older(self) -> None:
        if self.is_current:
            self.pane.grow_older()

    def _list(self, versions: list[Version], opened: Version | None) -> None:
        """Show what there is now; `opened` is the earlier version that is looked at, if it is there
        still."""
        self._tell_what_went({version.dataset for version in versions}, opened)
        appeared = not self._versions
        self._versions = {version.dataset: version for version in versions}
        self.set_class(not versions, "-empty")
        datasets = self.query_one("#datasets", LineList)
        wanted = self._wanted or (self._version.dataset if self._version else None)
        datasets.show([_named(version) for version in versions], chosen=wanted)
        arriving, self._wanted = self._wanted, None
        if not versions:
            self._version = None
            self.query_one(FactsLine).clear()
            return
        if wanted in self._versions:
            datasets.highlighted = list(self._versions).index(wanted)
        chosen = self._versions.get(datasets.chosen or "", versions[0])
        # Whoever looks at an earlier version goes on doing so until they choose another.
        if (
            arriving
            or self._version is None
            or chosen.dataset != self._version.dataset
            or (chosen.n != self._version.n and self._opened is None)
        ):
            self._choose(chosen)
        # Only when they appear: between two tabs nothing has the focus, and the next is to get it.
        if appeared and self.focused is None:
            datasets.focus()

    def _tell_what_went(self, there: set[str], opened: Version | None) -> None:
        """Say that another process has removed what is shown."""
        shown = self._version
        if shown is None:
            return
        if shown.dataset not in there or (self._opened is not None and opened is None):
            gone = shown.ref if shown.dataset in there else shown.dataset
            self.notify(f"Somebody removed {gone}.", title="It is gone", markup=False)
            self._opened = self._version = None

    @on(OptionList.OptionHighlighted, "#datasets")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        version = self._versions.get(event.option_id or "")
        if version is not None and (
            self._version is None or version.dataset != self._version.dataset
        ):
            self._choose(version)

    @on(OptionList.OptionSelected, "#datasets")
    def _selected(self) -> None:
        self.pane.enter()

    def _choose(self, version: Version) -> None:
        self._version = version
        if self._opened is not None and self._opened.ref != version.ref:
            self._opened = None
        self._fill()

    def _say_facts(self, place: str = "") -> None:
        version = self._version
        if version is not None:
            newest = self._versions.get(version.dataset, version)
            self.query_one(FactsLine).say(version, newest, place, self._purpose(version))

    def _purpose(self, version: Version) -> Purpose:
        """What training takes the version for; nobody needs to have said it."""
        if version.task:
            return Purpose(version.task, version.target)
        if version.ref in self._guessed:
            fit = self._guessed[version.ref]
            return Purpose(f"{fit.task}, guessed", fit.target) if fit else Purpose("no task suits")
        if version.ref != self._guessing:
            self._guessing = version.ref
            self._guess(version)
        return Purpose()

    def _guess(self, version: Version) -> None:
        def guess() -> Fit:
            from core.ingest import fit_of

            return fit_of(self._lake, version)

        def done(fit: Fit | None) -> None:
            self._guessed[version.ref] = fit
            self._say_facts(self.pane.place)

        self.fetch(guess, done, group="guess", failed=lambda _: done(None))

    @property
    def pane(self) -> Pane:
        """The open tab."""
        return self.query_one(f"#{self.query_one(TabLine).active}", Pane)

    def _fill(self) -> None:
        if self._version is not None:
            self.pane.look_at(self._version, newest=self._opened is None)
            self._say_facts(self.pane.place)

    def action_tab(self, step: int) -> None:
        self.action_open_tab(self.query_one(TabLine).beside(step))

    def action_open_tab(self, name: str) -> None:
        self.query_one(TabLine).active = self.query_one(ContentSwitcher).current = name
        self._fill()
        self.call_after_refresh(self.pane.enter)

    def action_leave_field(self) -> None:
        """Stop what is waited for; else give the keys back to the list of data sets."""
        if self.pane.stop() or self.query_one(ImportLine).cancel():
            return
        if not self.pane.leave(self.focused):
            self.query_one("#datasets").focus()

    # What the tabs ask for

    def on_pane_moved(self, event: Pane.Moved) -> None:
        if event.pane is self.pane:
            self._say_facts(event.pane.place)

    def on_pane_version_made(self, event: Pane.VersionMade) -> None:
        self._opened = None
        self.arrive(dataset=event.version.dataset)

    def on_pane_versions_gone(self) -> None:
        self.refresh_datasets()

    def on_pane_rows_wanted(self, event: Pane.RowsWanted) -> None:
        self.action_open_tab("rows")
        self.query_one(RowsPane).show(event.look)

    def on_pane_steps_offered(self, event: Pane.StepsOffered) -> None:
        self.action_open_tab("clean")
        self.query_one(CleanPane).add(*event.steps)

    def on_versions_pane_opened(self, event: VersionsPane.Opened) -> None:
        newest = self._versions.get(event.version.dataset)
        self._opened = event.version if newest and newest.n != event.version.n else None
        self._choose(event.version)
        self.action_open_tab("rows")

    # Bringing in, splitting, training, removing

    def action_import(self) -> None:
        if self.query_one(ImportLine).busy:
            self.notify("One import at a time; esc stops it.", title="Importing", timeout=5)
            return
        chosen = self._version.dataset if self._version is not None else None
        form = ImportForm(self._lake, self.fetch, list(self._versions), chosen)
        self.app.push_screen(form, self._import)

    def _import(self, request: ImportRequest | None) -> None:
        if request is not None:
            self.query_one(ImportLine).start(request)

    def on_import_line_ended(self, event: ImportLine.Ended) -> None:
        title, text = ended_words(event)
        self.notify(text, title=title, markup=False)
        self._opened = None
        self.arrive(dataset=event.dataset)

    def action_split(self) -> None:
        version = self._version
        if version is None:
            return
        planner = Planner(self._lake)

        def asked(request: SplitRequest | None) -> None:
            if request is not None:
                result = SplitResult(self._lake, request, planner, self.fetch)
                self.app.push_screen(result, made)

        def made(split: SplitMade | None) -> None:
            if split is not None:
                self._opened = None
                self.arrive(dataset=split.version.dataset)
                if split.closer:
                    self.action_open_tab("check")

        self.app.push_screen(SplitForm(version, planner, self.fetch), asked)

    def action_export(self) -> None:
        def written(done: Exported | None) -> None:
            if done is not None:
                title, text = exported_words(done)
                self.notify(text, title=title, markup=False, timeout=8)

        if self._version is not None:
            self.app.push_screen(ExportForm(self._lake, self._version, self.fetch), written)

    def action_train(self) -> None:
        if self._version is not None:
            chosen = self.pane.for_training()
            self.studio.visit("train", dataset=self._version.dataset, **chosen)

    def action_remove(self) -> None:
        if self._version is None:
            return

        def removed() -> None:
            self._version = self._opened = None
            self.refresh_datasets()

        ask_to_remove(self, self._version.dataset, removed)

    def shell_command(self) -> str:
        return self.pane.shell_command() if self._version is not None else "lepton data ls"


def _named(version: Version) -> Line:
    return Line(version.dataset, version.dataset, (human_count(version.rows),))
