"""A lake on a real disk, and the one way to say that a source must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options, Reading, import_source
from core.errors import LeptonError
from core.workspace import Workspace

Refuses = Callable[..., LeptonError]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Workspace.open(tmp_path / "a home with 'quotes'"))


def state(lake: Lake) -> tuple[object, ...]:
    """All that a failed import must leave alone, scratch files included."""
    workspace = lake.workspace
    versions = [v.ref for d in lake.datasets() for v in lake.versions(d.dataset)]
    files = sorted(p.name for folder in (workspace.data, workspace.tmp) for p in folder.iterdir())
    return versions, files


@pytest.fixture
def refuses(lake: Lake) -> Refuses:
    """`refuses(source, "words of the error", code=2, ...)`: the import fails so, and only so."""

    def check(
        source: Path | str,
        words: str,
        *,
        code: int = 1,
        format: str | None = None,
        said: Options | None = None,
        **options: object,
    ) -> LeptonError:
        before = state(lake)
        with pytest.raises(LeptonError) as caught:
            import_source(lake, source, reading=Reading(format, said or Options()), **options)
        error = caught.value
        assert words in str(error)
        assert error.exit_code == code, str(error)
        assert error.hint, "an error says what to do"
        assert len(str(error)) < 1000, "an error is one or two lines"
        assert "Traceback" not in str(error)
        assert state(lake) == before
        return error

    return check
