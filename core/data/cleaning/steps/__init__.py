"""Every step there is, in the order in which a person looks for them."""

from __future__ import annotations

from core.data.cleaning.step import Step
from core.data.cleaning.steps.audio import ResampleAudio
from core.data.cleaning.steps.categories import Encode
from core.data.cleaning.steps.columns import Cast, Derive, DropColumns, MapValues, Rename
from core.data.cleaning.steps.images import RecodeImages, ResizeImages
from core.data.cleaning.steps.missing import Fill
from core.data.cleaning.steps.numbers import ClipOutliers, DropOutliers, Scale
from core.data.cleaning.steps.personal import MaskPersonal
from core.data.cleaning.steps.rows import DropDuplicates, DropRows, Filter
from core.data.cleaning.steps.similar import DropNearDuplicates
from core.data.cleaning.steps.text import NormaliseText, ParseDates, Trim

STEPS: dict[str, type[Step]] = {
    step.do: step
    for step in (
        DropDuplicates,
        DropNearDuplicates,
        DropRows,
        Filter,
        Fill,
        DropColumns,
        Rename,
        Cast,
        ParseDates,
        Trim,
        NormaliseText,
        MapValues,
        Derive,
        Scale,
        ClipOutliers,
        DropOutliers,
        Encode,
        MaskPersonal,
        ResizeImages,
        RecodeImages,
        ResampleAudio,
    )
}
