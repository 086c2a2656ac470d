"""Quantises a network to int8 with NNCF; called by `pomona models quantize`.

    python quantize.py FOLDER KEEP

FOLDER holds network.xml (one normalised image in, features out), preprocess.xml (8-bit RGB in, the
network's input out) and images.u8 (calibration images as preprocess.xml takes them, one after the
other). Writes int8.xml and int8.bin there. The first KEEP convolutions stay in float32: errors made
early grow through the whole network, and narrow first layers average least. The same input gives
the same bytes.
"""
import os
import pathlib
import sys

os.environ["NNCF_CI"] = "1"  # NNCF reports what it is used for to its makers otherwise

import numpy as np
import nncf
import openvino as ov
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix


def calibration_tensors(core, folder):
    preprocess = core.compile_model(folder / "preprocess.xml", "CPU",
                                    {"INFERENCE_PRECISION_HINT": "f32"})
    shape = preprocess.input().shape
    images = np.fromfile(folder / "images.u8", np.uint8).reshape(-1, *shape[1:])
    return [preprocess(image[None])[0].copy() for image in images]


def first_convolutions(network, count):
    names = [node.get_friendly_name() for node in network.get_ordered_ops()
             if node.get_type_name() in ("Convolution", "GroupConvolution")]
    return nncf.IgnoredScope(names=names[:count])


def main():
    folder, keep = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    core = ov.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": 1})
    tensors = calibration_tensors(core, folder)
    network = core.read_model(folder / "network.xml")
    quantized = nncf.quantize(
        network,
        nncf.Dataset(tensors),
        preset=nncf.QuantizationPreset.MIXED,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(tensors),
        ignored_scope=first_convolutions(network, keep),
        # 7-bit weights where sums could saturate: Pomona runs int8 on CPUs with VNNI only.
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.DISABLE),
    )
    ov.save_model(quantized, folder / "int8.xml", compress_to_fp16=False)


main()
