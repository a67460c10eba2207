"""What the tabs of the Data screen have in common."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from screens.base import LeptonScreen
from screens.data.rows.look import Look

STOPPED = "stopped; r looks again"
# How old things are is drawn anew no oftener: over a slow line each redraw is waited for.
AGE_SECONDS = 10.0


class Pane(Vertical):
    """A tab. It is told which version to show when it comes to the front."""

    TITLE: ClassVar[str]
    DEFAULT_CSS = """
    Pane { height: 1fr; }
    Pane .note { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap;
        text-overflow: ellipsis; }
    Pane .problem { height: auto; max-height: 4; padding: 0 1; color: $text-error; }
    """

    @dataclass
    class VersionMade(Message):
        """A step made this version of the data set."""

        version: Version

    class VersionsGone(Message):
        """Versions were removed here."""

    @dataclass
    class RowsWanted(Message):
        """A person wants to see these rows."""

        look: Look

    @dataclass
    class StepsOffered(Message):
        """Steps that would mend what was found, for the recipe."""

        steps: list[dict[str, Any]]

    @dataclass
    class Moved(Message):
        """The `place` where a person is in the tab is another now."""

        pane: Pane

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(id=id)
        self.BINDING_GROUP_TITLE = self.TITLE
        self.lake = lake
        self.version: Version | None = None
        self.place = ""
        # Work that was stopped: whoever comes back to the tab sees it begin again.
        self.unfinished = False
        self._newest = True

    @property
    def data_screen(self) -> LeptonScreen:
        """The screen, whose threads do the work."""
        return cast("LeptonScreen", self.screen)

    @property
    def ref(self) -> str:
        """The version as a person names it: the newest by its data set alone."""
        if self.version is None:
            return ""
        return self.version.dataset if self._newest else self.version.ref

    @property
    def name_in_shell(self) -> str:
        return shlex.quote(self.ref)

    def look_at(self, version: Version, *, newest: bool = True) -> None:
        """Show a version, unless it is the one that is shown already, as a whole."""
        self._newest = newest
        if self.unfinished or self.version is None or self.version.ref != version.ref:
            self.version = version
            self.place = ""
            self.action_again()

    def action_again(self) -> None:
        """Look at the version once more."""
        if self.version is not None:
            self.unfinished = False
            self.changed(self.version)

    def changed(self, version: Version) -> None:
        """Another version is to be shown."""
        raise NotImplementedError

    def enter(self) -> None:
        """The tab was chosen by a key: give the keys to what is worked with."""
        raise NotImplementedError

    def leave(self, focused: Widget | None) -> bool:
        """Escape was pressed at a widget: whether something of the tab was left by it."""
        return False

    def for_training(self) -> dict[str, Any]:
        """What was chosen here for a training, as its settings have it."""
        return {}

    def stop(self) -> bool:
        """Stop what a person waits for here; whether there was something."""
        return False

    def grow_older(self) -> None:
        """Some seconds went by: what tells how long ago something was tells it anew."""

    def shell_command(self) -> str:
        """The command that does in a shell what the tab shows."""
        raise NotImplementedError
