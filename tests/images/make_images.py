"""Writes the image files of this folder; README.md says what each one is for.

    pip install pillow==13.0.0 numpy
    python tests/images/make_images.py
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
ORIENTATION = 0x0112
WIDTH, HEIGHT = 24, 16


def scene():
    """A slope with four corners of four colours: every turn and mirroring looks different."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 10, y * 15, (x + y) * 6], axis=-1).astype(np.uint8)
    rgb[:5, :5] = (250, 30, 30)
    rgb[:5, -5:] = (30, 250, 30)
    rgb[-5:, :5] = (30, 30, 250)
    return rgb


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, depth, colour, rows, *extra):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra,
                     chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")])


def rgb16_png():
    samples = (scene().astype(np.uint16) * 256 + 200).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    return png(WIDTH, HEIGHT, 16, 2, rows)


def interlaced_png():
    """Adam7 of the scene; Pillow cannot write it."""
    rows = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)]:
        for row in scene()[y0::dy, x0::dx]:
            rows += b"\0" + row.tobytes()
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header),
                     chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")])


def exif(orientation):
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data.tobytes()


def huge_jpeg(jpeg):
    """The same JPEG, its frame header claiming 60,000 x 60,000 pixels."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[:at + 5] + struct.pack(">HH", 60000, 60000) + jpeg[at + 9:]


def segment(marker, data):
    return bytes([0xff, marker]) + struct.pack(">H", len(data) + 2) + data


def many_scans():
    """One grey block, progressive: each of 63 coefficients alone, bit by bit, in 631 scans that
    say nothing (every Huffman table has one code, 0, for "all zero")."""
    def scan(coefficient, high, low):
        # 0x7f: that code, filled up with ones.
        return segment(0xda, bytes([1, 1, 0, coefficient, coefficient, high << 4 | low])) + b"\x7f"

    one_code = bytes([1] + [0] * 15 + [0])
    parts = [b"\xff\xd8", segment(0xdb, bytes([0] + [1] * 64)),
             segment(0xc2, struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0)),
             segment(0xc4, b"\x00" + one_code), segment(0xc4, b"\x10" + one_code), scan(0, 0, 0)]
    for coefficient in range(1, 64):
        parts.append(scan(coefficient, 0, 9))
        parts += [scan(coefficient, low + 1, low) for low in range(8, -1, -1)]
    return b"".join(parts) + b"\xff\xd9"


def jpegs(image):
    plain = encoded(image, "JPEG", quality=90)
    scan = plain.index(b"\xff\xda")
    files = {
        "rgb.jpg": plain,
        "progressive.jpg": encoded(image, "JPEG", quality=90, progressive=True),
        "grey.jpg": encoded(image.convert("L"), "JPEG", quality=90),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG", quality=95),
        "one_pixel.jpg": encoded(Image.new("RGB", (1, 1), (200, 100, 50)), "JPEG", quality=95),
        "trailing.jpg": plain + b"garbage after the end" * 9,
        "truncated.jpg": plain[:(scan + len(plain)) // 2],
        "header_only.jpg": plain[:scan],
        "huge.jpg": huge_jpeg(plain),
        "many_scans.jpg": many_scans(),
    }
    middle = scan + 60
    files["half_overwritten.jpg"] = plain[:middle] + bytes(len(plain) - middle)
    for orientation in range(1, 9):
        files[f"orientation_{orientation}.jpg"] = encoded(
            image, "JPEG", quality=95, subsampling=0, exif=exif(orientation))
    return files


def pngs(image, alpha):
    plain = encoded(image, "PNG")
    damaged = bytearray(plain)
    damaged[plain.index(b"IDAT") + 20] ^= 0xff
    transparent = image.convert("L")
    return {
        "rgb.png": plain,
        "grey.png": encoded(image.convert("L"), "PNG"),
        "grey_1bit.png": encoded(image.convert("1"), "PNG"),
        "palette.png": encoded(image.quantize(16), "PNG"),
        "transparent_colour.png": encoded(
            transparent, "PNG", transparency=transparent.getpixel((0, 0))),
        "alpha.png": encoded(alpha, "PNG"),
        "rgb16.png": rgb16_png(),
        "interlaced.png": interlaced_png(),
        "orientation_6.png": encoded(image, "PNG", exif=exif(6)),
        "huge.png": png(60000, 60000, 8, 2, b""),
        "truncated.png": plain[:len(plain) // 2],
        "no_end.png": plain[:-12],
        "damaged.png": bytes(damaged),
    }


def webps(image, alpha):
    plain = encoded(image, "WEBP", quality=90)
    frames = [image, image.rotate(90)]
    return {
        "lossy.webp": plain,
        "lossless.webp": encoded(image, "WEBP", lossless=True),
        "alpha.webp": encoded(alpha, "WEBP", lossless=True, exact=True),
        "orientation_6.webp": encoded(image, "WEBP", lossless=True, exif=exif(6)),
        "animated.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "truncated.webp": plain[:len(plain) // 2],
        "damaged.webp": plain[:24] + bytes(len(plain) - 24),
    }


def others(image):
    page = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
    return {
        "picture.gif": encoded(image, "GIF"),
        "picture.bmp": encoded(image, "BMP"),
        "picture.tif": encoded(image, "TIFF"),
        "picture.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64),
        "picture.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "web_page.jpg": page,
        "empty.jpg": b"",
        "zeros.jpg": bytes(256),
    }


def main():
    image = Image.fromarray(scene())
    opacity = np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :].repeat(HEIGHT, axis=0)
    alpha = image.copy()
    alpha.putalpha(Image.fromarray(opacity))
    files = {**jpegs(image), **pngs(image, alpha), **webps(image, alpha), **others(image)}
    for name, content in files.items():
        (HERE / name).write_bytes(content)
    np.savez_compressed(HERE / "expected.npz", **expected())


def expected():
    """What Pillow reads: RGB, upright, over white."""
    arrays = {"scene": scene()}
    for name in ["rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "grey.png",
                 "grey_1bit.png", "palette.png", "transparent_colour.png", "alpha.png",
                 "lossy.webp", "lossless.webp", "alpha.webp"]:
        image = Image.open(HERE / name)
        if image.mode == "RGBA" or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
        arrays[name] = np.asarray(image.convert("RGB"))
    return arrays


if __name__ == "__main__":
    main()
