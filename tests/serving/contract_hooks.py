"""What schemathesis cannot know from the document: how pictures and sounds are made."""

from __future__ import annotations

import base64

import schemathesis
from hypothesis import strategies as st

from tests.inference.conftest import png
from tests.serving.conftest import sound

pictures = st.integers(0, 50).map(png)
for kind in ("png", "jpeg", "webp", "gif", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{kind}", pictures)
coded = pictures.map(lambda each: base64.b64encode(each).decode())
schemathesis.openapi.format("image-base64", coded)

sounds = st.integers(100, 1000).map(sound)
for kind in ("wav", "x-wav", "flac", "ogg", "mpeg"):
    schemathesis.openapi.media_type(f"audio/{kind}", sounds)
schemathesis.openapi.format(
    "audio-base64", sounds.map(lambda each: base64.b64encode(each).decode())
)
