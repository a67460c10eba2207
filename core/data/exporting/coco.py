"""COCO: images in folders, and a JSON file for each split with boxes or classes.

The column `objects` holds a JSON list for each image: `{"label": "cat", "bbox": [x, y, width,
height]}` in pixels, and where they are known `segmentation`, `iscrowd` and `difficult`. Without
that column the target is the class of the whole image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from core.data.exporting.images import file_name
from core.data.exporting.request import OBJECTS, Request, Written, ending_of, size_of
from core.data.lake.view import ROW_ID, SPLIT, quoted
from core.data.sources.said import counted
from core.errors import LeptonError, UsageError

IMAGES = "images"
BATCH = 256


def write(request: Request, folder: Path) -> Written:
    """Write `SPLIT/ROW.png` and `annotations/instances_SPLIT.json`; `images/` without splits.

    The categories have the same numbers in every split, from 1, in the order of their names.

    Raises:
        UsageError: the version has no images, or neither objects nor classes.
        LeptonError: the objects of a row are not what they must be.
    """
    version = request.version
    image = request.image_column("coco")
    labels = OBJECTS if OBJECTS in version.column_names else version.target
    if labels is None:
        raise UsageError(
            f'{version.ref} has neither a column "{OBJECTS}" nor classes', hint="Use parquet."
        )
    names = _labels(request, labels)
    numbers = {name: number for number, name in enumerate(names, 1)}
    by_split = request.by_split
    columns = [image.name, labels, *([SPLIT] if by_split else [])]
    written = without = broken = 0
    with ExitStack() as files:
        parts: dict[str, _Part] = {}
        for batch in request.batches(columns, BATCH):
            for row in batch.to_pylist():
                content = row[image.name]
                part = row[SPLIT] if by_split else (request.split or IMAGES)
                if content is None or part is None:
                    without += 1
                    continue
                size = size_of(content)
                if size is None:
                    broken += 1
                    continue
                if part not in parts:
                    names_part = by_split or request.split is not None
                    parts[part] = files.enter_context(_Part(folder, part, numbers, names_part))
                parts[part].add(row[ROW_ID], content, size, _objects(row, labels, size))
                written += 1
    if not written:
        raise UsageError("there are no images to write", where=version.ref)
    what = "image or split" if by_split else "image"
    notes = [f"{counted(without, 'row')} without {what} left out"] if without else []
    notes += [f"{counted(broken, 'image')} left out: not decoded"] if broken else []
    return Written(written, notes)


def _labels(request: Request, column: str) -> list[str]:
    """Every label there is, sorted; those of one split are the labels of all."""
    if column != OBJECTS:
        name = quoted(column)
        found = request.view.sql(
            f"SELECT DISTINCT CAST({name} AS VARCHAR) FROM rows WHERE {name} IS NOT NULL"
        )
        return sorted(label for (label,) in found)
    labels: set[str] = set()
    for batch in request.view.batches([OBJECTS], rows=BATCH):
        for row in batch.to_pylist():
            labels.update(each["label"] for each in _read(row))
    return sorted(labels)


def _objects(row: dict[str, Any], column: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The objects in an image; a class alone is one object as large as the image."""
    if column == OBJECTS:
        return _read(row)
    label = row[column]
    return [] if label is None else [{"label": _as_text(label), "bbox": [0, 0, *size]}]


def _as_text(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _read(row: dict[str, Any]) -> list[dict[str, Any]]:
    given = row[OBJECTS]
    try:
        found = json.loads(given) if isinstance(given, str) else (given or [])
        for each in found:
            box = [float(number) for number in each["bbox"]]
            if not isinstance(each["label"], str) or len(box) != 4:
                raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LeptonError(
            f'the column "{OBJECTS}" holds no list of labels and boxes',
            where=f"row {row[ROW_ID]}",
            hint='It should be like [{"label": "cat", "bbox": [10, 20, 50, 40]}].',
        ) from error
    return list(found)


class _Part:
    """The images and the JSON file of one split, written as they come."""

    def __init__(self, folder: Path, name: str, numbers: dict[str, int], named: bool) -> None:
        self._numbers = numbers
        self._images = folder / file_name(name)
        ending = f"_{file_name(name)}" if named else ""
        self._path = folder / "annotations" / f"instances{ending}.json"
        self._spool = self._path.with_suffix(".annotations")
        self._listed = self._annotated = 0

    def __enter__(self) -> _Part:
        self._images.mkdir(parents=True)
        self._path.parent.mkdir(exist_ok=True)
        self._json: IO[str] = self._path.open("w", encoding="utf-8")
        # Annotations come after all images in the file; until then they wait beside it.
        self._waiting: IO[str] = self._spool.open("w+", encoding="utf-8")
        self._json.write('{"images": [')
        return self

    def add(
        self, rid: int, content: bytes, size: tuple[int, int], objects: list[dict[str, Any]]
    ) -> None:
        name = f"{rid:07d}.{ending_of(content)}"
        (self._images / name).write_bytes(content)
        # Numbers from 1: some readers take 0 for none.
        width, height = size
        image = {"id": rid + 1, "file_name": name, "width": width, "height": height}
        self._json.write((",\n" if self._listed else "\n") + json.dumps(image))
        self._listed += 1
        for each in objects:
            self._annotated += 1
            annotation = _annotation(self._annotated, rid + 1, each, self._numbers)
            comma = ",\n" if self._annotated > 1 else "\n"
            self._waiting.write(comma + json.dumps(annotation))

    def __exit__(self, *error: object) -> None:
        self._json.write('],\n"annotations": [')
        self._waiting.seek(0)
        self._json.writelines(_pieces(self._waiting))
        self._waiting.close()
        self._spool.unlink()
        categories = [
            {"id": number, "name": name, "supercategory": ""}
            for name, number in self._numbers.items()
        ]
        listed = json.dumps(categories, ensure_ascii=False)
        self._json.write(f'],\n"categories": {listed},\n"info": {{}},\n"licenses": []}}\n')
        self._json.close()


def _pieces(file: IO[str]) -> Iterator[str]:
    while piece := file.read(1 << 20):
        yield piece


def _annotation(
    number: int, image: int, each: dict[str, Any], numbers: dict[str, int]
) -> dict[str, Any]:
    box = [float(edge) for edge in each["bbox"]]
    shape = each.get("segmentation") or []
    area = each.get("area")
    return {
        "id": number,
        "image_id": image,
        "category_id": numbers[each["label"]],
        "bbox": [int(edge) if edge.is_integer() else edge for edge in box],
        "area": _area(box, shape) if area is None else area,
        "segmentation": shape,
        "iscrowd": int(each.get("iscrowd") or 0),
        # A mark of Pascal VOC's, which readers of COCO pass over.
        **({"difficult": 1} if each.get("difficult") else {}),
    }


def _area(box: list[float], shape: Any) -> float:
    """Pixels inside the polygons or the run lengths; of a box alone, or packed runs, its own."""
    if isinstance(shape, dict) and isinstance(shape.get("counts"), list):
        return float(sum(shape["counts"][1::2]))
    if isinstance(shape, list) and shape:
        return sum(_polygon_area(polygon) for polygon in shape)
    return box[2] * box[3]


def _polygon_area(points: list[float]) -> float:
    xs, ys = points[0::2], points[1::2]
    following = zip(xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    return abs(sum(x * v - u * y for x, y, (u, v) in zip(xs, ys, following, strict=True))) / 2
