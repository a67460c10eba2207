"""A JSON API, page after page: every way on, to the last record, and nothing of what breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options, Reading, import_source, preview_source, renew_source
from core.errors import Cancelled
from tests.data.conftest import Refuses, state
from tests.data.sources.files import read
from tests.data.sources.web_server import Server, send, serving

ROWS = [{"id": i, "word": f"w{i}"} for i in range(23)]
AT_ONCE = 5
WHOLE = [(i, f"w{i}") for i in range(23)]

Asked = dict[str, str]
Style = Callable[[Asked, str], "Any | tuple[Any, dict[str, str]] | int"]
"""The body of an answer for the parameters and the address of the server; or with headers; or a
status."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.FIRST_WAIT", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("NETRC", "/nowhere")
    for name in ("LEPTON_HTTP_HEADERS", "LEPTON_HTTP_QUERY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def api(server: Server, style: Style, path: str = "/api/words") -> str:
    """Serve answers of a style; their address."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        said = style(dict(parse_qsl(urlsplit(request.path).query)), server.url)
        if isinstance(said, int):
            send(request, b"{}", said)
            return
        body, headers = said if isinstance(said, tuple) else (said, {})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        send(request, content, headers={"Content_Type": "application/json", **headers})

    return server.does(path, answer)


def rows_of(page: int) -> list[dict[str, Any]]:
    """The records of a page, of which the first is 1."""
    return ROWS[(page - 1) * AT_ONCE : page * AT_ONCE]


def page_of(asked: Asked, name: str = "page") -> int:
    return int(asked.get(name, "1"))


def more(page: int) -> bool:
    return page * AT_ONCE < len(ROWS)


def next_link(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    following = f"{url}/api/words?page={page + 1}" if more(page) else None
    return {"count": len(ROWS), "next": following, "results": rows_of(page)}


def relative_link(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    return {"links": {"next": f"?page={page + 1}" if more(page) else ""}, "data": rows_of(page)}


def nested_link(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    links = {"next": {"href": f"/api/words?page={page + 1}"}} if more(page) else {}
    return {"_links": links, "_embedded": {"words": rows_of(page)}}


def named_link(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    onward = {"url": f"/api/words?page={page + 1}"} if more(page) else None
    return {"pages.of": {"onward": onward}, "payload": {"deep": {"words": rows_of(page)}}}


def in_header(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    last = f'<{url}/api/words?page=5>; rel="last"'
    link = f'<{url}/api/words?page={page + 1}>; rel="next", {last}' if more(page) else last
    return rows_of(page), {"Link": link}


def numbered(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    return {"meta": {"current_page": page, "total_pages": 5}, "items": rows_of(page)}


def from_nought(asked: Asked, url: str) -> Any:
    number = int(asked.get("page", "0"))
    return {"content": rows_of(number + 1), "number": number, "totalPages": 5}


def next_number(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    return {"words": rows_of(page), "next_page": page + 1 if more(page) else None}


def cursor(asked: Asked, url: str) -> Any:
    page = page_of(asked, "cursor")
    return {"data": rows_of(page), "meta": {"next_cursor": str(page + 1) if more(page) else ""}}


def token(asked: Asked, url: str) -> Any:
    page = page_of(asked, "pageToken")
    return {"files": rows_of(page), **({"nextPageToken": str(page + 1)} if more(page) else {})}


def stale_link(asked: Asked, url: str) -> Any:
    page = page_of(asked)
    return {
        "data": rows_of(page),
        "has_more": more(page),
        "next": f"{url}/api/words?page={page + 1}",
    }


def last_id(asked: Asked, url: str) -> Any:
    start = int(asked.get("after", "-1")) + 1
    held = ROWS[start : start + AT_ONCE]
    return {"rows": held, "paging": {"last": held[-1]["id"] if start + AT_ONCE < 23 else None}}


def bare(asked: Asked, url: str) -> Any:
    return rows_of(page_of(asked))


def bare_until_404(asked: Asked, url: str) -> Any:
    return rows_of(page_of(asked)) or 404


def stays_at_the_last(asked: Asked, url: str) -> Any:
    return rows_of(min(page_of(asked), 5))


def leaves_the_list_out(asked: Asked, url: str) -> Any:
    held = rows_of(page_of(asked))
    return {"items": held} if held else {"kind": "words"}


def by_offset(name: str) -> Style:
    def answer(asked: Asked, url: str) -> Any:
        return {"data": ROWS[int(asked[name]) :][:AT_ONCE], "total": len(ROWS)}

    return answer


def says_its_offset(asked: Asked, url: str) -> Any:
    passed = int(asked.get("offset", 0))
    return {"items": ROWS[passed:][:AT_ONCE], "total": len(ROWS), "offset": passed, "limit": 5}


WAYS: dict[str, tuple[Style, dict[str, str], int]] = {
    "a link in the answer": (next_link, {}, 5),
    "a relative link": (relative_link, {}, 5),
    "a link in a link": (nested_link, {}, 5),
    "a link at a named place": (
        named_link,
        {"next_page": "pages.of.onward", "records": "payload.deep.words"},
        5,
    ),
    "a link in the header": (in_header, {}, 5),
    "a link in the header, named": (in_header, {"next_page": "link"}, 5),
    "page and pages": (numbered, {}, 5),
    "pages from nought": (from_nought, {}, 6),
    "the next number": (next_number, {}, 5),
    "a cursor": (cursor, {}, 5),
    "a token": (token, {}, 5),
    "no more, whatever the link": (stale_link, {}, 5),
    "a named cursor": (last_id, {"next_page": "after = paging.last"}, 5),
    "counted": (bare, {"next_page": "page=1"}, 6),
    "counted to a 404": (bare_until_404, {"next_page": "page=1"}, 6),
    "counted to the last again": (stays_at_the_last, {"next_page": "page=1"}, 6),
    "counted, no list at the end": (leaves_the_list_out, {"next_page": "page=1"}, 6),
    "an offset and a total": (says_its_offset, {}, 5),
    "by offset": (by_offset("offset"), {"next_page": "offset=0"}, 6),
    "by an offset in brackets": (by_offset("page[offset]"), {"next_page": "page[offset]=0"}, 6),
    "by what is left out": (by_offset("$skip"), {"next_page": "$skip=0"}, 6),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_record_comes_once_and_in_order(lake: Lake, server: Server, way: str) -> None:
    style, said, requests = WAYS[way]
    report, rows = read(lake, api(server, style), **said)
    assert rows == WHOLE
    assert len(server.asked) == requests
    assert "5 pages were read" in report.notes or "6 pages were read" in report.notes
    assert report.version.params.get("options", {}) == {k: said[k] for k in said}


def test_the_first_page_is_asked_for_by_its_number(lake: Lake, server: Server) -> None:
    read(lake, api(server, bare) + "?size=5&page=", next_page="page=1")
    assert server.paths[:2] == ["/api/words?size=5&page=1", "/api/words?size=5&page=2"]
    server.asked.clear()
    _, rows = read(lake, api(server, bare) + "?page=4", next_page="page=1")
    assert rows == WHOLE[15:], "a number in the address is where one begins"


def test_one_page_when_that_is_wanted(lake: Lake, server: Server) -> None:
    _, rows = read(lake, api(server, next_link), next_page="none")
    assert rows == WHOLE[:5]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"total": 23, "data": ROWS[:5]}, "speaks of 23 records and holds 5"),
        ({"data": ROWS[:5], "page": 1}, "calls itself a page"),
        ({"data": ROWS[:5], "has_more": True}, "says that there are more records"),
        ({"data": ROWS[:5], "next": "c8-1x"}, "says that there are more records"),
        ((ROWS[:5], {"X_Total_Count": "23"}), "speaks of 23 records and holds 5"),
    ],
)
def test_a_way_on_that_is_not_seen_is_spoken_of(
    lake: Lake, server: Server, answer: Any, words: str
) -> None:
    report, rows = read(lake, api(server, lambda asked, url: answer))
    assert rows == WHOLE[:5]
    (note,) = report.notes
    assert words in note
    assert "--next-page" in note


def test_a_way_that_leads_nowhere_is_spoken_of(lake: Lake, server: Server) -> None:
    report, _ = read(lake, api(server, next_link), next_page="links.nxt")
    assert report.notes == ["one page was read; --next-page links.nxt led to no other"]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"data": {"list": ROWS[:3]}, "took": 3}, 3),
        ({"data": [], "users": ROWS[:3]}, 0),
        ({"id": 1, "word": "alone"}, 1),
        ({"words": ["a", "b"], "id": 7}, 1),
    ],
)
def test_an_object_is_looked_into(
    lake: Lake, server: Server, refuses: Refuses, body: Any, rows: int
) -> None:
    url = api(server, lambda asked, _: body)
    if rows:
        assert read(lake, url)[0].version.rows == rows
    else:
        refuses(url, "no records", code=2)


def test_records_that_are_no_objects(lake: Lake, server: Server) -> None:
    url = api(server, lambda asked, _: {"names": ["a", "b"]})
    assert read(lake, url, records="names")[1] == [("a",), ("b",)]


def test_which_list_it_is_must_be_clear(lake: Lake, server: Server, refuses: Refuses) -> None:
    url = api(server, lambda asked, _: {"users": ROWS[:2], "groups": ROWS[2:5]})
    error = refuses(url, "several lists: users, groups", code=2)
    assert "--records users" in error.hint
    assert len(read(lake, url, records="groups")[1]) == 3
    error = refuses(url, "no list of records at user", said=Options(records="user"))
    assert "users" in error.hint


def third(answer: Any) -> Style:
    """Two good pages, and then something else."""

    def style(asked: Asked, url: str) -> Any:
        return answer if page_of(asked) == 3 else next_link(asked, url)

    return style


def cut(request: BaseHTTPRequestHandler) -> None:
    send(request, b'{"results": [{"id": 1', headers={"Content_Length": 99})
    request.close_connection = True


BREAKS: dict[str, tuple[Any, str]] = {
    "no JSON": (b'{"results": [', "the answer is no JSON"),
    "a failure said politely": ({"error": "slow down"}, "no list of records at results"),
    "refused": (403, "403 (Forbidden)"),
    "not found": (404, "404 (Not Found)"),
    "broken for good": (500, "in 5 tries: the server says 500"),
    "round in a circle": ({"results": ROWS[:1], "next": "?page=2"}, "round in a circle"),
    "to a file": (
        {"results": ROWS[:1], "next": "file:///etc/passwd"},
        "an address that is not followed",
    ),
}


@pytest.mark.parametrize("trouble", ["no such key", {"message": "no such key"}])
def test_a_failure_that_is_called_a_success_is_no_row(
    lake: Lake, server: Server, refuses: Refuses, trouble: Any
) -> None:
    url = api(server, lambda asked, url: {"error": trouble, "code": 7})
    refuses(url, "tells of a failure: no such key")
    _, rows = read(lake, url, records=".")
    assert len(rows) == 1


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_off_leaves_nothing(server: Server, refuses: Refuses, name: str) -> None:
    answer, words = BREAKS[name]
    refuses(api(server, third(answer)), words)
    assert "/api/words?page=3" in server.paths


def test_an_answer_cut_in_the_middle(server: Server, refuses: Refuses) -> None:
    url = api(server, next_link)
    server.does("/api/words?page=3", cut)
    refuses(url, "in 5 tries: the answer was cut short")
    assert server.paths.count("/api/words?page=3") == 5


def test_a_page_is_tried_again(lake: Lake, server: Server) -> None:
    fails = [503, 429, 502]

    def style(asked: Asked, url: str) -> Any:
        return fails.pop() if page_of(asked) == 3 and fails else next_link(asked, url)

    assert read(lake, api(server, style))[1] == WHOLE
    assert server.paths.count("/api/words?page=3") == 4


def test_a_parameter_that_is_ignored_is_no_second_page(server: Server, refuses: Refuses) -> None:
    url = api(server, lambda asked, _: {"data": ROWS[:5]})
    error = refuses(url, "two pages after each other are the same", said=Options(next_page="p=1"))
    assert "--next-page" in error.hint


def test_a_next_place_that_holds_no_address(server: Server, refuses: Refuses) -> None:
    error = refuses(
        api(server, next_number), "is no address: 2", said=Options(next_page="next_page")
    )
    assert "--next-page PARAMETER=next_page" in error.hint


@pytest.mark.parametrize("words", ["=x", "page=", "="])
def test_words_that_say_no_way(server: Server, refuses: Refuses, words: str) -> None:
    refuses(server.url, "does not say how", code=2, said=Options(next_page=words))
    assert not server.asked


def test_pages_are_bounded(
    server: Server, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = api(server, next_link)
    refuses(url, "larger than 400 bytes", said=Options(most_bytes=400))
    assert 1 < len(server.asked) < 5, "all pages count together"
    with monkeypatch.context() as few:
        few.setattr("core.data.sources.remote.pages.MOST_PAGES", 3)
        refuses(url, "more than 3 pages")
    monkeypatch.setattr("core.data.sources.remote.pages.LARGEST_PAGE", 220)
    error = refuses(
        api(server, third({"results": ROWS})),
        "one page is larger than 220 bytes",
        said=Options(next_page="next"),
    )
    assert "fewer records" in error.hint


def test_cancelled_between_pages(lake: Lake, server: Server) -> None:
    before = state(lake)

    def endless(asked: Asked, url: str) -> Any:
        page = page_of(asked)
        return {"data": [{"id": page}], "next": f"?page={page + 1}"}

    url = api(server, endless)
    with pytest.raises(Cancelled):
        import_source(lake, url, reading=Reading(should_stop=lambda: len(server.asked) > 3))
    assert state(lake) == before


def test_progress_is_told_in_records(lake: Lake, server: Server) -> None:
    told: list[tuple[int, int]] = []
    reading = Reading(progress=lambda done, total: told.append((done, total)))
    import_source(lake, api(server, next_link), reading=reading)
    pages = [each for each in told if each[1] == len(ROWS)]
    assert pages == [(5, 23), (10, 23), (15, 23), (20, 23), (23, 23)]


def test_a_preview_reads_all_pages(lake: Lake, server: Server) -> None:
    found = preview_source(lake, api(server, next_link))
    assert (found.format, found.count, found.columns[0]) == ("jsonl", 23, ("id", "BIGINT"))


def test_a_refresh_brings_only_new_records(lake: Lake, server: Server) -> None:
    url = api(server, named_link)
    said = {"next_page": "pages.of.onward", "records": "payload.deep.words"}
    read(lake, url, **said)
    assert "nothing is new" in renew_source(lake, "it").notes[-1]
    try:
        ROWS.extend({"id": i, "word": f"w{i}"} for i in (23, 24, 25))
        report = renew_source(lake, "it")
    finally:
        del ROWS[23:]
    assert (report.version.rows, report.version.params["added"]) == (26, 3)
    with lake.open(report.version) as view:
        assert [row[1] for row in view.page(23, 3)] == [23, 24, 25]


def test_a_refresh_that_finds_an_empty_list(lake: Lake, server: Server) -> None:
    read(lake, api(server, next_link))
    api(server, lambda asked, url: {"count": 0, "next": None, "results": []})
    report = renew_source(lake, "it")
    assert report.version.n == 1
    assert "nothing is new" in report.notes[-1]


def test_secrets_stay_with_the_named_host(
    lake: Lake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_HTTP_HEADERS", "X-Api-Key: s3cret")
    monkeypatch.setenv("LEPTON_HTTP_QUERY", "api_key=s3cret")
    elsewhere = server.url.replace("127.0.0.1", "localhost")

    def style(asked: Asked, url: str) -> Any:
        return next_link(asked, elsewhere if page_of(asked) == 2 else url)

    report, rows = read(lake, api(server, style))
    assert rows == WHOLE
    sent = ["s3cret" in path + str(headers.get("X-Api-Key")) for path, headers in server.asked]
    assert sent == [True, True, False, True, True]
    assert all("s3cret" not in path for path in server.paths[2:3])
    assert "s3cret" not in str(report.to_json())
