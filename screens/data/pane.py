"""What the tabs of the Data screen have in common."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from textual.containers import Vertical
from textual.message import Message

from core.data.lake import Lake
from core.data.version import Version
from screens.base import LeptonScreen
from screens.data.look import Look


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

    @dataclass
    class RowsWanted(Message):
        """A person wants to see these rows."""

        look: Look

    @dataclass
    class StepOffered(Message):
        """A step that would mend what was found, for the recipe."""

        step: dict[str, Any]

    def __init__(self, lake: Lake) -> None:
        super().__init__()
        self.lake = lake
        self.version: Version | None = None

    @property
    def data_screen(self) -> LeptonScreen:
        """The screen, whose threads do the work."""
        return cast("LeptonScreen", self.screen)

    @property
    def name_in_shell(self) -> str:
        return shlex.quote(self.version.dataset) if self.version else ""

    def look_at(self, version: Version) -> None:
        """Show a version, unless it is the one that is shown."""
        if self.version is None or self.version.ref != version.ref:
            self.version = version
            self.changed(version)

    def changed(self, version: Version) -> None:
        """Another version is to be shown."""
        raise NotImplementedError

    def enter(self) -> None:
        """The tab was chosen by a key: give the keys to what is worked with."""
        raise NotImplementedError

    def stop(self) -> bool:
        """Stop what a person waits for here; whether there was something."""
        return False

    def shell_command(self) -> str:
        """The command that does in a shell what the tab shows."""
        raise NotImplementedError
