"""The Profile tab: what each column holds."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from core.data.profile import Profile, profile
from core.data.version import Version
from core.errors import LeptonError
from screens.data.pane import Pane
from screens.data.profile_table import profile_table
from screens.text import plain


class ProfilePane(Pane):
    """A line for each column."""

    TITLE = "Profile"
    DEFAULT_CSS = "ProfilePane VerticalScroll { padding: 0 1; }"

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(id="columns", markup=False)

    def enter(self) -> None:
        self.query_one(VerticalScroll).focus()

    def changed(self, version: Version) -> None:
        shown = self.query_one("#columns", Static)
        shown.update("looking…")

        def look() -> Profile:
            with self.lake.open(version) as view:
                return profile(view)

        def failed(error: LeptonError) -> None:
            shown.update(f"✗ {plain(str(error))}\n{plain(error.hint)}")

        self.data_screen.fetch(
            look, lambda found: shown.update(profile_table(found)), group="profile", failed=failed
        )

    def shell_command(self) -> str:
        return f"lepton data profile {self.name_in_shell}"
