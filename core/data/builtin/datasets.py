"""Built-in data sets by name: MNIST, CIFAR-10, the IMDb reviews, and the sample digits."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.builtin.archives import Archive, Local, find_archives
from core.data.builtin.samples import SAMPLES, sample
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.png import encode_png
from core.data.sources import commit_arrived
from core.data.sources.desk import Arrived, Desk, Progress
from core.data.sources.media.idx import Pair, find_pairs, read_idx
from core.errors import UsageError, nearest
from core.workspace import written_path

if TYPE_CHECKING:
    import pyarrow as pa

OP = "builtin"
LARGEST_MEMBER = 64 << 20


@dataclass(frozen=True)
class Builtin:
    """A data set known by name: its task, its original files, and how they are read."""

    name: str
    summary: str
    task: str
    target: str
    inputs: tuple[str, ...]
    archives: tuple[Archive, ...]
    read: Callable[[Desk, list[Path]], Arrived]


def load_builtin(
    lake: Lake,
    name: str,
    source: str | Path | None = None,
    progress: Progress | None = None,
    *,
    notes: list[str] | None = None,
) -> Version:
    """The newest version of a built-in data set, which is imported the first time.

    `source` names a folder with the original files, or the one file. Without it they are looked
    for in the workspace (`datasets/NAME`, then `datasets`), then downloaded. Remarks, such as that
    a file is not the original, are added to `notes`.

    Raises:
        UsageError: there is no built-in data set of that name, or `source` does not hold it.
        LeptonError: the files are not here and cannot be downloaded, or are damaged.
    """
    if name not in BUILTIN:
        raise UsageError(f'no built-in data set "{name}"', hint=nearest(name, BUILTIN))
    known = _imported(lake, name)
    if known and source is None:
        return lake.versions(name)[0]
    builtin = BUILTIN[name]
    remarks = notes if notes is not None else []
    with Desk(lake.workspace, written_path(source or name), progress) as desk:
        if name in SAMPLES:
            local: list[Local] = []
            paths = [sample(name)]
        else:
            local = find_archives(
                name,
                builtin.archives,
                lake.workspace.datasets,
                source=written_path(source) if source is not None else None,
                progress=desk.progress,
            )
            paths = [file.path for file in local]
        files = {file.archive.name: file.sha256 for file in local}
        if known and known.params.get("files") == files:
            return lake.versions(name)[0]
        for file in local:
            if not file.original:
                desk.note(f"{file.path.name} is not the original file; it is used as it is")
        report = commit_arrived(
            lake,
            desk,
            builtin.read(desk, paths),
            name,
            op=OP,
            params={"name": name, "files": files},
            task=builtin.task,
            target=builtin.target,
            inputs=builtin.inputs,
        )
        remarks += report.notes
        return report.version


def _imported(lake: Lake, name: str) -> Version | None:
    """The newest version that this module made, if there is one."""
    if name not in {version.dataset for version in lake.datasets()}:
        return None
    return next((version for version in lake.versions(name) if version.op == OP), None)


def _read_mnist(desk: Desk, paths: list[Path]) -> Arrived:
    if paths[0].is_dir():
        return read_idx(desk, find_pairs(paths[0]))
    train_images, train_labels, test_images, test_labels = paths
    return read_idx(
        desk,
        [Pair(train_images, train_labels, "train"), Pair(test_images, test_labels, "test")],
    )


def _read_cifar10(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the binary version: each record is a label, then 32x32 bytes of red, green and blue."""
    import numpy as np

    record = 1 + 3 * 32 * 32

    def rows() -> Iterator[dict[str, Any]]:
        names: list[str] = []
        for _, content in _members(desk, paths[0], r"batches\.meta\.txt"):
            names = content.decode().split()
        for member, content in _members(desk, paths[0], r"(data_batch_\d|test_batch)\.bin"):
            split = "test" if "test" in Path(member).name else "train"
            if len(content) % record:
                raise desk.fail(f"{member} is cut short", hint="Download the archive again.")
            for row in np.frombuffer(content, np.uint8).reshape(-1, record):
                if row[0] >= len(names):
                    raise desk.fail(
                        f"{member} holds the label {row[0]}, which batches.meta.txt does not name",
                        hint="Download the archive again.",
                    )
                pixels = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                yield {"image": encode_png(pixels), "label": names[row[0]], "split": split}

    return _arrived(desk, rows(), image=True, total=60_000)


