"""A file over HTTP: whole or not at all, tried again where that helps, no secret kept."""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options, Reading, default_name, import_source, renew_source
from core.errors import Cancelled, LeptonError
from tests.data.conftest import Refuses, state
from tests.data.sources.files import read
from tests.data.sources.media import picture
from tests.data.sources.web_server import Server, send, serving

TABLE = "a,b\n" + "".join(f"{i},w{i}\n" for i in range(50))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.FIRST_WAIT", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    for name in ("LEPTON_HTTP_HEADERS", "LEPTON_HTTP_QUERY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nowhere")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def test_a_file_is_read_as_if_it_lay_here(lake: Lake, server: Server) -> None:
    url = server.says("/deep/sales%20data.csv?year=2026", TABLE)
    report, rows = read(lake, url)
    assert rows[:2] == [(0, "w0"), (1, "w1")]
    params = report.version.params
    assert (params["source"], params["format"], list(params["files"])) == (url, "csv", [url])
    assert default_name(url) == "sales-20data"
    assert default_name("s3://bucket/daily/*.parquet") == "daily"


@pytest.mark.parametrize(
    ("path", "content", "headers", "kind"),
    [
        ("/get", TABLE.encode(), {"Content_Type": "text/csv"}, "csv"),
        ("/get", b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', {}, "jsonl"),
        ("/x.json", json.dumps([{"a": i} for i in range(9)]).encode(), {}, "jsonl"),
        ("/x.csv.gz", gzip.compress(TABLE.encode()), {}, "csv"),
        ("/x.csv", gzip.compress(TABLE.encode()), {"Content_Encoding": "gzip"}, "csv"),
        ("/get", TABLE.encode(), {"Content_Disposition": 'attachment; filename="../t.tsv"'}, "tsv"),
    ],
)
def test_what_it_is_comes_from_content_name_and_type(
    lake: Lake, server: Server, path: str, content: bytes, headers: dict[str, str], kind: str
) -> None:
    report, rows = read(lake, server.says(path, content, **headers))
    assert report.version.params["format"] == kind
    assert len(rows) >= 2


def test_an_archive_of_pictures(lake: Lake, server: Server) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for i in range(4):
            archive.writestr(f"set/{'ab'[i % 2]}/{i}.png", picture(i))
    report, rows = read(lake, server.says("/set.zip", held.getvalue()))
    assert [row[1] for row in rows] == ["a", "a", "b", "b"]
    assert report.version.column("image").media == "image"


def failing(times: int, fail: object) -> object:
    """What fails so often, and then sends the table."""
    left = [times]

    def answer(request: BaseHTTPRequestHandler) -> None:
        if left[0] > 0:
            left[0] -= 1
            fail(request)
            request.close_connection = True
        else:
            send(request, TABLE.encode())

    return answer


def cut(request: BaseHTTPRequestHandler) -> None:
    send(request, TABLE.encode()[:100], headers={"Content_Length": len(TABLE)})


def cut_longer(request: BaseHTTPRequestHandler) -> None:
    send(request, TABLE.encode() * 2, headers={"Content_Length": len(TABLE) * 3})


def cut_chunk(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"64\r\n" + TABLE.encode()[:20])


def cut_gzip(request: BaseHTTPRequestHandler) -> None:
    send(request, gzip.compress(TABLE.encode())[:-20], headers={"Content_Encoding": "gzip"})


FAILURES = {
    "busy": lambda r: send(r, b"", 503),
    "too many": lambda r: send(r, b"", 429, {"Retry_After": "0"}),
    "too many until": lambda r: send(r, b"", 429, {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "no answer": lambda r: None,
    "no HTTP": lambda r: r.wfile.write(b"hello\r\n\r\n"),
    "cut": cut,
    "cut longer": cut_longer,
    "cut chunk": cut_chunk,
    "cut gzip": cut_gzip,
}
SAID = {
    "busy": "the server says 503",
    "no answer": "the server ended the connection without an answer",
    "no HTTP": "the answer is no HTTP",
    "cut": "the answer was cut short",
    "cut chunk": "the answer was cut short",
    "cut gzip": "the packed answer was cut short",
}


@pytest.mark.parametrize("name", FAILURES)
def test_it_is_tried_again_and_then_given_up(
    lake: Lake, server: Server, refuses: Refuses, name: str
) -> None:
    url = server.does("/a.csv", failing(4, FAILURES[name]))
    _, rows = read(lake, url)
    assert len(rows) == 50, "nothing of a broken try is left in the file"
    assert len(server.asked) == 5
    server.does("/a.csv", failing(5, FAILURES[name]))
    refuses(url, f"could not be read in 5 tries: {SAID.get(name, '')}")


LONG = "n,m\n" + "".join(f"{n},{n}\n" for n in range(200_000))


def pieces(content: bytes, each: int, mark: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server that breaks off after so many bytes, and goes on where it is asked to."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begins, same = request.headers.get("Range"), request.headers.get("If-Range") == mark
        start = int(begins[6:].split("-")[0]) if begins and same else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("ETag", mark)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start:][:each])
        request.close_connection = True

    return answer


def test_what_was_cut_short_goes_on_where_it_ended(lake: Lake, server: Server) -> None:
    """However often it is cut, for every piece is a step forward."""
    content = LONG.encode()
    url = server.does("/a.csv", pieces(content, len(content) // 7, '"a"'))
    report, _ = read(lake, url)
    assert report.version.rows == 200_000
    with lake.open(report.version) as view:
        assert view.sql("SELECT sum(n), sum(m), count(DISTINCT n) FROM rows") == [
            (sum(range(200_000)), sum(range(200_000)), 200_000)
        ]
    asked = [headers.get("Range") for _, headers in server.asked]
    assert asked[0] is None
    assert asked[1] == f"bytes={len(content) // 7}-"
    assert len(asked) == 8, "more often than an address is tried that brings nothing"


def changed(request: BaseHTTPRequestHandler) -> None:
    send(request, b"n,m\n7,7\n", headers={"ETag": '"b"'})


def another_part(request: BaseHTTPRequestHandler) -> None:
    if "Range" in request.headers:
        send(request, b"8,8\n", 206, {"Content_Range": "bytes 0-3/4"})
    else:
        changed(request)


def no_such_part(request: BaseHTTPRequestHandler) -> None:
    send(request, b"", 416) if "Range" in request.headers else changed(request)


@pytest.mark.parametrize("then", [changed, another_part, no_such_part])
@pytest.mark.parametrize("mark", ['"a"', 'W/"a"'])
def test_parts_of_two_files_are_never_put_together(
    lake: Lake, server: Server, mark: str, then: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """The file was changed in between, or its mark does not promise the same bytes."""
    first = pieces(LONG.encode(), 300_000, mark)

    def answer(request: BaseHTTPRequestHandler) -> None:
        (first if len(server.asked) == 1 else then)(request)

    _, rows = read(lake, server.does("/a.csv", answer))
    assert rows == [(7, 7)]
    assert ("Range" in server.asked[1][1]) == (mark == '"a"')


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 (Not Found)"), (401, "401 (Unauthorized)"), (418, "418")]
)
def test_what_is_refused_is_asked_for_once(
    server: Server, refuses: Refuses, status: int, words: str
) -> None:
    refuses(server.says("/a.csv", "no", status), f"the server says {words}")
    assert len(server.asked) == 1


def test_a_server_says_when_to_come_back(
    lake: Lake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.FIRST_WAIT", 3600)
    url = server.does("/a.csv", failing(2, FAILURES["too many"]))
    assert len(read(lake, url)[1]) == 50, "it does not wait for as long as it would have"


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: Server, refuses: Refuses) -> None:
    url = server.says("/a.csv", "", 503, Retry_After="3600")
    refuses(url, "asks to come back in 3,600 seconds")
    assert len(server.asked) == 1


def test_more_than_is_allowed_is_refused_before_or_while_it_comes(
    server: Server, refuses: Refuses
) -> None:
    few = Options(most_bytes=1000)
    refuses(server.says("/a.csv", b"x" * 1001), "larger than 1,000 bytes", said=few)

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"1,2\n" * 1000)

    refuses(
        server.does("/b.csv", endless), "larger than 5,000,000", said=Options(most_bytes=5_000_000)
    )
    bomb = gzip.compress(bytes(50_000_000))
    url = server.says("/c.csv", bomb, Content_Encoding="gzip")
    refuses(url, "larger than 1,000,000", said=Options(most_bytes=1_000_000))
    assert len(server.asked) == 3


def test_a_stalled_answer_can_be_given_up(lake: Lake, server: Server) -> None:
    asked, free = threading.Event(), threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"a,b\n")
        asked.set()
        free.wait(60)

    before = state(lake)
    reading = Reading(should_stop=asked.is_set)
    with pytest.raises(Cancelled):
        import_source(lake, server.does("/a.csv", stall), reading=reading)
    free.set()
    assert state(lake) == before


def test_it_follows_to_other_places_but_not_to_files(
    lake: Lake, server: Server, refuses: Refuses
) -> None:
    server.says("/there.csv", TABLE)
    url = server.says("/here", "", 302, Location="/there.csv")
    assert len(read(lake, url)[1]) == 50
    for to in ("file:///etc/passwd", "ftp://host/a.csv", "http://me:word@127.0.0.1/a", "http:///"):
        refuses(server.says("/bad", "", 302, Location=to), "an address that is not followed")
    refuses(server.says("/round", "", 302, Location="/round"), "leads on to others more than 10")


def test_secrets_go_to_the_named_host_alone(
    lake: Lake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_HTTP_HEADERS", "Authorization: Bearer s3cret\nX-Team: blue")
    monkeypatch.setenv("LEPTON_HTTP_QUERY", "api_key=k3y")
    other = server.url.replace("127.0.0.1", "localhost")
    server.says("/there.csv", TABLE)
    url = server.says("/here", "", 302, Location=f"{other}/there.csv") + "?n=1"
    report, _ = read(lake, url)
    (first, sent), (second, left) = server.asked
    assert (first, second) == ("/here?n=1&api_key=k3y", "/there.csv")
    assert (sent["Authorization"], sent["X-Team"]) == ("Bearer s3cret", "blue")
    assert "Authorization" not in left
    assert "X-Team" not in left
    assert "3cret" not in str(report.to_json())
    assert "k3y" not in str(report.to_json())
    monkeypatch.setenv("LEPTON_HTTP_HEADERS_LOCALHOST", "X-Own: yes\nHost: evil")
    read(lake, url)
    assert server.asked[-1][1]["X-Own"] == "yes"
    assert "evil" not in server.asked[-1][1]["Host"]
    monkeypatch.setenv("LEPTON_HTTP_HEADERS", "no header")
    with pytest.raises(LeptonError, match="a header that is none") as caught:
        read(lake, server.url + "/there.csv")
    assert caught.value.exit_code == 2


def test_a_password_of_netrc_is_used(
    lake: Lake, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    read(lake, server.says("/a.csv", TABLE))
    assert server.asked[0][1]["Authorization"] == "Basic bWU6d29yZA=="


@pytest.mark.parametrize(
    "url",
    [
        "https://me:word@host/a.csv",
        "https://host/a.csv?token=s3cret",
        "https://host/a.csv?x=1&X-Amz-Signature=s3cret",
        "https://host/a.csv?API_KEY=s3cret",
        "s3://key:s3cret@bucket/a.csv",
    ],
)
def test_an_address_with_a_secret_is_refused(refuses: Refuses, url: str) -> None:
    error = refuses(url, "and addresses are remembered", code=2)
    assert "s3cret" not in str(error)
    assert "word" not in error.where


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "file:///etc/passwd", "https://", "http://[::bad/x", "http://h:x/"]
)
def test_addresses_that_are_none(refuses: Refuses, url: str) -> None:
    refuses(url, "", code=2)


def test_a_host_that_is_not_there(refuses: Refuses) -> None:
    refuses("http://127.0.0.1:9/a.csv", "could not be read in 5 tries: connection refused")


def test_a_proxy_is_asked_in_its_place(
    lake: Lake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.url)
    server.answers["http://far.example/a.csv"] = lambda request: send(request, TABLE.encode())
    assert len(read(lake, "http://far.example/a.csv")[1]) == 50


def test_a_refresh_asks_again_and_brings_only_new_rows(lake: Lake, server: Server) -> None:
    url = server.says("/a.csv", TABLE)
    read(lake, url)
    assert "nothing is new" in renew_source(lake, "it").notes[-1]
    server.says("/a.csv", TABLE + "50,new\n")
    report = renew_source(lake, "it")
    assert (report.version.rows, report.version.params["added"]) == (51, 1)
    copy = server.says("/copy.csv", TABLE)
    assert "nothing is new" in renew_source(lake, "it", copy).notes[-1]


def conditional(server: Server, content: str, **marks: str) -> str:
    """A file whose server does not send it to who has it; its address."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers
        known = marks.get("ETag", "none") in asked.get("If-None-Match", "").split(", ")
        known |= "Last_Modified" in marks and asked["If-Modified-Since"] == marks["Last_Modified"]
        send(request, b"" if known else content.encode(), 304 if known else 200, marks)

    return server.does("/a.csv", answer)


OLD, NEWER = "Mon, 12 Oct 2020 00:00:00 GMT", "Tue, 13 Oct 2020 00:00:00 GMT"


@pytest.mark.parametrize("mark", ["ETag", "Last_Modified"])
def test_a_refresh_need_not_be_sent_what_is_as_it_was(
    lake: Lake, server: Server, mark: str
) -> None:
    before, after = ('"1"', 'W/"2"') if mark == "ETag" else (OLD, NEWER)
    read(lake, conditional(server, TABLE, **{mark: before}))
    report = renew_source(lake, "it")
    assert report.version.ref == "it@1"
    assert report.notes == ["nothing is new: the server says that it is as it was"]
    conditional(server, TABLE + "50,new\n", **{mark: after})
    assert renew_source(lake, "it").version.params["added"] == 1
    assert "the server says" in renew_source(lake, "it").notes[-1]
    if mark == "ETag":
        conditional(server, TABLE, ETag='"1"')
        assert "the server says" in renew_source(lake, "it").notes[-1], "what was there once"


def test_what_was_written_a_moment_ago_is_asked_for_again(lake: Lake, server: Server) -> None:
    now = format_datetime(datetime.now(UTC), usegmt=True)
    read(lake, conditional(server, TABLE, Last_Modified=now))
    conditional(server, TABLE + "50,new\n", Last_Modified=now)
    assert renew_source(lake, "it").version.params["added"] == 1


def test_a_mark_that_could_say_more_is_not_sent_back(lake: Lake, server: Server) -> None:
    read(lake, conditional(server, TABLE, ETag='"1", *'))
    renew_source(lake, "it")
    assert not {"If-None-Match", "If-Modified-Since"} & set(server.asked[-1][1])


def test_the_mark_of_one_page_is_not_that_of_all(lake: Lake, server: Server) -> None:
    def page(number: int) -> str:
        following = f'<{server.url}/2>; rel="next"' if number == 1 else ""
        body = json.dumps([{"a": number}])
        return server.says(
            f"/{number}", body, Content_Type="application/json", ETag='"1"', Link=following
        )

    url = page(1)
    page(2)
    read(lake, url)
    renew_source(lake, "it")
    assert not any("If-None-Match" in headers for _, headers in server.asked)
