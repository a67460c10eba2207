"""A model behind LitServe, which takes the picture as it is too: `MODEL PORT BATCH`.

Annotations are looked at as they stand, so none is put off (no `from __future__`).
"""

import io
import sys
from typing import Annotated

import litserve
import numpy as np
import torch
from fastapi import Body
from PIL import Image

from core.models.folder import load_module
from core.models.registry import Models
from core.workspace import Workspace

WAIT = 0.002
"""Seconds that a batch waits for more."""


class Digits(litserve.LitAPI):
    """As LitServe's pages have it: decode, batch, predict, unbatch, encode."""

    def setup(self, device: str) -> None:
        torch.set_num_threads(1)
        module = load_module(Models(Workspace.open()).get(sys.argv[1]))
        self.module = module.to(memory_format=torch.channels_last)

    def decode_request(self, request: Annotated[bytes, Body()]) -> torch.Tensor:
        pixels = np.asarray(Image.open(io.BytesIO(request)), np.float32) / 255
        return torch.from_numpy(pixels).reshape(1, 28, 28)

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.module(x.reshape(-1, 1, 28, 28)).softmax(1)

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output.split(1))

    def encode_response(self, output: torch.Tensor) -> dict[str, object]:
        scores = output[0]
        return {"label": int(scores.argmax()), "scores": scores.tolist()}


if __name__ == "__main__":
    _, _, port, batch = sys.argv
    batched = {"batch_timeout": WAIT} if int(batch) > 1 else {}
    server = litserve.LitServer(Digits(max_batch_size=int(batch), **batched), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="warning")
