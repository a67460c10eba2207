"""COCO: images in folders, and JSON files that say what is seen in them, and where."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_index import FileIndex
from core.data.sources.folders import listing
from core.data.sources.media.image_folder import note_left_out, shown
from core.data.sources.media.media_rows import media_rows
from core.data.sources.media.medium import IMAGE
from core.data.sources.said import counted
from core.data.sources.tables.json_elements import elements
from core.errors import LeptonError, UsageError
from core.workspace import written_path

if TYPE_CHECKING:
    pass

KEYS = ("images", "annotations", "categories")
LOOKED_AT = 1 << 16
_KEY = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
SAME_SPLIT_FIRST = "instances"


def is_coco(path: Path) -> bool:
    """Whether a JSON file has COCO's lists, as far as its beginning and its end say."""
    try:
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
            if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return False
            file.seek(max(len(head), path.stat().st_size - LOOKED_AT))
            found = set(_KEY.findall(head + file.read()))
    except OSError:
        return False
    return len(found) >= 2


@dataclass
class _Part:
    """One file of annotations: its images by their number, the objects seen in each."""

    path: Path
    split: str | None
    images: dict[Any, str] = field(default_factory=dict)
    objects: dict[Any, list[tuple[Any, str]]] = field(default_factory=lambda: defaultdict(list))
    labels: dict[Any, str] = field(default_factory=dict)


def read_coco(desk: Desk, paths: list[Path]) -> Arrived:
    """Read images with what is seen in them: columns image, objects, path, and split if told.

    `objects` is a JSON list for each image: `label`, `bbox` as [x, y, width, height] in pixels,
    and where they are given `segmentation`, `iscrowd` and `difficult`. The split is told by the
    names of the JSON files, such as `instances_train2017.json`. An image that is not there, and an
    annotation that cannot be, are rejected.

    Raises:
        UsageError: there is no such JSON file, or there are no images.
        LeptonError: a JSON file is broken, or most of what is in it cannot be used.
    """
    import pyarrow as pa

    (root,) = paths
    listed = listing(root)
    above = len(str(root)) + 1
    found = [name for name in listed.names if IMAGE.holds(name)]
    index = FileIndex([name[above:] for name in found])
    parts = [
        _read(desk, path, split) for path, split in _annotation_files(desk, root, listed.files)
    ]
    rows: dict[str, list[Any]] = {"objects": [], "path": [], "split": []}
    files: list[str] = []
    taken: set[int] = set()
    for part in parts:
        folders = _folders(part, root)
        for number, name in part.images.items():
            at = index.find(name, folders)
            if at is None or at in taken:
                what = "there is no such image" if at is None else "the image came before"
                desk.reject(name, what, file=desk.called(part.path))
                continue
            taken.add(at)
            files.append(found[at])
            rows["objects"].append(_as_json(part, number))
            rows["path"].append(shown(index.places[at]))
            rows["split"].append(part.split)
        # The objects of a large set are its largest part, and are needed only once.
        part.objects.clear()
    if not files:
        raise UsageError(
            "none of the images that the annotations name is in the folder",
            where=str(root),
            hint="Name a folder that holds both the images and the annotations.",
        )
    if unnamed := len(found) - len(taken):
        desk.note(f"{counted(unnamed, 'image')} left out: no annotations name them")
    jsons = sum(1 for name in listed.names if name.endswith(".json"))
    note_left_out(desk, IMAGE, len(listed.names) - len(found) - jsons, len(listed.links))
    if not any(rows["split"]):
        del rows["split"]
    kinds = {"objects": pa.large_string()}
    facts = {name: pa.array(cells, kinds.get(name, pa.string())) for name, cells in rows.items()}
    return media_rows(desk, IMAGE, files, pa.table(facts))


def _annotation_files(
    desk: Desk, root: Path, files: Iterable[Path]
) -> list[tuple[Path, str | None]]:
    """The files to read and their splits; of several of one split, those called `instances`.

    Raises:
        UsageError: there is none.
    """
    if desk.options.labels:
        path = written_path(desk.options.labels)
        return [(path, _split_of(path, root))]
    found = [path for path in files if path.suffix.lower() == ".json" and is_coco(path)]
    if not found:
        raise UsageError(
            "there is no JSON file of annotations in the folder",
            where=str(root),
            hint="Name the folder that holds it, or the file itself: --labels FILE",
        )
    splits = {path: _split_of(path, root) for path in found}
    often = Counter(splits.values())
    kept = [
        path
        for path in found
        if often[splits[path]] == 1
        or path.stem.startswith(SAME_SPLIT_FIRST)
        or not any(
            other.stem.startswith(SAME_SPLIT_FIRST) and splits[other] == splits[path]
            for other in found
        )
    ]
    for path in found:
        if path not in kept:
            desk.note(f"{path.name} was not read; name it to read it: --labels FILE")
    order = {"train": 0, "validation": 1, "test": 2}
    kept.sort(key=lambda path: (order.get(splits[path] or "", 3), str(path)))
    return [(path, splits[path]) for path in kept]


