"""Pictures with one thing each, light or dark, somewhere on noise."""

import io
import json

import numpy as np
import pyarrow as pa
from PIL import Image

SIDE = 64


def drawn(count):
    """Rows with a split, a picture, and what is in it: a "light" or a "dark" box."""
    draw = np.random.default_rng(0)
    pictures, objects = [], []
    for at in range(count):
        pixels = draw.normal(128, 10, (SIDE, SIDE))
        width, height = draw.integers(18, 36, 2)
        x, y = draw.integers(0, SIDE - width), draw.integers(0, SIDE - height)
        light = bool(at % 2)
        pixels[y : y + height, x : x + width] = 220 if light else 30
        content = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "PNG")
        pictures.append(content.getvalue())
        box = [int(each) for each in (x, y, width, height)]
        objects.append(json.dumps([{"label": "light" if light else "dark", "bbox": box}]))
    train, judged = count * 8 // 10, count // 10
    splits = ["train"] * train + ["val"] * judged + ["test"] * (count - train - judged)
    return pa.table({"split": splits, "image": pictures, "objects": objects})
