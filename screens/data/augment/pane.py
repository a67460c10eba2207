"""The Augment tab: which augmentations to train with, and what they make of rows."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.augmentation import Augmentation
from core.augmentation.example import Cell, Example
from core.augmentation.material import Material, cells, materials, objects
from core.augmentation.written import fitting, refused, written
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import LeptonError
from screens.data.augment.augmentation_form import AugmentationForm
from screens.data.augment.example_views import Examples
from screens.data.pane import Pane
from screens.data.rows.boxes import with_boxes
from screens.text import plain

ROWS = 4
EPOCHS = 3
ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class Looked:
    """What of a version can be augmented, and the rows of one column that are looked at."""

    materials: list[Material]
    material: Material
    rows: list[tuple[int, Cell | None]]
    objects: list[object] | None
    """What is in each of the pictures, where that is known."""


class AugmentPane(Pane):
    """The augmentations that fit above, rows with those that are on below.

    While none is on, the one at the cursor is shown.
    """

    TITLE = "Augment"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "switch", "On/off", tooltip="Train with it, or not"),
        Binding("enter", "edit", "Settings", tooltip="How strong, how often"),
        Binding("r", "redraw", "Redraw", tooltip="What becomes of the rows in later epochs"),
        Binding("n", "next_rows", "Rows", tooltip="Show the next rows"),
        Binding("c", "other_column", "Other column", show=False),
    ]
    DEFAULT_CSS = """
    AugmentPane OptionList, AugmentPane OptionList:focus {
        height: auto; max-height: 7; border: none; padding: 0; background: $background;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    AugmentPane #wrong { display: none; }
    AugmentPane.-wrong #wrong { display: block; }
    AugmentPane Examples { height: 1fr; padding: 0 1; }
    """

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._set: dict[str, Augmentation] = {}
        """By name, as a person has set them; those that are on or off alike."""
        self._on: set[str] = set()
        self._column: str | None = None
        self._offset = 0
        self._epoch = 0
        self._looked: Looked | None = None

    def compose(self) -> ComposeResult:
        yield OptionList(id="augmentations")
        yield Static(id="doing", classes="note", markup=False)
        yield Static(id="wrong", classes="problem", markup=False)
        yield Examples(id="examples")

    def enter(self) -> None:
        self.query_one("#augmentations").focus()

    # The rows

    def changed(self, version: Version) -> None:
        self._column, self._offset, self._epoch = None, 0, 0
        self._look()

    def _look(self) -> None:
        """Read the rows to show, and then what becomes of them."""
        version, column, offset = self._there, self._column, self._offset
        # What was wrong with the rows before is not said of these.
        self.set_class(False, "-wrong")
        self._say("looking…")

        def look() -> Looked | None:
            with self.lake.open(version) as view:
                found = materials(view)
                if not found:
                    return None
                named = next((each for each in found if each.column == column), found[0])
                rows = cells(view, named.column, offset=offset, count=ROWS)
                return Looked(found, named, rows, objects(view, named, rows))

        self.data_screen.fetch(look, self._have, group="augment", failed=self._failed)

    def _have(self, looked: Looked | None) -> None:
        before, self._looked = self._looked, looked
        if looked is None or not looked.rows:
            self.query_one("#augmentations", OptionList).clear_options()
            self.query_one(Examples).clear()
            why = "no rows" if looked else "no images, texts or sounds"
            self._say(f"{why}: nothing to augment")
            return
        kind = looked.material.kind
        if before is None or before.material.kind != kind:
            self._list(0)
        self._draw()

    # The list

    @property
    def _kinds(self) -> list[type[Augmentation]]:
        return fitting(self._looked.material.kind) if self._looked else []

    @property
    def _at(self) -> type[Augmentation] | None:
        """The one at the cursor."""
        at = self.query_one("#augmentations", OptionList).highlighted
        return self._kinds[at] if at is not None and at < len(self._kinds) else None

    def _of(self, kind: type[Augmentation]) -> Augmentation:
        return self._set.get(kind.name) or kind()

    @property
    def _chosen(self) -> list[Augmentation]:
        """Those that are on and fit, in the order of their use."""
        return [self._of(kind) for kind in self._kinds if kind.name in self._on]

    @property
    def _shown(self) -> list[Augmentation]:
        at = self._at
        return self._chosen or ([self._of(at)] if at is not None else [])

    def _list(self, at: int | None = None) -> None:
        listed = self.query_one("#augmentations", OptionList)
        at = listed.highlighted if at is None else at
        with self.prevent(OptionList.OptionHighlighted):
            listed.set_options(Option(self._line(kind)) for kind in self._kinds)
            listed.highlighted = at

    def _line(self, kind: type[Augmentation]) -> Text:
        on = kind.name in self._on
        return Text.assemble(
            " ✓ " if on else "   ",
            (f"{self._of(kind).word:<10} ", "bold" if on else ""),
            (kind.summary, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )

    # What becomes of the rows

    @on(OptionList.OptionHighlighted, "#augmentations")
    def _moved(self) -> None:
        if not self._chosen:
            self._draw()

    def _draw(self) -> None:
        looked, shown, first = self._looked, self._shown, self._epoch
        if looked is None or not looked.rows or not shown:
            return
        self.set_class(False, "-wrong")
        self._say(f"{written(shown)}…")
        engine = self.data_screen.studio.engine
        words, version = [each.word for each in shown], self._there

        def work() -> tuple[list[Example], str]:
            made = engine.augment(
                words,
                looked.material.kind,
                looked.rows,
                range(first, first + EPOCHS),
                objects=looked.objects,
                timeout=ANSWER_SECONDS,
            )
            return [*map(with_boxes, made)], refused(shown, version.task)

        def done(told: tuple[list[Example], str]) -> None:
            found, why = told
            self.query_one(Examples).show(looked.material.kind, found, first + 1)
            off = "" if self._chosen else " · space on, enter settings"
            rows = f"{plain(looked.material.column)}, rows {found[0].row} to {found[-1].row}"
            self._say(f"{written(shown)} · {rows}{off}")
            if why:
                self._warn(f"! for training: {why}")

        self.data_screen.fetch(work, done, group="augment", failed=self._failed)

    def _say(self, words: str) -> None:
        self.query_one("#doing", Static).update(Text(words))

    def _failed(self, error: LeptonError) -> None:
        self._say("")
        told = ". ".join(plain(said) for said in (str(error), error.hint) if said)
        self._warn(f"✗ {told}")

    def _warn(self, words: str) -> None:
        self.query_one("#wrong", Static).update(Text(words))
        self.set_class(True, "-wrong")

    # Keys

    def action_switch(self) -> None:
        """Put the one at the cursor on, or off."""
        if (at := self._at) is not None:
            self._on ^= {at.name}
            self._list()
            self._draw()

    @on(OptionList.OptionSelected, "#augmentations")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_edit()

    def action_edit(self) -> None:
        """Ask for the settings of the one at the cursor; whoever sets it wants it on."""
        at = self._at
        if at is None:
            return

        def answered(made: Augmentation | None) -> None:
            if made is not None:
                self._set[made.name] = made
                self._on.add(made.name)
                self._list()
                self._draw()

        self.app.push_screen(AugmentationForm(self._of(at)), answered)

    def action_redraw(self) -> None:
        self._epoch += EPOCHS
        self._draw()

    def action_next_rows(self) -> None:
        self._offset += ROWS
        if self._offset >= self._there.rows:
            self._offset = 0
        self._look()

    def action_other_column(self) -> None:
        looked = self._looked
        if looked is not None:
            names = [each.column for each in looked.materials]
            at = names.index(looked.material.column) if looked.material.column in names else -1
            self._column, self._offset = names[(at + 1) % len(names)], 0
            self._look()

    @property
    def _there(self) -> Version:
        assert self.version is not None
        return self.version

    # What others ask

    def for_training(self) -> dict[str, Any]:
        return {"augment": written(self._chosen)} if self._chosen else {}

    def shell_command(self) -> str:
        words = ["lepton", "data", "augment", self.ref]
        looked = self._looked
        if looked is None or not self._shown:
            return shlex.join([*words, "--list"])
        words += ["--augment", written(self._shown)]
        if looked.material != looked.materials[0]:
            words += ["--column", looked.material.column]
        if self._offset:
            words += [word for row, _ in looked.rows for word in ("--row", str(row))]
        if self._epoch:
            words += ["--epochs", str(self._epoch + EPOCHS)]
        return shlex.join(words)
