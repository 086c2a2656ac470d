#!/usr/bin/env python3
"""Fills a folder with images as they go wrong, one file each: bad_images.py FOLDER"""
import os
import pathlib
import struct
import sys
import zlib

from PIL import Image


def png_chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, pixels):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) +
            png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b""))


def with_size(jpeg, side):
    """The same JPEG with another size in its frame header (SOF0: FF C0, length, precision, h, w)."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4:]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    samples = pathlib.Path(os.environ["SAMPLES"])
    one, other = ((samples / n).read_bytes() for n in ("Lemon/0_100.jpg", "Cauliflower/0_100.jpg"))
    half = len(one) // 2
    Image.new("RGB", (1, 1), (200, 30, 40)).save(folder / "pixel.jpg")
    files = {
        "good.jpg": one,
        "pixel.png": png(1, 1, b"\0\xc8\x1e\x28"),
        "empty.jpg": b"",
        "cut.jpg": one[:half],
        "cut_in_header.jpg": one[:30],
        "cut_before_end.jpg": one[:-2],
        "magic_only.jpg": one[:3],
        "text.jpg": b"This was never an image.\n" * 9,
        "page.png": b"<!DOCTYPE html><title>404</title>",
        "overwritten_by_zeros.jpg": one[:half] + bytes(len(one) - half),
        "overwritten_by_text.jpg": one[:half] + b"# notes\n" * ((len(one) - half) // 8),
        "overwritten_by_another.jpg": other[:half] + one[half:],
        "cut.png": png(64, 64, bytes(64 * 193))[:-30],
        "short_rows.png": png(64, 64, bytes(10 * 193)),
        "huge.jpg": with_size(one, 60000)[:1024],
        "huge.png": png(60000, 60000, bytes(900_000)),
        "animation.gif": b"GIF89a" + bytes(100),
        "photo.heic": struct.pack(">I4s4s", 24, b"ftyp", b"heic") + bytes(12),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert all(len(files[n]) <= 1024 for n in ("huge.jpg", "huge.png"))


main()
