"""A JSON API, page after page, as one file of JSON Lines."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from core.data.sources.desk import Desk
from core.data.sources.remote.address import shown
from core.data.sources.remote.json_path import (
    CURSORS,
    MISSING,
    MORE,
    NEXT_LINKS,
    PAGE,
    PAGES,
    TOTALS,
    dig,
    record_lists,
    whole_number,
)
from core.data.sources.remote.web import Answer, RefusedError, Web, followed
from core.data.sources.said import counted
from core.errors import LeptonError, UsageError

LARGEST_PAGE = 256 << 20
MOST_PAGES = 100_000
OFFSETS = ("offset", "start", "skip", "from", "startat", "$skip", "start_index", "startindex")
_LINK = re.compile(r"<([^>]*)>([^<]*)")


@dataclass(frozen=True)
class Page:
    """One answer: the address asked for, what came, and the records in it."""

    url: str
    answer: Answer
    body: Any
    records: list[Any]


Onward = Callable[[Page], str | None]
"""The address of the page after one; None after the last."""


def way_on(said: str | None) -> tuple[Onward, str | None]:
    """How to go on, and the parameters of the first request, from the words of `--next-page`.

    `none` reads one page. `link` follows the header. `PATH` is where an answer holds the next
    address. `PARAMETER=PATH` is a parameter, and where an answer holds its next value.
    `PARAMETER=1` counts pages from there; a parameter called offset counts records. Without words
    the usual ways are tried.

    Raises:
        UsageError: the words are none of these.
    """
    if said is None:
        return _usual, None
    parameter, equals, rest = (part.strip() for part in said.partition("="))
    if said == "none":
        return lambda page: None, None
    if said == "link":
        return _by_header, None
    if not parameter or (equals and not rest):
        raise UsageError(
            f'"{said}" does not say how to get to the next page',
            hint="Write --next-page PATH, PARAMETER=PATH, PARAMETER=1, link or none.",
        )
    if not equals:
        return lambda page: _by_link(page, parameter), None
    if rest.isdigit():
        return lambda page: _by_count(page, parameter), f"{parameter}={rest}"
    return lambda page: _by_cursor(page, parameter, rest), None


def with_parameter(url: str, name: str, value: object) -> str:
    """The address with one parameter set."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*kept, (name, str(value))])))


def first_address(url: str, said: str | None) -> str:
    """The address of the first page: where pages are counted, with the first number."""
    _, first = way_on(said)
    if first is None:
        return url
    name, _, value = first.partition("=")
    there = name in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return url if there else with_parameter(url, name, value)


def read_pages(desk: Desk, web: Web, answer: Answer, first: Path, url: str) -> Path | None:
    """The records of all pages, of which the first is in a file; None where that is no page.

    Raises:
        LeptonError: an answer is no JSON, has no records, or the pages go round in a circle.
        UsageError: it is not clear which list holds the records.
    """
    options = desk.options
    asked = options.records is not None or options.next_page is not None
    if not asked and not _may_be_page(answer, first):
        return None
    if first.stat().st_size > LARGEST_PAGE:
        if not asked:
            return None
        raise _too_large(url)
    content = first.read_bytes()
    try:
        body = _parsed(content, url)
    except LeptonError:
        if not asked:
            return None
        raise
    where = options.records
    if where is None:
        lists = record_lists(body)
        if len(lists) > 1:
            raise UsageError(
                f"the answer holds several lists: {', '.join(lists[:8])}",
                where=shown(url),
                hint=f"Name the one to read: --records {lists[0]}",
            )
        if lists == ["."] and not asked and _by_header(Page(url, answer, body, [])) is None:
            return None
        if not lists and not asked:
            return None
        where = lists[0] if lists else "."
    onward, _ = way_on(options.next_page)
    place = desk.scratch(".jsonl")
    with place.open("w", encoding="utf-8") as out:
        page = Page(url, answer, body, _records(body, where, url))
        pages, rows = _Reading(desk, web, where, onward).write(page, content, out)
    total = whole_number(body, TOTALS)
    if pages > 1:
        desk.note(f"{counted(pages, 'page')} were read")
    elif total is not None and total > rows and options.next_page is None:
        desk.note(
            f"the answer speaks of {total:,} records and holds {rows:,}; say how to go on:"
            " --next-page"
        )
    return place


