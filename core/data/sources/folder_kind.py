"""What a folder is, by the names and the first bytes of the files in it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from core.data.sources.file_kind import by_name, file_kind, read_head, seems_idx
from core.data.sources.folders import listing
from core.data.sources.media.coco import is_coco
from core.data.sources.media.huggingface import is_huggingface
from core.data.sources.media.labels import NAMES, SUFFIXES
from core.data.sources.media.masks import has_masks
from core.data.sources.media.medium import IMAGE
from core.data.sources.media.voc import is_voc
from core.data.sources.signatures import image_kind
from core.errors import LeptonError, UsageError

LOOKED_AT = 20
MEDIA = ("images", "audio")
LABELS = tuple(f"{os.sep}{name}{suffix}" for name in NAMES for suffix in SUFFIXES)


def folder_kind(path: Path) -> str:
    """The format of a folder, one of `FORMATS`.

    Raises:
        UsageError: it is empty, unreadable, or holds files of several formats.
    """
    try:
        entries = sorted(path.iterdir())
        files = listing(path).names
    except OSError as error:
        raise UsageError(
            f"the folder cannot be read: {error.strerror}",
            where=str(path),
            hint="Check your rights to read it.",
        ) from error
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    if not visible:
        raise UsageError("the folder is empty", where=str(path), hint="Name one that holds data.")
    if any(entry.is_file() and seems_idx(entry) for entry in visible):
        return "idx"
    if is_huggingface(path, files):
        return "huggingface"
    if kind := _of_annotations(path, files) or _of_rows(path, files):
        return kind
    if any(entry.is_dir() for entry in visible):
        return "images"
    raise UsageError(
        "the folder holds no data that can be imported",
        where=str(path),
        hint="Name one file in it, or a folder that holds a folder of images for each class.",
    )


def labelled_kind(folder: Path, labels: Path) -> str:
    """What a folder is whose files are labelled by a file: "images", "audio" or "coco".

    Raises:
        UsageError: it holds neither.
    """
    counts = Counter(map(by_name, listing(folder).names))
    kind = max(MEDIA, key=lambda medium: counts[medium])
    if not counts[kind]:
        raise UsageError(
            "a table of labels goes with a folder of images or sounds, and it holds none",
            where=str(folder),
            hint="Name the folder that holds the files.",
        )
    return "coco" if kind == "images" and is_coco(labels) else kind


def _of_annotations(folder: Path, files: list[str]) -> str | None:
    """ "coco", "voc" or "masks", where images lie in the folder and something speaks of them."""
    if not any(map(IMAGE.holds_by_name, files)):
        return None
    jsons = [file for file in files if file.lower().endswith(".json")]
    # Those at the top come first.
    jsons.sort(key=lambda file: file.count(os.sep))
    if any(is_coco(Path(file)) for file in jsons[:LOOKED_AT]):
        return "coco"
    xmls = [file for file in files if file.lower().endswith(".xml")]
    if any(is_voc(Path(file)) for file in xmls[:LOOKED_AT]):
        return "voc"
    return "masks" if has_masks(folder, files) else None


def _of_rows(folder: Path, files: list[str]) -> str | None:
    """The one format of the files in a folder; notes such as README.txt beside them do not count.

    Raises:
        UsageError: they are of several.
    """
    named = Counter(kind for file in files if (kind := by_name(file)))
    media = {kind: named.pop(kind, 0) for kind in MEDIA}
    most = max(MEDIA, key=lambda kind: media[kind])
    texts = named.pop("text", 0)
    labels = sum(1 for file in files if file.endswith(LABELS))
    if media[most] > named.total() - labels:
        return most
    if len(named) > 1:
        often = [f"{count:,} of {kind}" for kind, count in named.most_common()]
        raise UsageError(
            f"the folder holds files of several formats: {', '.join(often)}",
            where=str(folder),
            hint=f"Name the one to read, such as --format {named.most_common(1)[0][0]}, or a"
            " pattern, such as 'FOLDER/*.csv'.",
        )
    if named:
        return next(iter(named))
    if texts:
        return "text"
    # Files such as part-00000, which their writer gave no suffix.
    for file in files[:LOOKED_AT]:
        try:
            if not image_kind(read_head(Path(file))[:16]):
                return file_kind(Path(file))
        except LeptonError:
            continue
    return None
