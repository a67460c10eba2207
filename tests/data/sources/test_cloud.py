"""Files in a bucket, through a real S3 server and its client, and what any file system may do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options, Reading, import_source, renew_source
from core.data.sources.remote.copying import Copying
from core.errors import Cancelled
from tests.data.conftest import Refuses, state
from tests.data.sources.cloud_servers import S3, amazon
from tests.data.sources.files import read, write
from tests.data.sources.media import picture
from tests.data.sources.web_server import silent_server

TABLE = b"a,b\n" + b"".join(b"%d,w%d\n" % (i, i) for i in range(50))


@pytest.fixture(scope="module")
def everywhere() -> Iterator[S3]:
    with amazon() as server:
        yield server


@pytest.fixture
def s3(everywhere: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server as a person reaches it, who has no key yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", everywhere.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return everywhere


@pytest.fixture
def me(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server for a person whose key stands in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    return s3


def test_a_file_with_a_key_of_the_environment(lake: Lake, me: S3) -> None:
    url = me.put("environment", {"deep/sales.csv": TABLE}) + "/deep/sales.csv"
    with me.strict():
        report, rows = read(lake, url)
    assert rows[:2] == [(0, "w0"), (1, "w1")]
    params = report.version.params
    assert (params["source"], list(params["files"])) == (url, [url])
    assert me.secret not in str(report.to_json())


def test_a_file_with_a_key_of_the_usual_files(lake: Lake, s3: S3, tmp_path: Path) -> None:
    url = s3.put("usual", {"a.csv": TABLE}) + "/a.csv"
    write(
        tmp_path / ".aws" / "credentials",
        f"[default]\naws_access_key_id = {s3.key}\naws_secret_access_key = {s3.secret}\n",
    )
    with s3.strict():
        assert len(read(lake, url)[1]) == 50


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_wrong_key(me: S3, refuses: Refuses, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    url = me.put("wrong", {"a.csv": TABLE}) + "/a.csv"
    monkeypatch.setenv(wrong, "wr0ng-key")
    with me.strict():
        error = refuses(url, "access is denied")
    assert "AWS_ACCESS_KEY_ID" in error.hint
    assert "wr0ng-key" not in str(error)


def test_what_anybody_may_read(lake: Lake, s3: S3, refuses: Refuses) -> None:
    url = s3.put("public", {"a.csv": TABLE}, ACL="public-read") + "/a.csv"
    report, rows = read(lake, url)
    assert len(rows) == 50
    assert any("no AWS credentials were found" in note for note in report.notes)
    refuses(s3.put("private", {"a.csv": TABLE}) + "/a.csv", "access is denied")


@pytest.mark.parametrize("place", ["none-such/a.csv", "there/none.csv", "there/none/"])
def test_what_is_not_there(me: S3, refuses: Refuses, place: str) -> None:
    me.put("there", {"a.csv": TABLE})
    refuses(f"s3://{place}", "no such file or folder", code=2)


def test_a_pattern(lake: Lake, me: S3, refuses: Refuses) -> None:
    files = {f"days/{day}.csv": b"a,b\n%d,x\n" % day for day in range(12)}
    url = me.put("pattern", {**files, "days/notes.txt": b"words", "other.csv": b"c\n1\n"})
    report, rows = read(lake, f"{url}/days/*.csv")
    assert sorted(row[0] for row in rows) == list(range(12))
    assert set(report.version.params["files"]) == {f"{url}/{name}" for name in files}
    refuses(f"{url}/days/*.parquet", "no file lies there", code=2)


def test_a_folder_of_pictures_by_class(lake: Lake, me: S3) -> None:
    files = {f"set/{'ab'[i % 2]}/{i}.png": picture(i) for i in range(20)}
    url = me.put("pictures", {**files, "set/.hidden": b"x", "set/": b""}) + "/set"
    report, rows = read(lake, url)
    assert report.version.column("image").media == "image"
    assert [row[1] for row in rows] == ["a"] * 10 + ["b"] * 10
    assert set(report.version.params["files"]) == {f"{url[:-4]}/{name}" for name in files}


def test_a_file_larger_than_one_request(
    lake: Lake, me: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.sources.remote.copying.CHUNK", 100)
    assert len(read(lake, me.put("large", {"a.csv": TABLE}) + "/a.csv")[1]) == 50


def test_names_that_cannot_be_those_of_files(lake: Lake, me: S3) -> None:
    good = [f"in/{i}.csv" for i in range(5)]
    bad = ["in/../../out.csv", "in//1.csv", "in/0.csv/below.csv"]
    url = me.put("names", dict.fromkeys(good + bad, b"a,b\n1,x\n"))
    report, rows = read(lake, f"{url}/in")
    assert len(rows) == 5
    assert {reject.what for reject in report.rejects} == {
        "its name cannot be that of a file",
        "a file has this name, or that of its folder",
    }
    assert not (lake.workspace.tmp.parent / "out.csv").exists()


def test_a_refresh_brings_only_new_files(lake: Lake, me: S3) -> None:
    url = me.put("days", {"1.csv": b"a,b\n1,x\n"})
    read(lake, f"{url}/*.csv")
    assert "nothing is new" in renew_source(lake, "it").notes[-1]
    me.put("days", {"2.csv": b"a,b\n2,y\n"})
    report = renew_source(lake, "it")
    assert (report.version.rows, report.version.params["added"]) == (2, 1)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are copied from a cloud, by their names."""
    names: list[str] = []

    class Counted(Copying):
        def all(self, files: list[tuple[str, int, Path]]) -> None:
            names.extend(at.rpartition("/")[2] for at, _, _ in files)
            super().all(files)

    monkeypatch.setattr("core.data.sources.remote.cloud.Copying", Counted)
    return names


