"""Images as people hold them -> what the native featurizer takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UsageError

__all__ = ["Image", "describe", "to_item", "to_list"]

#: The path of a file, its bytes, a ``PIL.Image.Image``, or uint8 height x width x 3 (RGB).
Image = Any


def _is_pil(image: object) -> bool:
    # Without importing Pillow: whoever has such an image has imported it.
    return any(c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(image).__mro__)


def _pil_pixels(image: Any) -> npt.NDArray[np.uint8]:
    """As the native decoder would: turned as EXIF says, alpha over white, RGB."""
    from PIL import Image as pil
    from PIL import ImageOps

    if image.mode.startswith(("F", "I")):
        raise UsageError(
            f"a PIL image of mode {image.mode} has more than 8 bits a channel: give its file, or "
            "convert it to RGB"
        )
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = pil.alpha_composite(pil.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def to_item(image: Image) -> Any:
    """One image as bytes, a path (str), pixels or None; what it is else is for native to refuse."""
    if isinstance(image, (bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, os.PathLike):
        image = os.fsdecode(image)
    if isinstance(image, str) and "://" in image:
        raise UsageError(
            f"{image} is no path of this machine: read it with pomona.extract, or give its bytes"
        )
    if _is_pil(image):
        return _pil_pixels(image)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    return image


def to_list(images: Iterable[Image]) -> Sequence[Image]:
    """The images of any collection; UsageError if this is a single one."""
    if isinstance(images, (str, bytes, bytearray, os.PathLike)) or _is_pil(images):
        raise UsageError(f"give a list of images, not {describe(images)} alone")
    to_pylist = getattr(images, "to_pylist", None)  # Arrow's arrays
    if to_pylist is not None:
        return list(to_pylist())
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise UsageError("give a list of images, not one array of height x width x 3 alone")
    return images if isinstance(images, Sequence) else list(images)


def describe(image: Image) -> str:
    """An image as an error names it."""
    if isinstance(image, (str, os.PathLike)):
        return repr(os.fsdecode(image))
    return type(image).__name__
