"""The line that tells how an import goes; the import itself is a run that outlives the screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from core.errors import LeptonError
from core.runs.run import Run
from core.runs.state import RunState
from screens.data.following import follow, launched
from screens.text import counted, percent, plain

if TYPE_CHECKING:
    from screens.base import LeptonScreen
    from screens.data.forms.import_form import ImportRequest


class ImportLine(Static):
    """Follows one import at a time; hidden when there is none."""

    DEFAULT_CSS = """
    ImportLine { display: none; height: 1; padding: 0 1; color: $text-accent; text-wrap: nowrap; }
    ImportLine.-busy { display: block; }
    """

    @dataclass
    class Ended(Message):
        """The import made this data set, or brought `added` rows into it."""

        dataset: str
        rows: int
        rejected: int
        added: int | None
        notes: list[str]

        bubble: ClassVar[bool] = True

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._run: Run | None = None
        self._what = ""
        self._stopping = False

    @property
    def busy(self) -> bool:
        return self._run is not None

    @property
    def _home(self) -> LeptonScreen:
        return cast("LeptonScreen", self.screen)

    def start(self, request: ImportRequest) -> None:
        """Begin the import that a person asked for."""
        workspace = self._home.workspace
        self._what = plain(request.source or f"what is new for {request.name}")
        self._stopping = False
        self._tell("starting")

        def launch() -> Run:
            return launched(workspace, "import", request.spec(), dataset=request.name)

        def failed(error: LeptonError) -> None:
            self._rest()
            self._home.show_error(error)

        self._home.fetch(launch, self._follow, group="import", failed=failed)

    def cancel(self) -> bool:
        """Stop the import; whether there is one. What it has done so far leaves no trace."""
        run = self._run
        if run is None:
            return False
        self._stopping = True
        self._tell("stopping…")
        self._home.fetch(lambda: run.stop(wait=None), lambda _: None, group="cancel import")
        return True

    def _follow(self, run: Run) -> None:
        self._run = run

        def going(state: RunState) -> None:
            if not self._stopping:
                share = state.step / state.steps if state.step and state.steps else None
                self._tell(f"{percent(share, 0) if share is not None else 'reading'} · esc stops")

        def ended(state: RunState) -> None:
            self._rest()
            if state.state == "finished":
                report = (run.history().result or {})["report"]
                facts = (report[key] for key in ("name", "rows", "rejected", "added", "notes"))
                self.post_message(self.Ended(*facts))
            elif state.state == "stopped":
                self._home.notify("Nothing of it was kept.", title="Import stopped", timeout=5)
            else:
                told = state.error or {"what": f"the import was {state.state}"}
                self._home.show_error(LeptonError.from_json(told))

        follow(self._home, run, going=going, ended=ended)

    def _tell(self, words: str) -> None:
        self.add_class("-busy")
        self.update(Text(f"importing {self._what}: {words}", no_wrap=True))

    def _rest(self) -> None:
        self._run = None
        self.remove_class("-busy")


def ended_words(ended: ImportLine.Ended) -> tuple[str, str]:
    """Title and text of what is said when an import is done."""
    rows = counted(ended.rows, "row")
    title = f"{ended.dataset}: {rows}"
    if ended.added is not None:
        new = counted(ended.added, "new row") if ended.added else "nothing new"
        title = f"{ended.dataset}: {new}, {rows} in all"
    said = [_sentence(note) for note in ended.notes]
    if ended.rejected:
        said.append(f"{counted(ended.rejected, 'row')} not taken: r among the rows shows them.")
    return title, " ".join(said) or " "


def _sentence(note: str) -> str:
    return plain(note[:1].upper() + note[1:]) + "."
