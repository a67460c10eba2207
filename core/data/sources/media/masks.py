"""Images with masks: pictures of the same size and name that say what each pixel is."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.folders import listing
from core.data.sources.media.image_folder import note_left_out, shown
from core.data.sources.media.media_rows import media_rows
from core.data.sources.media.medium import IMAGE
from core.data.sources.said import counted
from core.errors import UsageError

IMAGES = frozenset({"images", "image", "imgs", "img", "inputs", "jpegimages"})
MASKS = frozenset(
    {"masks", "mask", "segmentation", "segmentations", "segmentationclass", "groundtruth", "gt"}
    | {"annotations", "labels", "targets"}
)
# What a mask's own name may have beyond that of its image.
ENDINGS = ("", "_mask", "-mask", "_gt", "_segmentation", "_seg", "_label")


def has_masks(root: Path, names: Sequence[str]) -> bool:
    """Whether at least half of the images in folders of images have a mask."""
    above = len(str(root)) + 1
    pairs = pair_masks([name[above:] for name in names if IMAGE.holds_by_name(name)])
    with_masks = sum(1 for _, mask in pairs if mask is not None)
    return with_masks > 0 and 2 * with_masks >= len(pairs)


def pair_masks(places: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each place in a folder called images or the like, and that of its mask, if there is one.

    The folder of masks stands where the folder of images does: `train/images/a.jpg` goes with
    `train/masks/a.png`, `images/train/a.jpg` with `masks/train/a.png`.
    """
    masks: dict[tuple[str, str], str] = {}
    images: list[tuple[str, tuple[str, str]]] = []
    for place in places:
        folders, _, name = place.rpartition("/")
        if (found := _within(folders)) is None:
            continue
        holds_masks, rest = found
        stem = posixpath.splitext(name)[0]
        if not holds_masks:
            images.append((place, (rest, stem)))
            continue
        for ending in ENDINGS:
            if stem.endswith(ending):
                masks.setdefault((rest, stem.removesuffix(ending)), place)
    return [(place, masks.get(key)) for place, key in images]


@lru_cache(maxsize=256)
def _within(folders: str) -> tuple[bool, str] | None:
    """Whether a path of folders is one of masks or one of images, and what both share of it."""
    parts = folders.split("/")
    for number, part in enumerate(parts):
        if part.lower() in IMAGES or part.lower() in MASKS:
            return part.lower() in MASKS, "/".join((*parts[:number], "*", *parts[number + 1 :]))
    return None


def read_masks(desk: Desk, paths: list[Path]) -> Arrived:
    """Read images with their masks: columns image, mask, path, and split if folders say it.

    An image without a mask, and one whose mask has another size, are rejected.

    Raises:
        UsageError: there is no folder of images beside one of masks.
        LeptonError: most of them do not decode.
    """
    import pyarrow as pa

    (root,) = paths
    listed = listing(root)
    above = len(str(root)) + 1
    places = [name[above:] for name in listed.names if IMAGE.holds(name)]
    pairs = [(place, mask) for place, mask in pair_masks(places) if mask is not None]
    if not pairs:
        raise UsageError(
            "there is no folder of images beside a folder of masks",
            where=str(root),
            hint="Call them images and masks, and give the files in them the same names.",
        )
    kept = {place for pair in pairs for place in pair}
    for place in places:
        if place not in kept:
            desk.reject(shown(place), "there is no mask for it, or no image for this mask")
    others = len(listed.names) - len(places)
    note_left_out(desk, IMAGE, others, len(listed.links))
    columns = {"path": [shown(place) for place, _ in pairs]}
    splits = [_split(place) for place, _ in pairs]
    if all(splits):
        columns["split"] = [split or "" for split in splits]
    elif any(splits):
        desk.note(f"{counted(splits.count(None), 'image')} in no folder of train or test")
    facts = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
    return media_rows(
        desk,
        IMAGE,
        [f"{root}{os.sep}{place}" for place, _ in pairs],
        facts,
        masks=[f"{root}{os.sep}{mask}" for _, mask in pairs],
    )


def _split(place: str) -> str | None:
    found = (SPLIT_NAMES.get(part.lower()) for part in place.split("/")[:-1])
    return next((split for split in found if split), None)
