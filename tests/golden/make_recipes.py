"""Writes recipes.npz: what OpenCV and Pillow make of a few sample images.

    pip install opencv-python-headless==5.0.0.93 pillow==13.0.0
    python tests/golden/make_recipes.py

Arrays (u8, RGB). `source` is one large image, made of samples side by side, and `small` one sample;
`<method>_<width>x<height>` is `source` resized (shrunk), `<method>_up` is `small` resized to 150x131.
`lab` is COLOR_LRGB2Lab of the colours of `colours`, `rgb` is COLOR_Lab2LRGB of them taken as Lab.
"""

import pathlib

import cv2
import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = HERE.parent.parent / "samples" / "fruits"
PICK = [0, 13, 21, 37, 42, 49]
SHRUNK = [(224, 150), (150, 100), (100, 67), (75, 50)]
CV_METHODS = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "bicubic": cv2.INTER_CUBIC}


def resized(image, method, size):
    if method == "pil-bilinear":
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    return cv2.resize(image, size, interpolation=CV_METHODS[method])


def main():
    cv2.setNumThreads(1)
    # Intel's IPP, which OpenCV calls where it is built with it, rounds its cubic another way.
    cv2.ipp.setUseIPP(False)
    paths = (HERE / "paths.txt").read_text().splitlines()
    samples = [cv2.imread(str(SAMPLES / paths[i]))[:, :, ::-1] for i in PICK]
    source = np.vstack([np.hstack(samples[:3]), np.hstack(samples[3:])])
    small = np.ascontiguousarray(samples[1])
    arrays = {"source": source, "small": small}
    for method in [*CV_METHODS, "pil-bilinear"]:
        for size in SHRUNK:
            arrays[f"{method}_{size[0]}x{size[1]}"] = resized(source, method, size)
        arrays[f"{method}_up"] = resized(small, method, (150, 131))
    arrays["gaussian"] = cv2.GaussianBlur(small, (3, 3), 0)
    arrays["median"] = cv2.medianBlur(small, 3)
    arrays["bilateral"] = cv2.bilateralFilter(small, 5, 50, 50)
    colours = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    arrays["colours"] = colours
    arrays["lab"] = cv2.cvtColor(colours, cv2.COLOR_LRGB2LAB)
    arrays["rgb"] = cv2.cvtColor(colours, cv2.COLOR_LAB2LRGB)
    noise = np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    arrays["noise"] = noise
    for h in (3, 30, 100):
        denoised = cv2.fastNlMeansDenoisingColored(
            np.ascontiguousarray(noise[:, :, ::-1]), None, h, h, 7, 21)
        arrays[f"noise_nlm_{h}"] = denoised[:, :, ::-1]
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    np.savez_compressed(HERE / "recipes.npz", **contiguous)


if __name__ == "__main__":
    main()
