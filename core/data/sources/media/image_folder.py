"""Folders of images and of sounds: a folder for each class, or a table that labels the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.folders import listing, subfolders
from core.data.sources.media.labels import label_files, labelled
from core.data.sources.media.media_rows import media_rows
from core.data.sources.media.medium import IMAGE, SOUND, Medium
from core.data.sources.media.pictures import MOST_PIXELS, image_fault
from core.data.sources.said import counted
from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MOST_PIXELS", "image_fault", "read_images", "read_sounds"]

SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}
LAYOUT = (
    "The folder should hold a folder for each class, with its {many} in it, or a table that labels"
    " them: --labels FILE"
)


def read_images(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the images with their original bytes; one that does not decode is rejected by name.

    Columns are image, label, path and, where the folders say it, split; with a table of labels its
    columns take the place of label.

    Raises:
        UsageError: there are no images, or no classes.
        LeptonError: most of them cannot be decoded.
    """
    return _read(desk, paths, IMAGE)


def read_sounds(desk: Desk, paths: list[Path]) -> Arrived:
    """Read sounds as `read_images` does images, with their seconds, rate and channels.

    Raises:
        UsageError: there are no sounds, or no classes.
        LeptonError: most of them cannot be decoded, or the library for it is not installed.
    """
    return _read(desk, paths, SOUND)


def _read(desk: Desk, paths: list[Path], medium: Medium) -> Arrived:
    (root,) = paths
    tables = label_files(desk, root)
    files, facts = labelled(desk, root, tables, medium) if tables else _by_class(desk, root, medium)
    return media_rows(desk, medium, files, facts)


def _by_class(desk: Desk, root: Path, medium: Medium) -> tuple[list[str], pa.Table]:
    """The files in class folders, as (files, rows of label, path and split).

    A first level of train, validation and test folders becomes the split.

    Raises:
        UsageError: there are no folders, or none of these files in them.
    """
    import pyarrow as pa

    layout = LAYOUT.format(many=medium.many)
    folders = subfolders(root)
    splits = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in folders}
    if not folders:
        raise UsageError("the folder holds no class folders", where=str(root), hint=layout)
    if all(splits.values()) and all(subfolders(folder) for folder in folders):
        classes = [(c, splits[folder]) for folder in folders for c in subfolders(folder)]
    else:
        classes = [(folder, None) for folder in folders]
    found: list[tuple[int, str, str, str | None]] = []
    others = links = 0
    for folder, split in classes:
        listed = listing(folder, within=root)
        own = [name for name in listed.names if medium.holds(name)]
        others, links = others + len(listed.names) - len(own), links + len(listed.links)
        if not own:
            desk.note(f'the folder "{folder.relative_to(root)}" holds no {medium.many}')
        order = SPLIT_ORDER.get(split or "", 3)
        found += [(order, folder.name, path, split) for path in own]
    if not found:
        raise UsageError(f"there are no {medium.many} in the folder", where=str(root), hint=layout)
    others += sum(1 for entry in root.iterdir() if entry.is_file())
    note_left_out(desk, medium, others, links, ", or in no class folder")
    if len({label for _, label, _, _ in found}) == 1:
        desk.note(f'all {medium.many} are of one class, "{found[0][1]}"')
    found.sort(key=lambda each: each[:3])
    above = len(str(root)) + 1
    columns: dict[str, list[str | None]] = {
        "label": [shown(label) for _, label, _, _ in found],
        "path": [shown(path[above:]) for _, _, path, _ in found],
    }
    if any(split for _, _, _, split in found):
        columns["split"] = [split for _, _, _, split in found]
    facts = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    return [path for _, _, path, _ in found], pa.table(facts)


def shown(name: str) -> str:
    """A name that is no UTF-8 can be neither shown nor kept as it is."""
    if name.isascii():
        return name
    return name.encode(errors="surrogateescape").decode(errors="replace")


def note_left_out(desk: Desk, medium: Medium, others: int, links: int, lying: str = "") -> None:
    """Say how many files of a folder are no media, and how many links were not followed."""
    if others:
        desk.note(f"{counted(others, 'file')} left out: no {medium.many}{lying}")
    if links:
        desk.note(f"{counted(links, 'link')} out of the folder, or to folders: not followed")
