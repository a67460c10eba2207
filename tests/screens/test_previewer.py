"""Previews asked for one after another, by threads that start in any order."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.errors import Cancelled
from core.workspace import Workspace
from screens.data.clean.previewer import Previewer


def test_the_newest_wish_holds_whichever_thread_comes_first(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path))
    version = lake.commit("a", pa.table({"x": [1, 1, None]}), op="test")
    previewer = Previewer(lake)
    duplicates, fill = (
        Recipe.from_words([word]) for word in ("drop-duplicates", "fill columns=x with=mean")
    )
    older, newer = previewer.wished(), previewer.wished()
    assert previewer.preview(version, fill, newer).rows_changed == 1
    with pytest.raises(Cancelled):
        previewer.preview(version, duplicates, older)
    assert previewer.preview(version, fill, newer).rows_changed == 1
    # So does a wish to stop: what was asked for after it goes on.
    stop, again = previewer.wished(), previewer.wished()
    previewer.give_up(stop)
    assert previewer.preview(version, duplicates, again).rows_dropped == 1
    previewer.close()
    with pytest.raises(Cancelled):
        previewer.preview(version, duplicates, again)
