"""Rows before and after augmentation, beside or beneath one another."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from core.augmentation.base import AUDIO, IMAGE, TOKENS
from core.augmentation.example import Cell, Example
from screens.data.rows.sound import SoundView
from screens.text import plain
from screens.widgets.image_view import ImageView

GAP = "·"
"""Stands where words were left out."""


class ExampleView(Vertical):
    """One row, and what becomes of it in so many epochs; or why it cannot be shown."""

    DEFAULT_CSS = """
    ExampleView { height: auto; }
    ExampleView > .head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ExampleView > .wrong { display: none; color: $text-muted; }
    ExampleView.-wrong > .wrong { display: block; }
    ExampleView.-wrong > .body { display: none; }
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self._shown: tuple[Example, int] | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="head", markup=False)
        yield Static(classes="wrong", markup=False)
        yield from self.body()

    def body(self) -> ComposeResult:
        """What shows the cells, of the class "body"."""
        raise NotImplementedError

    def show(self, example: Example, first: int) -> None:
        """Show another row; its epochs are numbered from `first` on."""
        self._shown = (example, first)
        if self.is_mounted:
            self._show(example, first)

    def on_mount(self) -> None:
        if self._shown is not None:
            self._show(*self._shown)

    def _show(self, example: Example, first: int) -> None:
        self.set_class(bool(example.problem), "-wrong")
        self.query_one(".head", Static).update(_head(example))
        self.query_one(".wrong", Static).update(Text(f"✗ {plain(example.problem)}"))
        if not example.problem:
            self.draw(example, first)

    def draw(self, example: Example, first: int) -> None:
        raise NotImplementedError


class PictureExample(ExampleView):
    """Pictures beside one another, each under its label."""

    DEFAULT_CSS = """
    PictureExample Horizontal { height: 30vh; min-height: 8; }
    PictureExample .body > Vertical { width: 1fr; margin-right: 1; }
    PictureExample .body Static { height: 1; color: $text-muted; text-wrap: nowrap; }
    """

    def body(self) -> ComposeResult:
        with Horizontal(classes="body"):
            for _ in range(1 + self.epochs):
                with Vertical():
                    yield Static(markup=False)
                    yield ImageView()

    def draw(self, example: Example, first: int) -> None:
        places = zip(self.query(".body Static"), self.query(ImageView), strict=True)
        for (label, content), (said, view) in zip(_labelled(example, first), places, strict=True):
            assert isinstance(said, Static)
            assert isinstance(content, bytes)
            said.update(Text(label))
            view.show(content)


class TextExample(ExampleView):
    """Texts beneath one another, with what is new or gone in them."""

    DEFAULT_CSS = """
    TextExample { margin-bottom: 1; }
    TextExample > .body { height: auto; padding-left: 2; }
    """

    def body(self) -> ComposeResult:
        yield Static(classes="body", markup=False)

    def draw(self, example: Example, first: int) -> None:
        lines = [
            Text(f"{label}  ", "dim").append_text(told(str(example.before), str(content)))
            for label, content in _labelled(example, first)
        ]
        self.query_one(".body", Static).update(Text("\n").join(lines))


class SoundExample(ExampleView):
    """Waves beneath one another."""

    DEFAULT_CSS = """
    SoundExample > .body { height: auto; padding-left: 2; }
    SoundExample SoundView { height: 3; }
    """

    def body(self) -> ComposeResult:
        with Vertical(classes="body"):
            for _ in range(1 + self.epochs):
                yield SoundView()

    def draw(self, example: Example, first: int) -> None:
        for (label, content), view in zip(
            _labelled(example, first), self.query(SoundView), strict=True
        ):
            assert isinstance(content, bytes)
            view.show(content, label)


VIEWS: dict[str, type[ExampleView]] = {
    IMAGE: PictureExample,
    TOKENS: TextExample,
    AUDIO: SoundExample,
}


class Examples(VerticalScroll):
    """Rows of one kind; those that are there already are shown anew, not made anew."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._views: list[ExampleView] = []

    def show(self, kind: str, examples: Sequence[Example], first: int) -> None:
        """Show rows, whose epochs are numbered from `first` on."""
        epochs = max((len(each.after) for each in examples), default=0)
        made = VIEWS[kind]
        if len(self._views) != len(examples) or not all(
            type(view) is made and view.epochs == epochs for view in self._views
        ):
            self.clear()
            self._views = [made(epochs) for _ in examples]
            self.mount(*self._views)
            self.scroll_home(animate=False)
        for example, view in zip(examples, self._views, strict=True):
            view.show(example, first)

    def clear(self) -> None:
        """Show nothing."""
        self._views = []
        self.remove_children()


def told(before: str, after: str) -> Text:
    """The words after, those that are not where they were made bold, a dot where some are gone."""
    old, new = before.split(), after.split()
    parts: list[Text] = []
    for what, low, high, start, stop in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        words = plain(" ".join(new[start:stop]))
        if what == "equal":
            parts.append(Text(words))
        elif stop > start:
            parts.append(Text(words, "bold green"))
        elif high > low:
            parts.append(Text(GAP, "dim"))
    return Text(" ").join(parts)


def _head(example: Example) -> Text:
    """Which row it is, and how much of it is left where it is mixed with another."""
    head = Text(f"row {example.row}", "bold")
    if example.partner is not None:
        shares = ", ".join(f"{each.share:.0%}" for each in example.after)
        head.append(f"  {shares} its own, the rest of row {example.partner}", "not bold dim")
    return head


def _labelled(example: Example, first: int) -> list[tuple[str, Cell]]:
    """What is shown of a row, each with its label."""
    after = [(f"epoch {number}", each.content) for number, each in enumerate(example.after, first)]
    return [("as it is", example.before), *after]
