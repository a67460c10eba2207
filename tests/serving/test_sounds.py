"""Sounds are sent in whichever form, and those that are a trap are never decoded whole."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from core.inference.engine import Engine
from core.workspace import Workspace
from tests.serving.conftest import Running, Start, sound
from tests.serving.test_bad_input import PREDICT, refused
from tests.serving.test_predict import ARROW, stream

ADDRESS = PREDICT.format("listener")


@pytest.fixture(scope="module")
def hearing(lepton_serve: Start) -> Running:
    return lepton_serve("listener", alone=True)


def post(service: Running, content: bytes, kind: str = "audio/flac") -> Any:
    return service.client.post(ADDRESS, content=content, headers={"content-type": kind})


def test_a_sound_comes_in_many_ways(hearing: Running, home: Workspace) -> None:
    content = sound(300)
    written = base64.b64encode(content).decode()
    (expected,) = Engine(home, "cpu").predict("listener", [{"audio": content}])
    arrow = stream(pa.table({"audio": [content]}))
    replies = [post(hearing, content, kind) for kind in ("audio/wav", "audio/x-wav")]
    replies += [
        hearing.client.post(ADDRESS, files={"file": ("5.wav", content, "audio/wav")}),
        hearing.predict("listener", {"audio": written}),
        hearing.client.post(ADDRESS, content=arrow, headers=ARROW),
    ]
    for reply in replies:
        assert reply.status_code == 200, reply.text
        assert reply.json()["predictions"] == [expected.output]


def test_a_small_file_that_holds_hours_is_refused(hearing: Running) -> None:
    hours = io.BytesIO()
    with soundfile.SoundFile(hours, "w", 8000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(30):
            file.write(np.zeros(1 << 22, np.int16))
    assert len(hours.getvalue()) < 2 << 20
    assert post(hearing, sound()).status_code == 200
    before = hearing.engine.memory_info().rss
    told = refused(post(hearing, hours.getvalue()), 422)
    assert "15728.6 s long, and the model hears 600 s at once" in told["detail"]
    assert hearing.engine.memory_info().rss - before < 200 << 20
    # One that fails alone leaves the others their answers.
    written = [base64.b64encode(each).decode() for each in (sound(), hours.getvalue())]
    reply = hearing.predict("listener", *written)
    assert [each is None for each in reply.json()["predictions"]] == [False, True]


def test_sounds_that_are_damaged_or_lie_are_refused(hearing: Running) -> None:
    whole = sound()
    rate = whole[:24] + struct.pack("<I", 2**31 - 19) + whole[28:]
    assert "samples a second" in refused(post(hearing, rate), 422)["detail"]
    slow = whole[:24] + struct.pack("<I", 1) + whole[28:]
    assert "1600.0 s long" in refused(post(hearing, slow), 422)["detail"]
    refused(post(hearing, b""), 422)
    for broken, why in (
        (b"MZ no sound", "cannot be read: Format not recognised"),
        (whole[:44], "cannot be read: it has no samples"),
        (whole[:20], "cannot be read: it is cut short"),
    ):
        told = refused(post(hearing, broken), 422)
        assert why in told["detail"]
        assert told["where"] == "instances[0].audio"
