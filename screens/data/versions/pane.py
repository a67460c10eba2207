"""The Versions tab: how the data set came to be, who reads it; compare, bring back, tag, remove."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import OptionList, Static

from core.data.lake.garbage import Freed
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.lineage.readers import readers
from screens.data.pane import Pane
from screens.data.versions.diff_view import DiffView
from screens.data.versions.gc_form import GcForm, freed_words
from screens.data.versions.removing import ask_to_remove
from screens.data.versions.version_words import about, version_line
from screens.listing import LineList
from screens.widgets.ask import Ask

if TYPE_CHECKING:
    from core.lineage.readers import Reader


class History(LineList):
    """The versions; one that is chosen is looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", tooltip="Look at the rows of this version")
    ]


class VersionsPane(Pane):
    """A line for each version, newest first; below it what the one at the cursor is."""

    TITLE = "Versions"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "d",
            "diff",
            "Compare",
            tooltip="Compare with the marked version, else with the one before",
        ),
        Binding("m", "mark", "Mark", tooltip="Mark a version to compare others with"),
        Binding("b", "restore", "Bring back", tooltip="Make this version the newest again"),
        Binding("n", "tag", "Tag", tooltip="Give this version a name"),
        Binding("u", "untag", "Take a tag off this version", show=False),
        Binding("delete,D", "remove", "Remove this version", show=False),
        Binding("g", "collect", "Remove old versions that nothing refers to", show=False),
    ]
    DEFAULT_CSS = """
    VersionsPane LineList, VersionsPane LineList:focus { border: none; height: 1fr; }
    VersionsPane VerticalScroll {
        height: auto; max-height: 50%; padding: 0 1; border-top: solid $panel;
        scrollbar-size-vertical: 1;
    }
    VersionsPane #about { height: auto; }
    """

    @dataclass
    class Opened(Message):
        """A person wants to look at this version instead of the newest."""

        version: Version

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._versions: dict[str, Version] = {}
        self._readers: dict[str, list[Reader]] = {}
        self._marked: str | None = None
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        yield History("", id="history")
        with VerticalScroll(can_focus=False):
            yield Static(id="about", markup=False)

    def enter(self) -> None:
        self.query_one("#history").focus()
        # Runs and models come and go while the version stays.
        self.again()

    def changed(self, version: Version) -> None:
        self._wanted = version.ref
        self.again()

    def again(self) -> None:
        """Read the history anew; the cursor stays where it is, but for a version that is wanted."""
        if (version := self.version) is None:
            return

        def look() -> tuple[list[Version], dict[str, list[Reader]]]:
            return self.lake.versions(version.dataset), readers(self.lake.workspace)

        def show(found: tuple[list[Version], dict[str, list[Reader]]]) -> None:
            versions, self._readers = found
            self._versions = {each.ref: each for each in versions}
            chosen, self._wanted = self._wanted, None
            self._list(chosen)

        self.data_screen.fetch(look, show, group="versions")

    def _list(self, chosen: str | None = None) -> None:
        self.grow_older(chosen)
        self._tell()

    def grow_older(self, chosen: str | None = None) -> None:
        # Of the lines only those are drawn whose words are others than before.
        lines = [version_line(v, marked=v.ref == self._marked) for v in self._versions.values()]
        self.query_one("#history", LineList).show(lines, chosen=chosen)

    @property
    def _chosen(self) -> Version | None:
        return self._versions.get(self.query_one("#history", LineList).chosen or "")

    @on(OptionList.OptionHighlighted, "#history")
    def _tell(self) -> None:
        if (chosen := self._chosen) is not None:
            children = [v for v in self._versions.values() if chosen.ref in v.parents]
            told = about(chosen, children, self._readers.get(chosen.ref, ()))
            self.query_one("#about", Static).update(told)

    @on(OptionList.OptionSelected, "#history")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if (chosen := self._chosen) is not None:
            self.post_message(self.Opened(chosen))

    def action_mark(self) -> None:
        if (chosen := self._chosen) is not None:
            self._marked = None if chosen.ref == self._marked else chosen.ref
            self._list()

    def action_diff(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        marked = self._versions.get(self._marked or "")
        other = marked if marked is not None and marked is not chosen else self._before(chosen)
        if other is None:
            self.notify("Mark another with m, and compare again.", title="Nothing before it")
            return
        old, new = sorted((other, chosen), key=lambda version: version.n)
        self.app.push_screen(DiffView(self.lake, old, new, self.data_screen.fetch))

    def _before(self, version: Version) -> Version | None:
        known = (self._versions.get(ref) for ref in version.parents)
        return next((each for each in known if each is not None), None)

    def action_restore(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        if chosen is next(iter(self._versions.values())):
            self.notify("This is the newest version already.", title="Nothing to bring back")
            return

        def done(made: Version) -> None:
            self.notify(f"It has the rows of {chosen.ref}.", title=f"{made.ref} is the newest")
            self.post_message(self.VersionMade(made))

        self.data_screen.fetch(lambda: self.lake.restore(chosen), done, group="restore")

    def action_tag(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return

        def tag(name: str | None) -> None:
            if name is not None:
                self.data_screen.fetch(
                    lambda: self.lake.tag(chosen, name), lambda _: self.again(), group="tag"
                )

        explained = f"{chosen.dataset}@NAME means this version from then on."
        question = Ask(f"A name for {chosen.ref}", placeholder="best", explained=explained)
        self.app.push_screen(question, tag)

    def action_untag(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        if not chosen.tags:
            self.notify("n gives it one.", title=f"{chosen.ref} has no tag", timeout=5)
            return

        def untag(name: str | None) -> None:
            if name is not None:
                self.data_screen.fetch(
                    lambda: self.lake.untag(chosen.dataset, name),
                    lambda _: self.again(),
                    group="tag",
                )

        if len(chosen.tags) == 1:
            untag(chosen.tags[0])
            return
        explained = f"It has {', '.join(chosen.tags)}."
        self.app.push_screen(
            Ask("Which tag to take off", value=chosen.tags[0], explained=explained), untag
        )

    def action_remove(self) -> None:
        if (chosen := self._chosen) is not None:
            ask_to_remove(self.data_screen, chosen.ref, self._gone)

    def action_collect(self) -> None:
        def collected(freed: Freed | None) -> None:
            if freed is not None:
                self.notify(
                    freed_words(freed, "Freed").plain, title="Old versions removed", markup=False
                )
                self._gone()

        self.app.push_screen(GcForm(self.lake.workspace, self.data_screen.fetch), collected)

    def _gone(self) -> None:
        """Versions went: the screen sees to what it shows, and this tab to its list."""
        self.post_message(self.VersionsGone())
        self.again()

    def shell_command(self) -> str:
        chosen = self._chosen
        return f"lepton data lineage {chosen.ref if chosen else self.name_in_shell}"
