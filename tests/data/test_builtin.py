"""Built-in data sets, in their true formats, from a server on this machine or from a folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.builtin.archives import Archive
from core.data.builtin.datasets import BUILTIN, load_builtin
from core.data.builtin.samples import SAMPLES, sample, sample_data
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from tests.data.conftest import state
from tests.data.test_images import IMAGES, LABELS, idx


class Server:
    """Serves `files` by path; `cut` maps a path to how many of its bytes are really sent."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: outer.cut.get(self.path, len(content))])

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    running = Server()
    yield running
    running.close()


def packed(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def cifar_records(labels: list[int], seed: int) -> bytes:
    noise = np.random.default_rng(seed)
    return b"".join(bytes([label]) + noise.bytes(3072) for label in labels)


CIFAR = packed(
    {
        "cifar-10-batches-bin/data_batch_1.bin": cifar_records([0, 1, 1], 1),
        "cifar-10-batches-bin/data_batch_2.bin": cifar_records([2], 2),
        "cifar-10-batches-bin/batches.meta.txt": b"airplane\nautomobile\nbird\n\n",
        "cifar-10-batches-bin/readme.html": b"<html>",
        "cifar-10-batches-bin/test_batch.bin": cifar_records([2, 0], 3),
    }
)
IMDB = packed(
    {
        "aclImdb/imdb.vocab": b"the",
        "aclImdb/test/neg/0_2.txt": b"dull",
        "aclImdb/train/pos/0_9.txt": "très bien".encode(),
        "aclImdb/train/neg/1_1.txt": b"bad<br />bad",
        "aclImdb/train/unsup/0_0.txt": b"no label",
        "aclImdb/train/urls_neg.txt": b"http://",
    }
)
MNIST = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
    "t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES[:2])),
    "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS[:2])),
}
FILES = {
    "mnist": MNIST,
    "cifar10": {"cifar-10-binary.tar.gz": CIFAR},
    "imdb": {"aclImdb_v1.tar.gz": IMDB},
}


