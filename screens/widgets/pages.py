"""The cells of a table as they come: which pages are here, and which one to ask for next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from textual.cache import LRUCache

PAGE_ROWS = 128
PAGE_COLUMNS = 64
"""Of a table of thousands of columns only those near what is seen are fetched."""
PAGES_KEPT = 24

COMING = object()
"""Stands for the value of a cell that is not here yet."""

Row = Sequence[Any]


class ColumnHead(NamedTuple):
    """A column as the head of the table names it: its name and a word for its type."""

    name: str
    type: str = ""


class RowSource(Protocol):
    """Where rows come from. All three are called from threads, never two at the same time."""

    @property
    def columns(self) -> Sequence[ColumnHead]: ...

    def count(self) -> int:
        """How many rows there are."""

    def page(self, offset: int, limit: int, columns: range) -> Sequence[Row]:
        """The rows from `offset` on, at most `limit`, each with the values of these columns."""


class Page(NamedTuple):
    """A part of a table by its number among the rows, and among the columns."""

    down: int
    across: int = 0

    def columns(self, of: int) -> range:
        """Its columns in a table that has so many."""
        first = self.across * PAGE_COLUMNS
        return range(min(first, of), min(first + PAGE_COLUMNS, of))


@dataclass(frozen=True)
class Loaded:
    """What the source gave: a page, with the first one the columns, and then the count."""

    page: Page
    rows: Sequence[Row]
    columns: Sequence[ColumnHead] | None = None
    count: int | None = None


class Pages:
    """What is known of one source. The event loop owns it; only `fetch` runs in a thread.

    One page at most is on its way. Whoever scrolls past a thousand pages while it comes asks
    afterwards for what is then in view, and for none of those in between.
    """

    def __init__(self, source: RowSource | None) -> None:
        self.source = source
        self.columns: Sequence[ColumnHead] = ()
        self.count: int | None = None
        self.error: Exception | None = None
        self._pages: LRUCache[Page, Sequence[Row]] = LRUCache(PAGES_KEPT)
        self._coming = False

    @property
    def known(self) -> int:
        """The rows there are, as far as that is known."""
        return self.count if self.count is not None else len(self._pages.get(Page(0)) or ())

    @property
    def heads(self) -> Sequence[ColumnHead]:
        """The columns of the source, also before the event loop knows them."""
        return self.source.columns if self.source is not None else ()

    def cell(self, index: int, column: int) -> Any:
        """The value of a row in a column, or `COMING`; None where the row has none there."""
        page = self._pages.get(Page(index // PAGE_ROWS, column // PAGE_COLUMNS))
        if page is None or index % PAGE_ROWS >= len(page):
            return COMING
        row = page[index % PAGE_ROWS]
        place = column % PAGE_COLUMNS
        return row[place] if place < len(row) else None

    def row(self, index: int) -> Row | None:
        """A row's values if all of them are at hand."""
        values = tuple(self.cell(index, column) for column in range(len(self.columns)))
        return None if not values or COMING in values else values

    def ask(self, first: int, last: int, columns: Iterable[int]) -> Page | None:
        """The page to fetch now for the rows from `first` to `last` in these columns.

        None where all of them are here, or where an answer must be waited for.
        """
        if self.source is None or self.error is not None or self._coming:
            return None
        page: Page | None = Page(0)
        if self.count is not None:
            last = min(last, self.count - 1)
            across = dict.fromkeys(column // PAGE_COLUMNS for column in columns)
            down = range(first // PAGE_ROWS, last // PAGE_ROWS + 1)
            wanted = (Page(row, column) for row in down for column in across)
            page = next((page for page in wanted if page not in self._pages), None)
        self._coming = page is not None
        return page

    def fetch(self, page: Page) -> Iterator[Loaded]:
        """In a thread: the answers of the source, to be given to `take` on the event loop."""
        assert self.source is not None
        opening = self.count is None
        columns = self.source.columns if opening else None
        across = page.columns(len(self.heads))
        rows = self.source.page(page.down * PAGE_ROWS, PAGE_ROWS, across)
        # Rows are shown before they are counted: a count can take its time.
        count = len(rows) if opening and len(rows) < PAGE_ROWS else None
        yield Loaded(page, rows, columns, count)
        if opening and count is None:
            yield Loaded(page, rows, None, self.source.count())

    def take(self, loaded: Loaded) -> None:
        """Keep what a thread brought."""
        self._pages[loaded.page] = loaded.rows
        if loaded.columns is not None:
            self.columns = loaded.columns
        if loaded.count is not None:
            self.count = loaded.count
        self._coming = self.count is None

    def fail(self, error: Exception) -> None:
        """The source could not answer; it is not asked again."""
        self.error = error
        self._coming = False
