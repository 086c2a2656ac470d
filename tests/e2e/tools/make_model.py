#!/usr/bin/env python3
"""Writes a small network with its card, for tests that are not about features: make_model.py CARD

CARD is its name, say small.json. The network splits a 64 x 64 image into 4 x 4 tiles and gives the
mean of each channel of each (48 numbers), times weights near 1 from the .bin beside it.
"""
import json
import pathlib
import sys

import numpy as np
import openvino as ov
from openvino import opset8 as op

SIDE, TILES = 64, 4


def main():
    card = pathlib.Path(sys.argv[1])
    image = op.parameter([1, 3, SIDE, SIDE], np.float32, name="image")
    step = SIDE // TILES
    tiles = op.avg_pool(image, [step, step], [0, 0], [0, 0], [step, step], False)
    weights = 1 + np.arange(3 * TILES * TILES, dtype=np.float32).reshape(1, 3, TILES, TILES) / 1000
    features = op.multiply(tiles, op.constant(weights))
    features.output(0).set_names({"features"})
    ov.save_model(ov.Model([features], [image]), card.with_suffix(".xml"), compress_to_fp16=False)
    card.write_text(json.dumps({
        "id": card.stem,
        "task": "image-features",
        "description": "mean colour of 16 tiles",
        "licence": "Apache-2.0",
        "architecture": "graph",
        "weights": {"file": card.with_suffix(".xml").name},
        "input": {"width": SIDE, "height": SIDE, "channels": "rgb",
                  "mean": [127, 127, 127], "scale": [128, 128, 128]},
        "output": {"node": "features", "dimension": 3 * TILES * TILES},
    }))


main()