@pytest.fixture
def served(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Small archives in the true formats stand for the originals: two mirrors of each."""
    for name, files in FILES.items():
        archives = []
        for file, content in files.items():
            for mirror in ("one", "two"):
                server.files[f"/{mirror}/{file}"] = content
            archives.append(
                Archive(
                    file,
                    len(content),
                    hashlib.sha256(content).hexdigest(),
                    (f"{server.url}/one/{file}", f"{server.url}/two/{file}"),
                )
            )
        changed = replace(BUILTIN[name], archives=tuple(archives))
        monkeypatch.setitem(BUILTIN, name, changed)
    return server


def rows(lake: Lake, ref: str) -> list[dict[str, object]]:
    with lake.open(ref) as view:
        return view.rows(range(view.count()))


def test_mnist_is_downloaded_once(lake: Lake, served: Server) -> None:
    told: list[tuple[int, int]] = []
    version = load_builtin(lake, "mnist", progress=lambda done, total: told.append((done, total)))
    assert (version.ref, version.task, version.target) == (
        "mnist@1",
        "image-classification",
        "label",
    )
    assert version.inputs == ("image",)
    assert [row["label"] for row in rows(lake, "mnist")] == ["3", "1", "4", "1", "5", "9", "3", "1"]
    size = len(MNIST["train-images-idx3-ubyte.gz"])
    assert (size, size) in told
    folder = lake.workspace.datasets / "mnist"
    assert sorted(p.name for p in folder.iterdir()) == sorted(MNIST), "and no part is left"
    asked = len(served.asked)
    assert load_builtin(lake, "mnist").ref == "mnist@1"
    assert len(served.asked) == asked == 4


def test_cifar10_comes_back_to_the_last_bit(lake: Lake, served: Server) -> None:
    version = load_builtin(lake, "cifar10")
    assert version.rows == 6
    found = rows(lake, "cifar10")
    assert [(row["label"], row["split"]) for row in found] == [
        ("airplane", "train"),
        ("automobile", "train"),
        ("automobile", "train"),
        ("bird", "train"),
        ("bird", "test"),
        ("airplane", "test"),
    ]
    planes = np.frombuffer(cifar_records([0, 1, 1], 1)[1:3073], np.uint8).reshape(3, 32, 32)
    with Image.open(io.BytesIO(found[0]["image"])) as image:
        assert (np.asarray(image) == planes.transpose(1, 2, 0)).all()


def test_imdb_leaves_out_what_has_no_label(lake: Lake, served: Server) -> None:
    load_builtin(lake, "imdb")
    assert [(r["text"], r["label"], r["split"]) for r in rows(lake, "imdb")] == [
        ("dull", "neg", "test"),
        ("très bien", "pos", "train"),
        ("bad<br />bad", "neg", "train"),
    ]


def test_a_later_version_is_the_one_that_is_loaded(lake: Lake, served: Server) -> None:
    load_builtin(lake, "imdb")
    second = lake.commit("imdb", "SELECT 'a' AS text, 'pos' AS label", op="clean")
    assert load_builtin(lake, "imdb").ref == second.ref == "imdb@2"


def test_the_second_mirror_helps(lake: Lake, served: Server) -> None:
    served.files["/one/aclImdb_v1.tar.gz"] = IMDB[:-1] + b"x"
    assert load_builtin(lake, "imdb").rows == 3
    assert served.asked == ["/one/aclImdb_v1.tar.gz", "/two/aclImdb_v1.tar.gz"]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda s, p: s.files.update({p: IMDB[:-1] + b"x"}), "it is not the original"),
        (lambda s, p: s.files.update({p: IMDB + b"x"}), "more than the"),
        (lambda s, p: s.files.update({p: IMDB[:50]}), "cut after 50 of"),
        (lambda s, p: s.cut.update({p: 50}), "cut after 50 of"),
        (lambda s, p: s.files.pop(p), "Not Found"),
    ],
    ids=["altered", "longer", "shorter", "connection cut", "gone"],
)
def test_a_bad_download_is_an_error_and_leaves_nothing(
    lake: Lake, served: Server, break_it, words: str
) -> None:
    for mirror in ("one", "two"):
        break_it(served, f"/{mirror}/aclImdb_v1.tar.gz")
    before = state(lake)
    with pytest.raises(LeptonError) as caught:
        load_builtin(lake, "imdb")
    assert words in str(caught.value)
    folder = lake.workspace.datasets / "imdb"
    assert str(folder) in caught.value.hint
    assert "aclImdb_v1.tar.gz" in caught.value.hint
    assert caught.value.exit_code == 1
    assert list(folder.iterdir()) == []
    assert state(lake) == before


def test_offline_says_which_files_go_where(lake: Lake, served: Server) -> None:
    served.close()
    served.close = lambda: None  # type: ignore[method-assign]
    with pytest.raises(LeptonError, match="not on this machine and cannot be downloaded") as caught:
        load_builtin(lake, "mnist")
    for name in MNIST:
        assert name in caught.value.hint
    assert str(lake.workspace.datasets / "mnist") in caught.value.hint


def test_files_that_a_person_put_there_are_found(
    lake: Lake, served: Server, tmp_path: Path
) -> None:
    (lake.workspace.datasets / "cifar-10-binary.tar.gz").write_bytes(CIFAR)
    load_builtin(lake, "cifar10")
    own = lake.workspace.datasets / "imdb"
    own.mkdir()
    (own / "aclImdb_v1.tar.gz").write_bytes(IMDB)
    load_builtin(lake, "imdb")
    (tmp_path / "mine").mkdir()
    for name, content in MNIST.items():
        plain = name.removesuffix(".gz")
        (tmp_path / "mine" / plain).write_bytes(gzip.decompress(content))
    assert load_builtin(lake, "mnist", tmp_path / "mine").rows == 8
    assert served.asked == []


def test_a_subset_is_used_with_a_remark(lake: Lake, served: Server, tmp_path: Path) -> None:
    path = tmp_path / "some-reviews.tar.gz"
    path.write_bytes(packed({"aclImdb/train/pos/0_9.txt": b"good"}))
    notes: list[str] = []
    assert load_builtin(lake, "imdb", path, notes=notes).ref == "imdb@1"
    assert any("not the original" in note for note in notes)
    assert load_builtin(lake, "imdb", path).ref == "imdb@1", "the same files make no new version"
    path.write_bytes(IMDB)
    assert load_builtin(lake, "imdb", path).ref == "imdb@2"


def test_what_a_person_named_must_hold_the_files(
    lake: Lake, served: Server, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="train-images-idx3-ubyte") as caught:
        load_builtin(lake, "mnist", tmp_path)
    assert "t10k-labels-idx1-ubyte.gz" in caught.value.hint
    assert served.asked == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("imdb", IMDB[:-40], "cut short or damaged"),
        ("imdb", IMDB[:-1], "cut short or damaged"),
        ("imdb", b"no archive", "cut short or damaged"),
        ("imdb", packed({"else.txt": b"x"}), "none of the data"),
        ("cifar10", packed({"c/data_batch_1.bin": b"abc"}), "data_batch_1.bin is cut short"),
        ("cifar10", packed({"c/data_batch_1.bin": cifar_records([7], 0)}), "does not name"),
    ],
    # gzip stamps the time into its bytes: as names they would differ between workers.
    ids=["cut", "one byte short", "no archive", "other files", "short record", "no such label"],
)
def test_damaged_archives_leave_the_lake_as_it_was(
    lake: Lake, served: Server, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(content)
    before = state(lake)
    with pytest.raises(LeptonError, match=words):
        load_builtin(lake, name, path)
    assert state(lake) == before


def test_unknown_names_name_the_nearest(lake: Lake) -> None:
    with pytest.raises(UsageError) as caught:
        load_builtin(lake, "mnits")
    assert '"mnist"' in caught.value.hint


def test_the_sample_digits_need_no_network(lake: Lake) -> None:
    version = load_builtin(lake, "mnist-sample")
    assert (version.ref, version.rows, version.task) == (
        "mnist-sample@1",
        5000,
        "image-classification",
    )
    with lake.open(version) as view:
        assert view.splits() == {"test": 1000, "train": 4000}
    assert load_builtin(lake, "mnist-sample").ref == "mnist-sample@1"


def test_samples_lie_where_they_are_said_to() -> None:
    assert (sample_data() / "NOTICE.md").is_file()
    assert all(sample(name).exists() for name in SAMPLES)


def test_the_originals_are_named_with_full_checksums() -> None:
    for entry in BUILTIN.values():
        for archive in entry.archives:
            assert len(bytes.fromhex(archive.sha256)) == 32
            assert archive.bytes > 4000
            assert all(url.startswith("https://") for url in archive.urls)
