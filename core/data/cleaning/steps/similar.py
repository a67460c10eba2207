"""The step that drops rows which are nearly equal to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.near import near_duplicate_images, near_duplicate_texts
from core.errors import UsageError
from core.settings import setting


@dataclass(frozen=True)
class DropNearDuplicates(Step):
    do: ClassVar[str] = "drop-near-duplicates"
    help: ClassVar[str] = "Keep the first of the rows whose text, or image, is nearly the same."

    column: str = setting("The column of text or of images to compare")
    threshold: float = setting("Texts: the share of equal runs of three words, from 0 to 1", 0.7)

    def check(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError('"threshold" is above 0 and at most 1')

    def run(self, sheet: Sheet, learned: Learned) -> None:
        column = sheet.column(self.column)
        if column.media == "image":
            near = near_duplicate_images(sheet.connection, sheet.relation, column.name)
        elif column.type == "VARCHAR":
            near = near_duplicate_texts(
                sheet.connection, sheet.relation, column.name, threshold=self.threshold
            )
        else:
            raise UsageError(f'column "{column.name}" holds neither text nor images')
        sheet.drop(sheet.values({"_rid": "BIGINT"}, [[rid] for rid, _ in near]))
