"""A process that may not grow beyond a bound, and those it starts, which may."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from core.growth import growth_bounded, spare

MANY = 2**31


def test_what_goes_beyond_the_bound_fails_and_the_widest_of_several_holds() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with growth_bounded(2**28):
        with pytest.raises(MemoryError):
            bytearray(MANY)
        with growth_bounded(2 * MANY):
            assert len(bytearray(MANY)) == MANY
        with pytest.raises(MemoryError):
            bytearray(MANY)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_what_is_started_meanwhile_is_spared() -> None:
    tell = "import resource; input(); print(resource.getrlimit(resource.RLIMIT_DATA))"
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with (
        growth_bounded(2**30),
        subprocess.Popen(
            [sys.executable, "-c", tell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        spare(child.pid)
        told, _ = child.communicate("\n")
    assert told.strip() == str(before)