def _split_of(path: Path, root: Path) -> str | None:
    """What the name of a JSON file, or of the folder that it lies in, says of the split."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    if path.parent != root:
        words.append(path.parent.name.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _folders(part: _Part, root: Path) -> list[str]:
    """Where the images of a JSON file may lie, below the root: beside it, or in usual places."""
    own = ""
    if part.path.is_relative_to(root):
        own = part.path.parent.relative_to(root).as_posix().removeprefix(".")
    last = part.path.stem.rpartition("_")[2]
    names = [name for name in (last, part.split, "images") if name]
    return [own, "", *names, *(f"images/{n}" for n in names), *(f"{n}/images" for n in names)]


def _read(desk: Desk, path: Path, split: str | None) -> _Part:
    """One file of annotations; what in it cannot be is rejected.

    Raises:
        LeptonError: the JSON is broken, or most of its annotations cannot be used.
    """
    part = _Part(path, split)
    earlier, kept = desk.rejected, 0
    counts: Counter[str] = Counter()
    called = desk.called(path)
    for key, each in elements(path, KEYS):
        counts[key] += 1
        if counts.total() % 10_000 == 0:
            desk.check()
        try:
            if key == "images":
                part.images[each["id"]] = str(each["file_name"])
            elif key == "categories":
                part.labels[each["id"]] = str(each["name"])
            else:
                part.objects[each["image_id"]].append((each["category_id"], _object(each)))
                kept += 1
        except (KeyError, TypeError, ValueError) as error:
            desk.reject(f"{key}, {counts[key]:,}", _fault(error), value=str(each), file=called)
    lost = 0
    for number, seen in list(part.objects.items()):
        known = [pair for pair in seen if pair[0] in part.labels]
        if number not in part.images:
            desk.reject(f"image {number}", f"{len(seen):,} objects in an image that is not listed")
            known = []
        elif len(known) < len(seen):
            desk.reject(f"image {number}", f"{len(seen) - len(known):,} objects of no category")
        lost += len(seen) - len(known)
        part.objects[number] = known
    if desk.rejected > earlier:
        desk.judge(kept - lost, "annotations", earlier)
    if not part.images:
        raise LeptonError(
            "the annotations name no images", where=called, hint="Check that the file is whole."
        )
    return part


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f'it has no "{error.args[0]}"'
    return str(error) if isinstance(error, ValueError) else "it is not what it should be"


def _object(each: dict[str, Any]) -> str:
    """What is kept of an annotation, as JSON without its label, which may come later in the file.

    Raises:
        ValueError: it has neither a box nor a shape, or one that cannot be.
    """
    shape = each.get("segmentation")
    if not isinstance(shape, list | dict):
        shape = None
    box = each.get("bbox") or _around(shape)
    if box is None:
        raise ValueError("it has neither a box nor a shape")
    if len(box) != 4 or not all(_finite(edge) for edge in box):
        raise ValueError("its box is not four numbers")
    if box[2] < 0 or box[3] < 0:
        raise ValueError("its box is less than nothing wide or high")
    kept: dict[str, Any] = {"bbox": [_short(edge) for edge in box]}
    if shape:
        kept["segmentation"] = shape
    for mark in ("iscrowd", "difficult"):
        if each.get(mark):
            kept[mark] = 1
    return json.dumps(kept, ensure_ascii=False)[1:]


def _finite(edge: Any) -> bool:
    return isinstance(edge, int | float) and not isinstance(edge, bool) and math.isfinite(edge)


def _short(edge: float) -> float | int:
    return int(edge) if float(edge).is_integer() else edge


def _around(shape: Any) -> list[float] | None:
    """The box around polygons; None without any."""
    if not isinstance(shape, list) or not shape:
        return None
    xs = [x for polygon in shape for x in polygon[0::2]]
    ys = [y for polygon in shape for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if xs and ys else None


def _as_json(part: _Part, number: Any) -> str:
    """The objects of an image, in their order."""
    return (
        "["
        + ", ".join(
            f'{{"label": {json.dumps(part.labels[category], ensure_ascii=False)}, {rest}'
            for category, rest in part.objects.get(number, ())
        )
        + "]"
    )
