"""Keras ResNet50 (include_top=False, average pooled) with the weights of a .h5 file, as OpenVINO IR
for benchmark_app.

    keras_to_ir.py WEIGHTS.h5 OUT.xml
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import openvino
import tensorflow


def main():
    weights, out = sys.argv[1:]
    model = keras.applications.ResNet50(
        include_top=False, weights=None, pooling="avg", input_shape=(224, 224, 3)
    )
    model.load_weights(weights)
    call = tensorflow.function(
        lambda image: model(image, training=False),
        input_signature=[tensorflow.TensorSpec((1, 224, 224, 3), tensorflow.float32, "image")],
    )
    openvino.save_model(
        openvino.convert_model(call.get_concrete_function()), out, compress_to_fp16=False
    )


if __name__ == "__main__":
    main()