def _read_imdb(desk: Desk, paths: list[Path]) -> Arrived:
    """Read `aclImdb/SPLIT/LABEL/*.txt`; the reviews without a label are left out."""

    def rows() -> Iterator[dict[str, Any]]:
        for member, content in _members(desk, paths[0], r"(train|test)/(neg|pos)/[^/]+\.txt"):
            split, label = Path(member).parts[-3:-1]
            yield {"text": content.decode("utf-8", "replace"), "label": label, "split": split}

    return _arrived(desk, rows(), image=False, total=50_000)


def _members(desk: Desk, path: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Files of a tar archive whose names end like the pattern; nothing is unpacked to the disk."""
    wanted = re.compile(rf"(^|.*/){pattern}")
    try:
        # Unpacked by gzip itself, for tarfile takes a stream that was cut for one that has ended.
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if not (member.isfile() and wanted.fullmatch(member.name)):
                    continue
                if member.size > LARGEST_MEMBER:
                    raise desk.fail(
                        f"{member.name} in {path.name} is too large", hint="Download it again."
                    )
                if (file := archive.extractfile(member)) is not None:
                    yield member.name, file.read()
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise desk.fail(
            f"{path.name} is cut short or damaged: {error}",
            hint=f"Remove {path} and try again; it is then downloaded.",
        ) from error


def _arrived(desk: Desk, rows: Iterator[dict[str, Any]], *, image: bool, total: int) -> Arrived:
    import pyarrow as pa

    first = ("image", pa.binary()) if image else ("text", pa.string())
    schema = pa.schema([first, ("label", pa.string()), ("split", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        held: list[dict[str, Any]] = []
        done = 0
        for row in rows:
            held.append(row)
            if len(held) == 1024:
                done += len(held)
                yield pa.RecordBatch.from_pylist(held, schema=schema)
                desk.progress(done, total)
                held = []
        if held:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            desk.progress(done + len(held), done + len(held))
        elif not done:
            raise desk.fail("the archive holds none of the data", hint="Download it again.")

    stream = pa.RecordBatchReader.from_batches(schema, batches())
    return Arrived(stream, tuple(schema.names), {"image": "image"} if image else {})


def _mnist_file(name: str, size: int, sha256: str) -> Archive:
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    return Archive(name, size, sha256, tuple(mirror + name for mirror in mirrors))


BUILTIN: dict[str, Builtin] = {
    builtin.name: builtin
    for builtin in (
        Builtin(
            "mnist",
            "70,000 handwritten digits, 28x28 grey",
            "image-classification",
            "label",
            ("image",),
            (
                _mnist_file(
                    "train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                _mnist_file(
                    "train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                _mnist_file(
                    "t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                _mnist_file(
                    "t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ),
            _read_mnist,
        ),
        Builtin(
            "cifar10",
            "60,000 small photographs in 10 classes, 32x32 colour",
            "image-classification",
            "label",
            ("image",),
            (
                # The binary version: the one for Python is a pickle.
                Archive(
                    "cifar-10-binary.tar.gz",
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                ),
            ),
            _read_cifar10,
        ),
        Builtin(
            "imdb",
            "50,000 film reviews, for or against",
            "text-classification",
            "label",
            ("text",),
            (
                Archive(
                    "aclImdb_v1.tar.gz",
                    84_125_825,
                    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
                    ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
                ),
            ),
            _read_imdb,
        ),
        Builtin(
            "mnist-sample",
            "5,000 handwritten digits that come with Lepton",
            "image-classification",
            "label",
            ("image",),
            (),
            _read_mnist,
        ),
    )
}
