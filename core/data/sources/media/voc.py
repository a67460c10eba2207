"""Pascal VOC: an XML file for each image, with the boxes of what is seen in it."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_index import FileIndex
from core.data.sources.folders import listing
from core.data.sources.media.image_folder import note_left_out, shown
from core.data.sources.media.media_rows import media_rows, read_file
from core.data.sources.media.medium import IMAGE
from core.data.sources.media.safe_xml import parse_xml
from core.data.sources.said import counted
from core.errors import UsageError

if TYPE_CHECKING:
    pass

ANNOTATIONS, IMAGES = "Annotations", "JPEGImages"
# Pictures of what each pixel belongs to; they are no rows of their own.
SHAPES = ("SegmentationClass", "SegmentationObject")
HEAD = 4096
PROGRESS = 500


def is_voc(path: Path) -> bool:
    """Whether an XML file annotates an image, as far as its beginning says."""
    try:
        with path.open("rb") as file:
            return b"<annotation" in file.read(HEAD)
    except OSError:
        return False


def read_voc(desk: Desk, paths: list[Path]) -> Arrived:
    """Read images with their boxes: columns image, objects, path, and split if it is told.

    `objects` is a JSON list for each image: `label`, `bbox` as [x, y, width, height] in pixels,
    and `difficult` where it is marked. The split comes from the lists in `ImageSets/Main`, or from
    folders of train and test. An image without an XML file, and a file without its image, are
    rejected.

    Raises:
        UsageError: none of the images that are annotated is there.
        LeptonError: most of the annotations cannot be read.
    """
    import pyarrow as pa

    (root,) = paths
    listed = listing(root)
    above = len(str(root)) + 1
    xmls = [name for name in listed.names if name.lower().endswith(".xml")]
    found = [
        name
        for name in listed.names
        if IMAGE.holds(name) and not any(f"/{shape}/" in name for shape in SHAPES)
    ]
    index = FileIndex([name[above:] for name in found])
    in_lists = _lists(root, listed.names)
    rows: dict[str, list[Any]] = {"objects": [], "path": [], "split": []}
    files: list[str] = []
    taken: set[int] = set()
    bad: list[tuple[str, str]] = []
    for done, name in enumerate(xmls, 1):
        place = name[above:]
        try:
            tree = _annotation(name)
            at = _image(tree, place, index)
            if at is None or at in taken:
                what = "there is no such image" if at is None else "its image came before"
                raise ValueError(what)
            objects = _objects(desk, tree, place)
        except ValueError as error:
            bad.append((shown(place), str(error)))
            continue
        taken.add(at)
        files.append(found[at])
        rows["objects"].append(json.dumps(objects, ensure_ascii=False))
        rows["path"].append(shown(index.places[at]))
        rows["split"].append(in_lists.get(_key(place)) or _by_folder(index.places[at]))
        if done % PROGRESS == 0:
            desk.progress(done, 2 * len(xmls))
    earlier = desk.rejected
    for place, what in bad:
        desk.reject(place, what)
    desk.judge(len(files), "XML files", earlier)
    if not files:
        raise UsageError(
            "there are no annotated images in the folder",
            where=str(root),
            hint="Name a folder that holds both the images and their XML files.",
        )
    if unnamed := len(found) - len(taken):
        desk.note(f"{counted(unnamed, 'image')} left out: no XML file goes with them")
    note_left_out(desk, IMAGE, 0, len(listed.links))
    if not any(rows["split"]):
        del rows["split"]
    facts = {column: pa.array(cells, pa.string()) for column, cells in rows.items()}
    return media_rows(desk, IMAGE, files, pa.table(facts))


def _annotation(path: str) -> Element:
    content = read_file(path)
    if isinstance(content, str):
        raise ValueError(content)  # noqa: TRY004 - these are the words of what is wrong
    tree = parse_xml(content)
    if tree.tag != "annotation":
        raise ValueError(f"the XML is no annotation: it holds <{tree.tag[:40]}>")
    return tree


def _image(tree: Element, place: str, index: FileIndex) -> int | None:
    """The image of an XML file: of the same name beside it, or the one that it names."""
    here = PurePosixPath(place)
    above = here.parent.parent if here.parent.name == ANNOTATIONS else here.parent
    folders = [str(folder) for folder in (above / IMAGES, above / "images", here.parent, above)]
    folders = [folder.removeprefix(".") for folder in folders]
    named = tree.findtext("filename") or ""
    for name in (here.stem, PurePosixPath(named.replace("\\", "/")).name):
        if name and (found := index.find(name, folders)) is not None:
            return found
    return None


def _objects(desk: Desk, tree: Element, place: str) -> list[dict[str, Any]]:
    """The boxes of an image; one that cannot be is rejected alone."""
    kept = []
    for number, each in enumerate(tree.iter("object"), 1):
        label = (each.findtext("name") or "").strip()
        edges = [_number(each.findtext(f"bndbox/{e}")) for e in ("xmin", "ymin", "xmax", "ymax")]
        left, top, right, bottom = edges
        fault = ""
        if not label:
            fault = "it has no name"
        elif left is None or top is None or right is None or bottom is None:
            fault = "its box is not four numbers"
        elif right < left or bottom < top:
            fault = "its box ends before it begins"
        else:
            box = [left, top, right - left, bottom - top]
            one: dict[str, Any] = {"label": label, "bbox": [_short(edge) for edge in box]}
            if (each.findtext("difficult") or "").strip() == "1":
                one["difficult"] = 1
            kept.append(one)
        if fault:
            desk.reject(f"object {number:,}", fault, file=shown(place))
    return kept


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _short(edge: float) -> float | int:
    return int(edge) if edge.is_integer() else edge


def _lists(root: Path, names: list[str]) -> dict[str, str]:
    """The split of each annotation, by the lists of names in `ImageSets`."""
    found: dict[str, str] = {}
    for name in names:
        path = Path(name)
        split = SPLIT_NAMES.get(path.stem.lower())
        if path.suffix != ".txt" or split is None or path.parent.parent.name != "ImageSets":
            continue
        own = path.parent.parent.parent.relative_to(root).as_posix().removeprefix(".")
        content = read_file(name)
        words = content.decode(errors="replace") if isinstance(content, bytes) else ""
        for line in words.splitlines():
            if line.strip():
                found.setdefault(f"{own}/{line.split()[0]}", split)
    return found


def _key(place: str) -> str:
    """What the lists of `ImageSets` call the XML file at this place."""
    here = PurePosixPath(place)
    return f"{str(here.parent.parent).removeprefix('.')}/{here.stem}"


def _by_folder(place: str) -> str | None:
    return SPLIT_NAMES.get(place.partition("/")[0].lower()) if "/" in place else None
