"""Picture files, as cameras and attackers make them."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def saved(picture: Image.Image, as_format: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, as_format, **options)
    return file.getvalue()


def photo(width: int = 600, height: int = 400, seed: int = 1) -> Image.Image:
    """Clouds of colour: the left half reddish, the right half bluish."""
    dots = random.Random(seed)  # noqa: S311  # colours
    cloud = Image.new("RGB", (8, 6))
    for x in range(8):
        for y in range(6):
            cloud.putpixel(
                (x, y), (dots.randint(150, 255) if x < 4 else 30, 80, dots.randint(150, 255) if x > 3 else 30)
            )
    return cloud.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(width: int = 600, height: int = 400, seed: int = 1, **options: Any) -> bytes:
    return saved(photo(width, height, seed), "JPEG", **options)


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of some bytes whose header claims any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
