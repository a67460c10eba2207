"""Doubting labels with a model: which one is asked, and the run in which it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Select

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import Finding
from core.data.quality.score import Checked
from core.errors import Cancelled, LeptonError
from core.evaluation.checking import REPORT
from core.models.registry import ModelFolder, Models
from core.runs.run import Run
from core.runs.state import RunState
from screens.base import LeptonScreen
from screens.data.following import follow, launched
from screens.fetching import Fetch
from screens.text import plain
from screens.widgets.form import Form, row


class DoubtForm(Form[str]):
    """Asks for a model that tells classes; answers with its name and version."""

    KEYS: ClassVar[str] = "^s begins · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Doubt"))

    def __init__(self, version: Version, lake: Lake, fetch: Fetch[list[ModelFolder]]) -> None:
        super().__init__()
        self._version = version
        self._lake = lake
        self._fetch = fetch

    def heading(self) -> str:
        return f"Doubt labels of {self._version.ref}"

    def fields(self) -> ComposeResult:
        yield from row("model", Select([], prompt="looking…", compact=True))

    def on_mount(self) -> None:
        self.found(
            Text(
                "A model answers every row; a label that it contradicts with confidence may be"
                " wrong. Best are rows that it was not trained on.",
                "dim",
            )
        )

        def there(models: list[ModelFolder]) -> None:
            if not self.is_attached:
                return
            field = self.query_one("#model", Select)
            field.set_options(
                (Text(f"{model.ref}  {plain(str(model.info.get('dataset')))}"), model.ref)
                for model in models
            )
            own = [m.ref for m in models if m.info.get("dataset") == self._version.dataset]
            if own:
                field.value = own[0]
            if not models:
                field.prompt = "none"
                self.complain("There is no model that tells classes yet. Train one first: t.")

        self._fetch(self._models, there, group="models")

    def _models(self) -> list[ModelFolder]:
        known = Models(self._lake.workspace).list()
        return [model for model in known if str(model.info["task"]).endswith("classification")]

    def action_done(self) -> None:
        if (model := self.typed("model")) is not None:
            self.dismiss(model)
        else:
            self.complain("Choose a model.", "model")


def doubt(
    screen: LeptonScreen,
    version: Version,
    model: str,
    *,
    against: str | None,
    began: Callable[[Run], None],
    done: Callable[[Checked], None],
    failed: Callable[[LeptonError], None],
) -> None:
    """Check a version with a model, in a process of its own."""
    spec: dict[str, Any] = {"dataset": version.ref, "target": None, "against": against}
    spec["model"] = model

    def launch() -> Run:
        return launched(screen.workspace, "check", spec, dataset=version.ref, model=model)

    def report(run: Run) -> Checked:
        (found,) = json.loads((run.artifacts / REPORT).read_text())
        return Checked(version, tuple(Finding.from_json(each) for each in found["findings"]))

    def ended(run: Run, state: RunState) -> None:
        if state.state == "finished":
            screen.fetch(lambda: report(run), done, group="check", failed=failed)
        elif state.state == "stopped":
            failed(Cancelled("the check was stopped"))
        else:
            failed(LeptonError.from_json(state.error or {"what": f"the check was {state.state}"}))

    def follows(run: Run) -> None:
        began(run)
        follow(screen, run, going=lambda _: None, ended=lambda state: ended(run, state))

    screen.fetch(launch, follows, group="check", failed=failed)
