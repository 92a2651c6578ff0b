"""Re-encodes one picture. A process of its own, run by `encoder.py`: the only module that decodes foreign pictures.

Reads a file from standard input. Writes one line of JSON, and behind it the encoded sizes, the largest first; or
`{"refused": ...}`. It gets no environment, so no secret of the service that started it.
"""

import json
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP")
SIZES: Final = (1280, 480)
"""Pixels of the longer side, at most."""
MOST_PIXELS: Final = 25_000_000
"""100 MB decoded."""
LEAST_SIDE: Final = 64
LARGEST: Final = {1280: 400_000, 480: 100_000}
"""Bytes of an encoded picture. What has more detail gets a lower quality."""
_QUALITIES: Final = (80, 65, 50, 35, 20)
_MEMORY, _CPU_SECONDS = 1024**3, 10
# Pillow's name for a JPEG that carries further pictures, such as a phone's depth map. The first is the picture.
_JPEG_WITH_MORE = "MPO"
_ORIENTATION = 0x0112


class RefusedError(Exception):
    """The file is no picture that may be shown. Its text is the code in `contracts/pictures.py`."""


def encode(content: bytes) -> list[bytes]:
    """The picture in each of `SIZES`, as WebP without metadata. Raises RefusedError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which is dropped
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = _decoded(content)
        except RefusedError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
            raise RefusedError("too-many-pixels") from None
        except Exception:  # Pillow's decoders raise errors of many types for files that are not what they claim
            raise RefusedError("damaged") from None
    return [_fitting(picture, size) for size in SIZES]


def _decoded(content: bytes) -> Image.Image:
    """The picture, upright and at most as large as the largest size. The header is judged before any pixel is read."""
    try:
        file = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise RefusedError("format") from None
    if file.width * file.height > MOST_PIXELS:
        raise RefusedError("too-many-pixels")
    if min(file.size) < LEAST_SIDE:
        raise RefusedError("too-small")
    if file.format != _JPEG_WITH_MORE and getattr(file, "is_animated", False):
        raise RefusedError("animated")
    file.draft("RGB", (2 * SIZES[0], 2 * SIZES[0]))  # a JPEG is read at about the size that is needed
    file.load()
    orientation = _orientation_of(file)
    picture: Image.Image = file.convert("RGBA" if file.has_transparency_data else "RGB")
    picture.thumbnail((SIZES[0], SIZES[0]), Image.Resampling.LANCZOS)
    picture.info.clear()
    picture.getexif().clear()
    if orientation:
        picture.getexif()[_ORIENTATION] = orientation
        picture = ImageOps.exif_transpose(picture)
    return picture


def _orientation_of(file: Image.Image) -> int:
    """How the camera was held. A picture with broken metadata is shown as it is."""
    with suppress(Exception):
        found = file.getexif().get(_ORIENTATION)
        return found if isinstance(found, int) and 1 < found <= 8 else 0
    return 0


def _fitting(picture: Image.Image, size: int) -> bytes:
    shown = picture.copy()
    shown.thumbnail((size, size), Image.Resampling.LANCZOS)
    for quality in _QUALITIES:
        encoded = BytesIO()
        shown.save(encoded, "WEBP", quality=quality, method=4, exif=b"", icc_profile=b"")
        if len(encoded.getvalue()) <= LARGEST[size]:
            return encoded.getvalue()
    raise RefusedError("too-detailed")


def _limit() -> None:
    """Memory and processor time that no hostile file can exceed."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not on Windows

    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_SECONDS)):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    _limit()
    encoded = list[bytes]()
    head: dict[str, object]
    try:
        encoded = encode(sys.stdin.buffer.read())
        head = {"bytes": [len(each) for each in encoded]}
    except RefusedError as refused:
        head = {"refused": str(refused)}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(encoded))


if __name__ == "__main__":
    main()
