"""Places in the JSON answers of an API: where the records are, and what says how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

RECORDS = (
    *("data", "items", "results", "result", "records", "rows", "value", "values", "entries"),
    *("hits", "objects", "features", "content", "list", "docs", "elements", "nodes"),
)
NEXT_LINKS = (
    *("next", "next.href", "next_url", "nextUrl", "next_page_url", "next_page", "nextPage"),
    *("nextLink", "next_link", "@odata.nextLink", "links.next", "links.next.href", "_links.next"),
    *("_links.next.href", "paging.next", "paging.next.link", "pagination.next"),
    *("pagination.next_url", "meta.next", "meta.next_url", "info.next"),
)
NEXT_NUMBERS = ("next_page", "nextPage")
# Where a cursor stands, and the parameter that takes it.
CURSORS = {
    "next_cursor": "cursor",
    "nextCursor": "cursor",
    "cursor.next": "cursor",
    "meta.next_cursor": "cursor",
    "pagination.next_cursor": "cursor",
    "response_metadata.next_cursor": "cursor",
    "next_page_token": "page_token",
    "nextPageToken": "pageToken",
    "next_token": "next_token",
    "nextToken": "nextToken",
    "paging.next.after": "after",
    "paging.cursors.after": "after",
}
# How many records were passed over; a parameter of the same name takes that number.
OFFSETS = ("offset", "skip", "startAt", "start_index", "from")
MORE = ("has_more", "hasMore", "has_next", "hasNext")
TOTALS = (
    *("total", "total_count", "totalCount", "count", "total_results", "totalResults"),
    "totalElements",
)
PAGE = ("page", "current_page", "currentPage", "page_number", "number")
PAGES = ("total_pages", "totalPages", "pages", "last_page", "lastPage", "num_pages", "page_count")
BESIDE = ("", "meta", "pagination", "paging", "info", "page_info")
# What stands in an answer that tells of a failure.
TROUBLE = ("error", "errors", "fault", "exception")
MISSING = object()


def dig(value: Any, path: str) -> Any:
    """What stands at a path such as `data.items` or `pages.0`; `MISSING` where there is nothing.

    A key that itself holds a point is found too.
    """
    if path in ("", "."):
        return value
    if isinstance(value, dict) and path in value:
        return value[path]
    head, point, rest = path.partition(".")
    while point:
        if isinstance(value, dict) and head in value:
            found = dig(value[head], rest)
            if found is not MISSING:
                return found
        more, point, rest = rest.partition(".")
        head = f"{head}.{more}"
    if isinstance(value, list):
        number, _, rest = path.partition(".")
        if number.isdigit() and int(number) < len(value):
            return dig(value[int(number)], rest)
    return MISSING


def record_lists(value: Any) -> list[str]:
    """The paths of lists in an answer that may be its records, the likeliest alone if one is."""
    if isinstance(value, list):
        return ["."]
    if not isinstance(value, dict):
        return []
    for depth in (1, 2):
        found = list(_lists(value, depth))
        likely = [path for path in found if path.rpartition(".")[2] in RECORDS]
        if likely:
            return likely[:1]
        if filled := [path for path in found if dig(value, path)]:
            return filled
    return []


def _lists(value: dict[str, Any], depth: int, above: str = "") -> Iterator[str]:
    """Paths of lists of objects, or empty ones, so many levels down."""
    keys = sorted(value, key=lambda key: RECORDS.index(key) if key in RECORDS else len(RECORDS))
    for key in keys:
        each = value[key]
        if depth > 1 and isinstance(each, dict):
            yield from _lists(each, depth - 1, f"{above}{key}.")
        elif depth == 1 and isinstance(each, list) and all(isinstance(e, dict) for e in each):
            yield f"{above}{key}"


def whole_number(value: Any, names: tuple[str, ...]) -> int | None:
    """The number that stands under one of these names, at the top or beside the records."""
    return next((each for each in _beside(value, names) if type(each) is int), None)


def flag(value: Any, names: tuple[str, ...]) -> bool | None:
    """Yes or no, where one of these names says so."""
    return next((each for each in _beside(value, names) if isinstance(each, bool)), None)


def _beside(value: Any, names: tuple[str, ...]) -> Iterator[Any]:
    for place in BESIDE:
        for name in names:
            yield dig(value, f"{place}.{name}" if place else name)
