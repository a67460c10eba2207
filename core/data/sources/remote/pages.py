"""A JSON API, page after page, as one file of JSON Lines."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from core.data.sources.desk import Desk, NoRecordsError
from core.data.sources.remote.address import shown
from core.data.sources.remote.failures import RefusedError, too_large
from core.data.sources.remote.json_path import (
    MISSING,
    MORE,
    NEXT_LINKS,
    PAGE,
    PAGES,
    TOTALS,
    TROUBLE,
    dig,
    flag,
    record_lists,
    whole_number,
)
from core.data.sources.remote.next_page import Page, Way, by_header, way_on
from core.data.sources.remote.web import Answer, Web
from core.data.sources.said import counted
from core.errors import LeptonError, UsageError

LARGEST_PAGE = 256 << 20
_NOTHING: tuple[Any, ...] = (MISSING, None, "", False, {}, [])
MOST_PAGES = 100_000


def read_pages(desk: Desk, web: Web, answer: Answer, first: Path, url: str) -> Path | None:
    """The records of all pages, of which the first is in a file; None where that is no page.

    Raises:
        LeptonError: an answer is no JSON, has no records, or the pages go round in a circle.
        UsageError: it is not clear which list holds the records.
    """
    options = desk.options
    asked = options.records is not None or options.next_page is not None
    large = first.stat().st_size > LARGEST_PAGE
    if not asked and (large or not _may_be_page(answer, first)):
        return None
    if large:
        raise too_large(url, LARGEST_PAGE, page=True)
    content = first.read_bytes()
    try:
        body = _parsed(content, url)
    except LeptonError:
        if not asked:
            return None
        raise
    one = Page(url, answer, body, [])
    where = options.records
    if where is None:
        lists = record_lists(body)
        if not asked and not lists:
            _refuse_trouble(body, url)
        if len(lists) > 1:
            raise UsageError(
                f"the answer holds several lists: {', '.join(lists[:8])}",
                where=shown(url),
                hint=f"Name the one to read: --records {lists[0]}",
            )
        if not asked and (not lists or (lists == ["."] and by_header(one) is None)):
            if lists:
                _speak_of_more(desk, one, len(body))
            return None
        where = lists[0] if lists else "."
    place = desk.scratch(".jsonl")
    with place.open("w", encoding="utf-8") as out:
        reading = _Reading(desk, web, where, way_on(options.next_page), out)
        pages, rows = reading.all(Page(url, answer, body, _records(body, where, url)), content)
    if not rows:
        raise NoRecordsError(
            "there are no records in the answer",
            where=shown(url),
            hint="Check the address, and say where they are with --records.",
        )
    if pages > 1:
        desk.note(f"{counted(pages, 'page')} were read")
    elif options.next_page is None:
        _speak_of_more(desk, one, rows)
    elif options.next_page != "none":
        desk.note(f"one page was read; --next-page {options.next_page} led to no other")
    return place


@dataclass(frozen=True)
class _Reading:
    """How the pages of one API are gone through."""

    desk: Desk
    web: Web
    where: str
    way: Way
    out: TextIO

    def all(self, page: Page, content: bytes) -> tuple[int, int]:
        """Write the records of a page and of all after it; the numbers of pages and records."""
        seen = {page.url}
        pages = rows = 0
        while True:
            pages += 1
            for record in page.records:
                row = record if isinstance(record, dict) else {"value": record}
                self.out.write(json.dumps(row) + "\n")
            rows += len(page.records)
            self.desk.progress(rows, whole_number(page.body, TOTALS) or 0)
            following = self.way.onward(page)
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
            came = self._next(following)
            if came is None:
                return pages, rows
            answer, before, content = came[0], content, came[1]
            if content == before and page.records:
                if pages > 1 and self.way.counts:
                    self.desk.note(f"after page {pages:,} the same came again: it is the last one")
                    return pages, rows
                raise LeptonError(
                    "two pages after each other are the same",
                    where=f"page {pages + 1:,} of {shown(page.url)}",
                    hint="Say how to get to the next page, with --next-page, or none.",
                )
            body = _parsed(content, following)
            page = Page(following, answer, body, self._more_records(body, following, pages + 1))

    def _next(self, url: str) -> tuple[Answer, bytes] | None:
        """The next answer; None where a way that counts has come beyond the last page."""
        held = io.BytesIO()
        try:
            return self.web.fetch(url, held, LARGEST_PAGE), held.getvalue()
        except RefusedError as error:
            if error.status == 404 and self.way.counts:
                return None
            raise

    def _more_records(self, body: Any, url: str, number: int) -> list[Any]:
        """The records of a later page. Some leave the list out where it would be empty."""
        left_out = isinstance(body, dict) and not any(body.get(name) for name in TROUBLE)
        if left_out and dig(body, self.where) is MISSING:
            self.desk.note(f"page {number:,} holds nothing at {self.where}")
            return []
        return _records(body, self.where, url)


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


def _refuse_trouble(body: Any, url: str) -> None:
    """An answer that tells of a failure, and says all the same that all is well, is no row.

    Raises:
        LeptonError: it is one.
    """
    said = next((body[n] for n in TROUBLE if isinstance(body, dict) and body.get(n)), None)
    if isinstance(said, dict):
        said = said.get("message") or said
    if isinstance(said, str | dict):
        raise LeptonError(
            f"the answer tells of a failure: {str(said)[:160]}",
            where=shown(url),
            hint="Check the address. If that is a row of data: --records .",
        )


def _speak_of_more(desk: Desk, page: Page, rows: int) -> None:
    """Note that an answer which was read as the only page says that there are others."""
    headers = page.answer.headers
    said = headers.get("X-Total-Count") or headers.get("X-Total") or ""
    total = int(said) if said.isdecimal() else whole_number(page.body, TOTALS)
    if total is not None and total > rows:
        what = f"the answer speaks of {total:,} records and holds {rows:,}"
    elif flag(page.body, MORE) or any(dig(page.body, p) not in _NOTHING for p in NEXT_LINKS):
        what = "the answer says that there are more records"
    elif total is None and whole_number(page.body, PAGES) is None and _is_page(page.body):
        what = "the answer calls itself a page and does not say of how many"
    else:
        return
    desk.note(f"{what}; say how to go on: --next-page")


def _is_page(body: Any) -> bool:
    return bool(record_lists(body)) and whole_number(body, PAGE) is not None


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


def _parsed(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise LeptonError(
            "the answer is no JSON", where=shown(url), hint="Check the address."
        ) from error