@pytest.mark.parametrize("place", ["", "/*.csv", "/1.csv"])
def test_a_refresh_fetches_nothing_that_lies_as_it_came(
    lake: Lake, me: S3, fetched: list[str], place: str
) -> None:
    url = me.put(f"still{len(place)}", {"1.csv": b"a,b\n1,x\n"})
    first, _ = read(lake, f"{url}{place}")
    assert fetched == ["1.csv"]
    report = renew_source(lake, "it")
    assert report.version.ref == first.version.ref
    assert report.notes == ["nothing is new: every file lies there as it came"]
    assert fetched == ["1.csv"]
    me.put(f"still{len(place)}", {"1.csv": b"a,b\n1,x\n2,y\n"})
    assert renew_source(lake, "it").version.params["added"] == 1, "of the same name, but changed"
    assert fetched == ["1.csv"] * 2


def test_a_refresh_fetches_what_is_new_and_remembers_the_rest(
    lake: Lake, me: S3, fetched: list[str]
) -> None:
    url = me.put("grows", {"in/1.csv": b"a,b\n1,x\n", "in/read.me": b"words"}) + "/in"
    read(lake, url)
    me.put("grows", {"in/2.csv": b"a,b\n2,y\n", "in/3.csv": b"a,b\n1,x\n"})
    fetched.clear()
    version = renew_source(lake, "it").version
    assert fetched == ["2.csv", "3.csv"]
    assert version.params["added"] == 1, "3.csv holds what 1.csv does"
    lake.remove("it@1")
    assert renew_source(lake, "it").notes == ["nothing is new: every file lies there as it came"]
    me.put("grows", {"in/more.words": b"words"})
    assert "nothing is new" in renew_source(lake, "it").notes[-1]


@pytest.mark.parametrize("remembered", [5, 100])
def test_a_folder_that_is_read_as_a_whole_is_fetched_whole_or_not_at_all(
    lake: Lake, me: S3, fetched: list[str], monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    """Also where there are too many files to remember each."""
    monkeypatch.setattr("core.data.sources.prints.MOST_FINGERPRINTS", remembered)
    files = {f"set/{'ab'[i % 2]}/{i}.png": picture(i) for i in range(8)}
    url = me.put(f"pets{remembered}", files) + "/set"
    read(lake, url)
    fetched.clear()
    assert renew_source(lake, "it").notes == ["nothing is new: every file lies there as it came"]
    assert not fetched
    me.put(f"pets{remembered}", {"set/a/new.png": picture(99)})
    assert renew_source(lake, "it").version.params["added"] == 1
    assert len(fetched) == 9


def test_labels_that_changed_are_read_where_the_files_have_not(
    lake: Lake, me: S3, tmp_path: Path
) -> None:
    url = me.put("labelled", {f"{i}.png": picture(i) for i in range(4)})
    labels = write(tmp_path / "labels.csv", "file,label\n0.png,a\n1.png,b\n")
    reading = Reading(options=Options(labels=str(labels)))
    import_source(lake, url, "it", reading)
    write(labels, "file,label\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n")
    assert renew_source(lake, "it").version.params["added"] == 2


def test_more_than_is_allowed_is_not_begun(me: S3, refuses: Refuses) -> None:
    url = me.put("much", {f"{i}.csv": TABLE for i in range(4)})
    error = refuses(url, "and 1,000 are allowed", said=Options(most_bytes=1000))
    assert "--max-size" in error.hint


def test_progress_is_told_in_bytes(lake: Lake, me: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sources.remote.copying.TOLD_EVERY", 1)
    url = me.put("told", {f"{i}.csv": TABLE for i in range(20)})
    told: list[tuple[int, int]] = []
    reading = Reading(progress=lambda done, total: told.append((done, total)))
    import_source(lake, url, "it", reading)
    whole = 20 * len(TABLE)
    assert (whole, whole) in told
    assert len([each for each in told if each[1] == whole]) > 1


def test_a_cloud_that_says_nothing_can_be_left(
    lake: Lake, me: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(lake)
    with silent_server() as (port, reached):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(Cancelled):
            import_source(lake, "s3://b/a.csv", reading=Reading(should_stop=reached.is_set))
    assert state(lake) == before


@pytest.mark.parametrize(
    ("scheme", "package"),
    [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs"), ("hf", "huggingface_hub")],
)
def test_a_package_that_is_missing_is_named(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch, scheme: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    error = refuses(f"{scheme}://bucket/a.csv", f"{scheme}:// is read through {package}")
    assert "pip install 'lepton-tui[cloud]'" in error.hint


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_any_file_system(lake: Lake, memory: fsspec.AbstractFileSystem, refuses: Refuses) -> None:
    memory.pipe({"/b/1.csv": b"a,b\n1,x\n", "/b/2.csv": b"a,b\n2,y\n"})
    assert [row[0] for row in read(lake, "memory://b/*.csv")[1]] == [1, 2]
    assert len(read(lake, "memory://b")[1]) == 2
    assert len(read(lake, "memory://b/2.csv")[1]) == 1
    refuses("memory://b/3.csv", "no such file or folder", code=2)
    memory.pipe({"/c/.hidden": b"a,b\n"})
    for none in ("memory://c/.h*", "memory://c", "memory://b/*.tsv"):
        refuses(none, "no file lies there", code=2)


def test_what_a_library_says_is_told_without_keys(
    memory: fsspec.AbstractFileSystem, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET_KEY", "s3cret")

    def info(*_: object) -> dict[str, object]:
        raise RuntimeError("GET https://host/a?sig=t0ken with s3cret\nand more")

    monkeypatch.setattr(type(memory), "info", info)
    error = refuses("memory://b/a.csv", "the files cannot be read: GET https://host/a?... with ...")
    assert "more" not in error.what
