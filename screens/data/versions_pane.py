"""The Versions tab: how the data set came to be; look at an earlier one, compare, bring it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList, Static

from core.data.diff import Diff, diff
from core.data.lake import Lake
from core.data.version import Version
from screens.data.pane import Pane
from screens.listing import Line, LineList
from screens.tables import plain_table
from screens.text import counted, human_count, plain, relative_time
from screens.widgets.ask import Ask
from screens.widgets.cells import cell_text

VALUE = 24


class VersionsPane(Pane):
    """A line for each version, newest first; below it what the one at the cursor is."""

    TITLE = "Versions"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Look at it"),
        Binding("d", "diff", "Compare", tooltip="What changed since the version before"),
        Binding("b", "restore", "Bring back", tooltip="Make this version the newest again"),
        Binding("n", "tag", "Tag", tooltip="Give this version a name", show=False),
    ]
    DEFAULT_CSS = """
    VersionsPane LineList, VersionsPane LineList:focus { border: none; height: 1fr; }
    VersionsPane #about { height: auto; max-height: 60%; padding: 0 1; border-top: solid $panel; }
    """

    @dataclass
    class Opened(Message):
        """A person wants to look at this version instead of the newest."""

        version: Version

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self._versions: dict[str, Version] = {}

    def compose(self) -> ComposeResult:
        yield LineList("", id="history")
        yield Static(id="about", markup=False)

    def enter(self) -> None:
        self.query_one("#history").focus()

    def changed(self, version: Version) -> None:
        def show(versions: list[Version]) -> None:
            self._versions = {each.ref: each for each in versions}
            lines = [
                Line(
                    each.ref,
                    " ".join([f"@{each.n}", each.op, *(f"#{tag}" for tag in each.tags)]),
                    (human_count(each.rows), relative_time(each.created)),
                )
                for each in versions
            ]
            self.query_one("#history", LineList).show(lines, chosen=version.ref)
            self._tell()

        self.data_screen.fetch(lambda: self.lake.versions(version.dataset), show, group="versions")

    def again(self) -> None:
        """Read the history anew."""
        if self.version is not None:
            self.changed(self.version)

    @property
    def _chosen(self) -> Version | None:
        return self._versions.get(self.query_one("#history", LineList).chosen or "")

    @on(OptionList.OptionHighlighted, "#history")
    def _tell(self) -> None:
        if (chosen := self._chosen) is not None:
            self._say(about(chosen))

    def _say(self, words: RenderableType) -> None:
        self.query_one("#about", Static).update(words)

    @on(OptionList.OptionSelected, "#history")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        if (chosen := self._chosen) is not None:
            self.post_message(self.Opened(chosen))

    def action_diff(self) -> None:
        chosen = self._chosen
        before = self._versions.get(chosen.parents[0]) if chosen and chosen.parents else None
        if chosen is None or before is None:
            self._say(Text("There is no version before it to compare with.", "dim"))
            return
        old, new = before, chosen
        self._say(Text("comparing…", "dim"))
        self.data_screen.fetch(
            lambda: diff(self.lake, old, new), lambda found: self._say(told(found)), group="diff"
        )

    def action_restore(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        if chosen is next(iter(self._versions.values())):
            self._say(Text("This is the newest version already.", "dim"))
            return

        def done(made: Version) -> None:
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

        question = Ask(
            f"A name for {chosen.ref}",
            placeholder="best",
            explained=f"{chosen.dataset}@NAME means this version from then on.",
        )
        self.app.push_screen(question, tag)

    def shell_command(self) -> str:
        return f"lepton data versions {self.name_in_shell}"


def about(version: Version) -> Text:
    """How a version came to be."""
    said = [f"{counted(version.rows, 'row')}, {counted(len(version.columns), 'column')}"]
    if version.parents:
        said.append(f"from {', '.join(version.parents)}")
    if source := version.params.get("source"):
        said.append(f"from {source}")
    if version.author:
        said.append(f"by {version.author}")
    text = Text.assemble((version.ref, "bold"), "  ", plain(" · ".join(said)))
    for done in version.params.get("steps", []):
        counts = ", ".join(f"{count:,} {what}" for what, count in done["did"].items())
        text.append(f"\n  {done['step']['do']}: {plain(counts or 'done')}", "dim")
    return text


def told(found: Diff) -> RenderableType:
    """What differs between two versions."""
    said = [
        f"+ {counted(found.added, 'row')}" if found.added else "",
        f"- {counted(found.removed, 'row')}" if found.removed else "",
        f"~ {counted(found.changed, 'row')} changed" if found.changed else "",
        f"+ {plain(', '.join(found.columns_added))}" if found.columns_added else "",
        f"- {plain(', '.join(found.columns_removed))}" if found.columns_removed else "",
        *(f"{plain(each.name)}: {each.old} → {each.new}" for each in found.retyped),
    ]
    head = Text.assemble(
        (f"{found.old.ref} → {found.new.ref}  ", "bold"),
        " · ".join(each for each in said if each) or "nothing differs",
    )
    table = plain_table("", "row", "column", "before", "after")
    for change in found.examples[:8]:
        sign = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
        key = ", ".join(cell_text(value, VALUE).text for value in change.key.values())
        for name, (before, after) in list(change.cells.items())[:3]:
            old = "" if change.kind == "added" else cell_text(before, VALUE).text
            new = "" if change.kind == "removed" else cell_text(after, VALUE).text
            table.add_row(sign, Text(key), Text(plain(name)), Text(old), Text(new))
    return Group(head, table) if found.examples else head
