"""What OpenCV and Pillow take, on one thread, for what src/pomona/image/kernels/kernels_bench.cc
measures: CPU microseconds, the least of several runs.

    pip install opencv-python-headless==5.0.0.93 pillow==13.0.0
    python bench/opencv_kernels.py
"""

import pathlib
import time

import cv2
import numpy as np
from PIL import Image

SAMPLE = pathlib.Path(__file__).resolve().parent.parent / "samples/fruits/Cauliflower/0_100.jpg"
SIZE = (224, 224)


def least_microseconds(call, runs=30):
    least = float("inf")
    call()
    for _ in range(runs):
        repeats = 1
        while True:
            start = time.process_time()
            for _ in range(repeats):
                call()
            taken = time.process_time() - start
            if taken > 0.005:
                break
            repeats *= 4
        least = min(least, taken / repeats)
    return least * 1e6


def main():
    cv2.setNumThreads(1)
    content = np.frombuffer(SAMPLE.read_bytes(), np.uint8)
    sample = cv2.imdecode(content, cv2.IMREAD_COLOR)
    photo = cv2.resize(sample, (1600, 1200), interpolation=cv2.INTER_CUBIC)
    resized = cv2.resize(sample, SIZE)
    calls = {"Decode": lambda: cv2.imdecode(content, cv2.IMREAD_COLOR)}
    for name, source in {"Enlarge": sample, "Shrink": photo}.items():
        for method, flag in {"Bilinear": cv2.INTER_LINEAR, "Area": cv2.INTER_AREA,
                             "Bicubic": cv2.INTER_CUBIC}.items():
            calls[name + method] = lambda s=source, f=flag: cv2.resize(s, SIZE, interpolation=f)
        pil = Image.fromarray(source)
        calls[name + "PilBilinear"] = lambda p=pil: p.resize(SIZE, Image.Resampling.BILINEAR)
    calls["Gaussian"] = lambda: cv2.GaussianBlur(resized, (3, 3), 0)
    calls["Median"] = lambda: cv2.medianBlur(resized, 3)
    calls["Bilateral"] = lambda: cv2.bilateralFilter(resized, 5, 50, 50)
    calls["Lab"] = lambda: cv2.cvtColor(cv2.cvtColor(resized, cv2.COLOR_LBGR2LAB),
                                        cv2.COLOR_LAB2LBGR)
    for h in (3, 5, 10):
        calls[f"Nlm/{h}"] = lambda h=h: cv2.fastNlMeansDenoisingColored(resized, None, h, h, 7, 21)
    for name, call in calls.items():
        print(f"{name:20} {least_microseconds(call, 5 if 'Nlm' in name else 30):12.1f}", flush=True)


if __name__ == "__main__":
    main()
