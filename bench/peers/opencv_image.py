"""Decoding, resizing and denoising with OpenCV on one thread, over a folder of images.

    opencv_image.py DIR SECONDS

Prints JSON: milliseconds an image for each operation, the mean over whole passes of the folder for
about SECONDS each.
"""

import json
import pathlib
import sys
import time

import cv2
import numpy


def milliseconds(operation, items, seconds):
    operation(items[0])
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for item in items:
            operation(item)
        done += len(items)
    return 1000 * elapsed / done


def main():
    folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    cv2.setNumThreads(1)
    files = [numpy.fromfile(path, numpy.uint8) for path in sorted(folder.rglob("*.jpg"))]
    decoded = [cv2.imdecode(data, cv2.IMREAD_COLOR) for data in files]
    resized = [cv2.resize(image, (224, 224)) for image in decoded]
    result = {
        "decode": milliseconds(lambda x: cv2.imdecode(x, cv2.IMREAD_COLOR), files, seconds),
        "resize": milliseconds(lambda x: cv2.resize(x, (224, 224)), decoded, seconds),
        "nlm": milliseconds(
            lambda x: cv2.fastNlMeansDenoisingColored(x, None, 3, 3, 7, 21), resized[:10], seconds
        ),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
