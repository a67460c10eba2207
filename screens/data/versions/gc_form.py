"""The form that removes old versions: which may go, and what that would free, before it is done."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from core.data.lake.garbage import Freed
from core.errors import LeptonError, UsageError
from core.lineage.removal import age_of, collect_garbage
from core.workspace import Workspace
from screens.fetching import Fetch, while_open
from screens.text import counted, human_bytes
from screens.widgets.confirm import Confirm
from screens.widgets.form import Form, row

SHOWN = 12


class GcForm(Form[Freed]):
    """Asks what to keep, shows what would go, and removes it when that is confirmed."""

    HEADING = "Remove old versions of all data sets"
    KEYS = "enter removes · tab next field · ^y command · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Remove"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+y", "show_command", "Command")]

    def __init__(self, workspace: Workspace, fetch: Fetch[Freed]) -> None:
        super().__init__()
        self._workspace = workspace
        self._fetch = while_open(self, fetch)
        self._going: Freed | None = None

    def fields(self) -> ComposeResult:
        yield from row("keep", Input("1", placeholder="1"), "Keep")
        yield from row("older", Input("30d", placeholder="of any age"), "Older than")

    def on_mount(self) -> None:
        self._look()

    @on(Input.Changed)
    def _look(self) -> None:
        """Say what would go."""
        self._going = None
        self.found("")
        self.complain("")
        if (wanted := self._wanted()) is None:
            return
        self.found(Text("looking…", "dim"))

        def done(freed: Freed) -> None:
            self._going = freed
            self.found(freed_words(freed, "Would free"))

        self._fetch(lambda: self._collect(wanted, dry_run=True), done, group="gc", failed=self._no)

    def _wanted(self) -> tuple[int, timedelta] | None:
        keep, older = self.typed("keep") or "1", self.typed("older")
        if not keep.isdecimal() or int(keep) < 1:
            self.complain(f'"{keep}" versions cannot be kept. The newest always stays: 1 or more.')
            return None
        try:
            return int(keep), age_of(older) if older else timedelta()
        except UsageError as error:
            self.complain(error)
            return None

    def _collect(self, wanted: tuple[int, timedelta], *, dry_run: bool) -> Freed:
        keep, older = wanted
        return collect_garbage(self._workspace, keep=keep, older=older, dry_run=dry_run)

    def _no(self, error: LeptonError) -> None:
        self.found("")
        self.complain(error)

    def action_done(self) -> None:
        wanted, going = self._wanted(), self._going
        if wanted is None or going is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._fetch(
                    lambda: self._collect(wanted, dry_run=False),
                    self._removed,
                    group="gc",
                    failed=self._no,
                )

        if going.versions:
            question = f"Remove {counted(len(going.versions), 'old version')}?"
            self.app.push_screen(Confirm(question, "This cannot be undone."), answered)
        else:
            answered(True)

    def _removed(self, freed: Freed) -> None:
        self.dismiss(freed)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        words = ["lepton", "data", "gc", "--keep", self.typed("keep") or "1"]
        words += ["--older", older] if (older := self.typed("older")) else []
        self.app.push_screen(CommandModal(shlex.join(words)))


def freed_words(freed: Freed, verb: str) -> Text:
    """How much it is, and which versions."""
    said = Text.assemble(
        (f"{verb} {human_bytes(freed.bytes)}", "bold"),
        f": {counted(len(freed.versions), 'version')}, {counted(freed.files, 'data file')},"
        f" {counted(freed.scratch, 'scratch file')}, {counted(freed.caches, 'training cache')}.",
    )
    refs = [version.ref for version in freed.versions]
    if refs:
        more = f" and {len(refs) - SHOWN} more" if len(refs) > SHOWN else ""
        said.append(f"\n{', '.join(refs[:SHOWN])}{more}", "dim")
    said.append("\nWhat a tag, a model or a run refers to stays, and so does the newest.", "dim")
    return said
