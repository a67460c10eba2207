"""A file or the records of an API, over HTTP, into scratch files."""

from __future__ import annotations

import mimetypes
import re
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.data.sources.desk import Desk
from core.data.sources.located import Located
from core.data.sources.remote.address import shown
from core.data.sources.remote.marks import is_etag, mark_of
from core.data.sources.remote.next_page import first_address
from core.data.sources.remote.pages import read_pages
from core.data.sources.remote.web import Answer, open_web
from core.errors import LeptonError

MOST_MARKS = 20
# What servers call the formats that the table of the system does not know.
SUFFIXES = {
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.apache.arrow.file": ".arrow",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
}


def download(desk: Desk, source: str) -> Located:
    """The file at an address, or all records of the API there, as one local file.

    Raises:
        UnchangedError: the server says that the file is as it was when it came.
        LeptonError: it does not answer, refuses, or sends more than is allowed.
        UsageError: the options do not fit what comes.
    """
    url = first_address(source.partition("#")[0], desk.options.next_page)
    folder = desk.scratch_folder()
    with open_web(desk, url) as web:
        held = folder / "answer"
        with held.open("xb") as out:
            answer = web.fetch(url, out, tell=desk.progress, unless=_unless(desk, source))
        _refuse_web_page(held, answer)
        place = held.rename(folder / _file_name(answer, url))
        if (records := read_pages(desk, web, answer, place, url)) is not None:
            place.unlink()
            place = records
    desk.stand_for(place, source)
    # The mark of one page says nothing of the others.
    mark = mark_of(answer.headers) if records is None else None
    return Located([place], [source], etags={source: mark} if mark else {})


def _unless(desk: Desk, source: str) -> dict[str, str]:
    """The headers by which a server knows what was brought in from this address before."""
    marks = desk.seen.etags(source)
    if not marks or desk.options.records or desk.options.next_page:
        return {}
    if not is_etag(marks[0]):
        return {"If-Modified-Since": marks[0]}
    return {"If-None-Match": ", ".join([*filter(is_etag, marks)][:MOST_MARKS])}


def _refuse_web_page(held: Path, answer: Answer) -> None:
    """A page for people is what many servers send instead of a file: a list, a form to log in."""
    with held.open("rb") as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise LeptonError(
            "what came is a web page, not a file of data",
            where=shown(answer.url),
            hint="Name the file itself; if one must log in to see it, set LEPTON_HTTP_HEADERS.",
        )


def _file_name(answer: Answer, url: str) -> str:
    """What the file is called: by its sender, or by its address, with the suffix of its kind."""
    for name in (_said_name(answer.headers), urlsplit(url).path, urlsplit(answer.url).path):
        last = re.sub(r"[^\w.+-]", "_", unquote(name).rstrip("/").rpartition("/")[2])
        last = last.lstrip(".")[-120:]
        if last:
            break
    else:
        last = "answer"
    if not Path(last).suffix:
        kind = answer.headers.get_content_type()
        known = SUFFIXES.get(kind) or (
            mimetypes.guess_extension(kind) if kind not in ("text/plain", "text/html") else None
        )
        last += known if known not in (None, ".bin") else ""
    return last


def _said_name(headers: Message) -> str:
    return headers.get_filename("") or ""
