"""Sources elsewhere, from the shell: what a person is told, and that no secret is ever kept."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from core.runs.store import Runs
from core.workspace import Workspace
from tests.cli.conftest import SCRIPT, Said, Shell
from tests.data.sources.cloud_servers import amazon, azure, google, hugging_face
from tests.data.sources.web_server import Server, send, serving

TABLE = b"a,b\n" + b"".join(b"%d,w%d\n" % (i, i) for i in range(50))
ROWS = [{"id": i, "word": f"w{i}"} for i in range(23)]
FILES = {"days/1.csv": TABLE, "days/2.csv": b"a,b\n50,new\n"}


@pytest.fixture(autouse=True)
def _nobody(lepton: Shell, tmp_path: Path) -> None:
    """A person without keys, proxies or settings of their own."""
    theirs = ("AWS_", "AZURE_", "GOOGLE_", "HF_", "LEPTON_HTTP", "NETRC")
    for name in [n for n in lepton.env if n.startswith(theirs) or n.lower().endswith("_proxy")]:
        del lepton.env[name]
    lepton.env.update(HOME=str(tmp_path), no_proxy="*")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def kept(home: Path) -> bytes:
    """Everything that stands in the workspace: every file, and every name."""
    found = [path for path in home.rglob("*") if path.is_file()]
    return b"\n".join(str(path).encode() + path.read_bytes() for path in found)


def paged(request: BaseHTTPRequestHandler) -> None:
    """Pages of five, without a word about the next."""
    page = int(parse_qs(urlsplit(request.path).query).get("page", ["1"])[0])
    body = {"total": len(ROWS), "data": ROWS[(page - 1) * 5 : page * 5]}
    send(request, json.dumps(body).encode(), headers={"Content_Type": "application/json"})


def test_an_api_page_by_page_and_again(lepton: Shell, server: Server) -> None:
    url = server.does("/api/words", paged)
    said = lepton("data", "import", url, "--next-page", "page=1", "--json")
    assert (said.json["rows"], said.json["version"]) == (23, 1)
    assert "6 pages were read" in said.err
    assert "nothing is new" in lepton("data", "import", "--refresh", "--name", "words").err
    ROWS.append({"id": 23, "word": "new"})
    try:
        said = lepton("data", "import", "--refresh", "--name", "words", "--json")
    finally:
        ROWS.pop()
    assert (said.json["rows"], said.json["params"]["added"]) == (24, 1)


def test_an_api_whose_next_page_is_not_seen(lepton: Shell, server: Server) -> None:
    said = lepton("data", "import", server.does("/api/words", paged))
    assert said.code == 0
    assert "speaks of 23 records and holds 5; say how to go on: --next-page" in said.err


def test_a_file_is_added_to_what_is_there(lepton: Shell, server: Server) -> None:
    words = ("data", "import", server.says("/1.csv", FILES["days/1.csv"]), "--name", "days")
    assert lepton(*words).code == 0
    url = server.says("/2.csv", TABLE + FILES["days/2.csv"][4:])
    said = lepton("data", "import", url, "--name", "days", "--append", "--json")
    assert (said.json["rows"], said.json["op"]) == (101, "append")
    assert "nothing is new" in lepton(*words, "--append").err


def test_what_a_server_says_instead(lepton: Shell, server: Server) -> None:
    url = server.says("/closed.csv", "log in", 401)
    said = lepton("data", "import", url)
    refused(said, 1, "the server says 401 (Unauthorized)", "LEPTON_HTTP_HEADERS=")
    url = server.says("/list/", "\n<!DOCTYPE HTML>\n<title>Directory listing</title>")
    refused(lepton("data", "import", url), 1, "a web page, not a file of data", "Name the file")
    assert not list(Runs(Workspace.open(lepton.home)).all()), "nothing is left of it"


def refused(said: Said, code: int, what: str, to_do: str) -> None:
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("error: ")
    assert what in said.err
    assert to_do in said.err
    assert len(said.err.splitlines()) <= 3, "an error is one or two lines"


@pytest.mark.parametrize(
    ("source", "code", "what", "to_do"),
    [
        ("https://no-such-host.invalid/a.csv", 1, "the host is not found", "the network"),
        ("https://me:s3cret@host/a.csv", 2, "a user or a password", "LEPTON_HTTP_HEADERS"),
        ("https://host/a.csv?api_key=s3cret", 2, "the parameter api_key", "LEPTON_HTTP_QUERY"),
        ("az://container/a.csv", 1, "no credentials for az://", "az login"),
    ],
)
def test_addresses_that_lead_nowhere(
    lepton: Shell, source: str, code: int, what: str, to_do: str
) -> None:
    said = lepton("data", "import", source)
    refused(said, code, what, to_do)
    assert "s3cret" not in said.err
    assert b"s3cret" not in kept(lepton.home)


def test_no_secret_of_the_web_is_kept(lepton: Shell, server: Server) -> None:
    lepton.env["LEPTON_HTTP_HEADERS"] = "Authorization: Bearer s3cret"
    lepton.env["LEPTON_HTTP_QUERY"] = "key=s3cret"

    def echo(request: BaseHTTPRequestHandler) -> None:
        """Next addresses with the key in them, as some servers write them."""
        known = request.headers.get("Authorization") == "Bearer s3cret" and "s3cret" in request.path
        page = int(parse_qs(urlsplit(request.path).query).get("page", ["1"])[0])
        following = f"{server.url}/api?page={page + 1}&key=s3cret" if page < 3 else None
        body = {"data": ROWS[page * 5 :][:5], "next": following}
        send(request, json.dumps(body).encode(), 200 if known else 403)

    assert lepton("data", "import", server.does("/api", echo), "--json").json["rows"] == 15
    server.says("/api?page=2&key=s3cret&key=s3cret", "no", 418)
    said = lepton("data", "import", server.url + "/api")
    assert "418" in said.err
    assert "s3cret" not in said.out + said.err
    assert b"s3cret" not in kept(lepton.home)


@dataclass(frozen=True)
class Cloud:
    """Where files lie, the environment of one who may read them and of one who may not, and what
    in both is secret.
    """

    url: str
    mine: dict[str, str]
    wrong: dict[str, str]
    secrets: list[str]


@contextmanager
def in_s3(folder: Path) -> Iterator[Cloud]:
    with amazon() as s3:
        s3.put("bucket", FILES)
        place = {"AWS_ENDPOINT_URL": s3.url, "AWS_DEFAULT_REGION": "us-east-1"}
        key = {"AWS_ACCESS_KEY_ID": s3.key, "AWS_SECRET_ACCESS_KEY": s3.secret}
        wrong = {"AWS_SECRET_ACCESS_KEY": "wr0ng"}
        with s3.strict():
            yield Cloud("s3://bucket/days", {**place, **key}, wrong, [s3.secret])


@contextmanager
def in_google(folder: Path) -> Iterator[Cloud]:
    with google("bucket", FILES) as (server, account):
        mine, wrong = folder / "mine.json", folder / "wrong.json"
        mine.write_text(json.dumps(account))
        wrong.write_text(json.dumps({**account, "private_key_id": "wr0ng"}))
        place = {
            "STORAGE_EMULATOR_HOST": server.url,
            "NO_GCE_CHECK": "true",
            # Its other way, over gRPC, is tried for a minute where there is none.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }
        yield Cloud(
            "gs://bucket/days",
            {**place, "GOOGLE_APPLICATION_CREDENTIALS": str(mine)},
            {"GOOGLE_APPLICATION_CREDENTIALS": str(wrong)},
            ["t0ken-known", account["private_key"][40:80]],
        )


@contextmanager
def in_azure(folder: Path) -> Iterator[Cloud]:
    key = "c2VjcmV0IGtleSBvZiBhbiBhY2NvdW50"
    with azure("me", "box", FILES) as server:

        def words(account: str) -> dict[str, str]:
            place = f"BlobEndpoint={server.url}/me;"
            said = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};{place}"
            return {"AZURE_STORAGE_CONNECTION_STRING": said}

        yield Cloud("az://box/days", words("me"), words("you"), [key])


@contextmanager
def in_hub(folder: Path) -> Iterator[Cloud]:
    with hugging_face("me/words", "hf_s3cret", FILES) as server:
        mine = {"HF_ENDPOINT": server.url, "HF_TOKEN": "hf_s3cret"}
        yield Cloud("hf://datasets/me/words/days", mine, {"HF_TOKEN": "hf_wr0ng"}, ["hf_s3cret"])


@pytest.mark.parametrize("cloud", [in_s3, in_google, in_azure, in_hub])
def test_files_in_a_cloud_and_no_secret_of_them_kept(
    lepton: Shell, tmp_path: Path, cloud: Callable[[Path], AbstractContextManager[Cloud]]
) -> None:
    with cloud(tmp_path) as there:
        url = there.url
        lepton.env.update(there.mine)
        said = lepton("data", "import", url, "--name", "it", "--json")
        assert said.json["rows"] == 51
        assert set(said.json["params"]["files"]) == {f"{url}/1.csv", f"{url}/2.csv"}
        again = lepton("data", "import", "--refresh", "--name", "it")
        assert "nothing is new: every file lies there as it came" in again.out + again.err
        lepton.env.update(there.wrong)
        denied = lepton("data", "import", f"{url}/1.csv", "--name", "it")
        # The hub says of what is private, to one who may not see it, that it is not there.
        hidden = cloud is in_hub
        refused(denied, 2 if hidden else 1, "not shown" if hidden else "access is denied", "run: ")
    left = kept(lepton.home)
    left += "".join(each.out + each.err for each in (said, again, denied)).encode()
    for secret in (*there.secrets, "wr0ng"):
        assert secret.encode() not in left


def test_a_download_tells_how_far_it_is(lepton: Shell, server: Server) -> None:
    """The bytes so far and all of them, in the events of the run, while it comes."""
    content = b"a,b\n" + b"1234567,abcdefg\n" * 100_000
    runs = Runs(Workspace.open(lepton.home))

    def slowly(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:600_000])
        (run,) = runs.all()
        for event in run.events(follow=True):
            if event["event"] == "step" and event["step"] == 600_000:
                break
        request.wfile.write(content[600_000:])

    said = lepton("data", "import", server.does("/a.csv", slowly), "--json")
    assert said.json["rows"] == 100_000
    (run,) = runs.all()
    steps = [(e["step"], e["steps"]) for e in run.events() if e["event"] == "step"]
    assert (600_000, len(content)) in steps
    assert (len(content), len(content)) in steps


def test_ctrl_c_in_a_download_leaves_nothing(lepton: Shell, server: Server) -> None:
    begun, free = threading.Event(), threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        request.wfile.write(TABLE)
        begun.set()
        free.wait()

    before = sorted(lepton.home.rglob("*"))
    with subprocess.Popen(
        [SCRIPT, "data", "import", server.does("/a.csv", stall)],
        env=lepton.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as talk:
        assert begun.wait(60)
        talk.send_signal(signal.SIGINT)
        _, said = talk.communicate(timeout=60)
    free.set()
    assert (talk.returncode, said) == (130, "Cancelled; nothing was changed.\n")
    workspace = Workspace.open(lepton.home)
    assert not list(workspace.tmp.iterdir())
    assert not list(workspace.data.iterdir())
    assert not list(Runs(workspace).all())
    assert not before
