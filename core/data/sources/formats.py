"""The formats that can be imported: what each is called, how it is known, and who reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from core.data.sources.desk import Arrived, Desk

    Reader = Callable[[Desk, list[Path]], Arrived]


@dataclass(frozen=True)
class Format:
    """One format. `entry` is `module:function` in this room, imported when it is used.

    `magic` are first bytes that no other format has. The reader of a `whole` format takes a folder
    as it is; the others get the folder's files.
    """

    spoken: str
    entry: str
    suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    whole: bool = False

    @property
    def reader(self) -> Reader:
        """The function that reads files of this format, in the order they are given."""
        module, _, function = self.entry.partition(":")
        found = getattr(import_module(f"core.data.sources.{module}"), function)
        return cast("Reader", found)


FORMATS: dict[str, Format] = {
    "csv": Format("CSV text", "tables.delimited:read_csv", (".csv",)),
    "tsv": Format("TSV text", "tables.delimited:read_tsv", (".tsv", ".tab")),
    "parquet": Format(
        "a Parquet file", "tables.parquet:read_parquet", (".parquet", ".pq"), (b"PAR1",)
    ),
    "jsonl": Format(
        "JSON Lines", "tables.json_lines:read_json_lines", (".jsonl", ".ndjson", ".json")
    ),
    "arrow": Format(
        "an Arrow file",
        "tables.arrow:read_arrow",
        (".arrow", ".feather", ".ipc", ".arrows"),
        (b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"),
    ),
    "excel": Format(
        "a workbook",
        "tables.excel:read_workbooks",
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    ),
    "sqlite": Format(
        "an SQLite database",
        "tables.sqlite_file:read_sqlite",
        (".sqlite", ".sqlite3", ".db3"),
        (b"SQLite format 3\0",),
    ),
    "duckdb": Format("a DuckDB database", "tables.duckdb_file:read_duckdb", (".duckdb", ".ddb")),
    "text": Format("text", "tables.text_files:read_text"),
    "images": Format("images", "media.image_folder:read_images", whole=True),
    "audio": Format("sounds", "media.image_folder:read_sounds", whole=True),
    "coco": Format("COCO", "media.coco:read_coco", whole=True),
    "voc": Format("Pascal VOC", "media.voc:read_voc", whole=True),
    "masks": Format("images with masks", "media.masks:read_masks", whole=True),
    "huggingface": Format(
        "a data set of Hugging Face", "media.huggingface:read_huggingface", whole=True
    ),
    "idx": Format("an IDX file", "media.idx:read_idx_files", whole=True),
}
# Names that say "text" but as often hold a table: the content decides.
TEXT_SUFFIXES = (".txt", ".text", ".md", ".log")
PACKED = ("gz", "zst", "bz2", "xz", "zip", "tar", "tgz", "tbz2", "txz", "tzst")
BY_SUFFIX = {suffix: name for name, each in FORMATS.items() for suffix in each.suffixes}
SPOKEN = {name: each.spoken for name, each in FORMATS.items()}