@dataclass(frozen=True)
class _Reading:
    """How the pages of one API are gone through."""

    desk: Desk
    web: Web
    where: str
    onward: Onward

    def write(self, page: Page, content: bytes, out: TextIO) -> tuple[int, int]:
        """Write the records of a page and of all after it; the numbers of pages and records."""
        seen = {page.url}
        pages = rows = 0
        while True:
            pages += 1
            for record in page.records:
                row = record if isinstance(record, dict) else {"value": record}
                out.write(json.dumps(row, ensure_ascii=True) + "\n")
            rows += len(page.records)
            self.desk.progress(rows, whole_number(page.body, TOTALS) or 0)
            following = self.onward(page)
            if following is None:
                return pages, rows
            if following in seen:
                raise LeptonError(
                    "the pages go round in a circle: the next one was read before",
                    where=f"page {pages:,} of {shown(page.url)}",
                    hint="Say how to get to the next page, with --next-page, or none.",
                )
            if pages == MOST_PAGES:
                raise LeptonError(
                    f"there are more than {MOST_PAGES:,} pages",
                    where=shown(page.url),
                    hint="Ask for more records on a page, or for a part of them.",
                )
            seen.add(following)
            held = io.BytesIO()
            try:
                answer = self.web.fetch(following, held, LARGEST_PAGE)
            except RefusedError as error:
                # Some say so that there are no more pages to count.
                if error.status == 404 and self.onward not in (_usual, _by_header):
                    return pages, rows
                raise
            before, content = content, held.getvalue()
            if content == before and page.records:
                raise LeptonError(
                    "two pages after each other are the same",
                    where=f"page {pages + 1:,} of {shown(page.url)}",
                    hint="Check the parameter of --next-page.",
                )
            body = _parsed(content, following)
            page = Page(following, answer, body, _records(body, self.where, following))


def _records(body: Any, where: str, url: str) -> list[Any]:
    found = dig(body, where)
    if isinstance(found, list):
        return found
    if found is None:
        return []
    if isinstance(found, dict) and where == ".":
        return [found]
    raise LeptonError(
        f"there is no list of records at {where}",
        where=shown(url),
        hint=f"There are lists at: {', '.join(record_lists(body)) or 'no place'}.",
    )


def _may_be_page(answer: Answer, first: Path) -> bool:
    """Whether an answer is one JSON object, or a list with more to come."""
    kind = (answer.headers.get_content_type() or "").lower()
    if not (kind.endswith("json") or first.suffix in ("", ".json")):
        return False
    if kind.endswith(("x-ndjson", "jsonl", "jsonlines", "json-seq")):
        return False
    with first.open("rb") as file:
        head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head[:1] in (b"{", b"[")


def _usual(page: Page) -> str | None:
    if (header := _by_header(page)) is not None:
        return header
    if any(dig(page.body, name) is False for name in MORE):
        return None
    for path in NEXT_LINKS:
        found = dig(page.body, path)
        if isinstance(found, str) and re.match(r"https?://|/|\?", found):
            return followed(page.url, found)
    for path, parameter in CURSORS.items():
        if (address := _by_cursor(page, parameter, path)) is not None:
            return address
    number, count = whole_number(page.body, PAGE), whole_number(page.body, PAGES)
    if number is not None and count is not None and number < count and page.records:
        return with_parameter(page.url, "page", number + 1)
    return None


def _by_header(page: Page) -> str | None:
    for header in page.answer.headers.get_all("Link") or ():
        for address, facts in _LINK.findall(header):
            if re.search(r'(?i);\s*rel\s*=\s*"?[^";]*\bnext\b', facts):
                return followed(page.answer.url, address)
    return None


def _by_link(page: Page, path: str) -> str | None:
    found = dig(page.body, path)
    return followed(page.url, found) if isinstance(found, str) and found else None


def _by_cursor(page: Page, parameter: str, path: str) -> str | None:
    found = dig(page.body, path)
    if found is MISSING or found in (None, "", False) or isinstance(found, dict | list):
        return None
    return with_parameter(page.url, parameter, found)


def _by_count(page: Page, parameter: str) -> str | None:
    """The next number of a page, or of its first record, as long as records come."""
    if not page.records:
        return None
    now = dict(parse_qsl(urlsplit(page.url).query)).get(parameter, "")
    if not now.isdigit():
        return None
    step = len(page.records) if parameter.lower() in OFFSETS else 1
    return with_parameter(page.url, parameter, int(now) + step)


def _parsed(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise LeptonError(
            "the answer is no JSON", where=shown(url), hint="Check the address."
        ) from error


def _too_large(url: str) -> LeptonError:
    return LeptonError(
        f"one page is larger than {LARGEST_PAGE:,} bytes",
        where=shown(url),
        hint="Ask for fewer records on a page.",
    )
