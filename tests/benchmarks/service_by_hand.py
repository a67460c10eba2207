"""A model behind FastAPI as tutorials write it: JSON in, the model on the request's thread."""

from __future__ import annotations

import socket
import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from core.models.folder import load_module
from core.models.registry import Models
from core.workspace import Workspace

app = FastAPI()
torch.set_num_threads(1)
module = load_module(Models(Workspace.open()).get(sys.argv[1]))


class Picture(BaseModel):
    pixels: list[float]


@app.post("/predict")
def predict(picture: Picture) -> dict[str, object]:
    pixels = torch.tensor(picture.pixels).reshape(1, 1, 28, 28)
    with torch.no_grad():
        scores = module(pixels).softmax(1)[0]
    return {"label": int(scores.argmax()), "scores": scores.tolist()}


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])
