"""schemathesis holds the service against its own OpenAPI document, and finds nothing."""

from __future__ import annotations

import base64

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.inference.conftest import png
from tests.serving.conftest import Running

EXAMPLES = 15

pictures = st.integers(0, 50).map(png)
# What the document cannot say: that the bytes are a picture, and the picture is whole.
for kind in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"):
    schemathesis.openapi.media_type(kind, pictures)
schemathesis.openapi.format("image-base64", pictures.map(lambda each: base64.b64encode(each).decode()))


@pytest.fixture
def schema(service: Running) -> schemathesis.schemas.BaseSchema:
    return schemathesis.openapi.from_url(f"{service.address}/openapi.json")


contract = schemathesis.pytest.from_fixture("schema")


@contract.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_keeps_to_its_document(case: schemathesis.Case) -> None:
    case.call_and_validate()
