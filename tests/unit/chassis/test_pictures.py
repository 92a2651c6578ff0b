"""A file becomes a picture for every browser, or is refused with a sentence; the process that decodes it is another."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from chassis.pictures import encoder
from chassis.pictures.encoder import EncoderBusyError, PictureEncoder, PictureRefusedError
from chassis.pictures.worker import LARGEST, RefusedError, encode
from contracts.pictures import LARGEST_FILE, PictureRefusal, PictureSize
from tests.support.pictures import jpeg, opened, photo, png_claiming, saved

_ORIENTATION, _MAKER, _GPS = 0x0112, 0x010F, 0x8825


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[_MAKER] = "secret camera"
    exif.get_ifd(_GPS)[1] = "N"
    return exif


@pytest.mark.parametrize("as_format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_two_sizes_that_fit_into_their_squares(as_format: str) -> None:
    large, small = encode(saved(photo(1800, 1200), as_format))

    assert (opened(large).format, opened(large).size) == ("WEBP", (1280, 853))
    assert (opened(small).format, opened(small).size) == ("WEBP", (480, 320))
    assert len(large) <= LARGEST[PictureSize.LARGE]
    assert len(small) <= LARGEST[PictureSize.SMALL]


def test_a_small_picture_is_not_enlarged() -> None:
    large, small = encode(jpeg(300, 200))

    assert opened(large).size == opened(small).size == (300, 200)


def test_a_picture_is_turned_upright_and_loses_what_the_camera_has_added() -> None:
    large, small = encode(saved(photo(600, 400), "JPEG", exif=_exif(6), comment=b"secret", icc_profile=b"secret"))

    for encoded in (large, small):
        assert opened(encoded).size[0] < opened(encoded).size[1]
        assert b"secret" not in encoded
        assert not opened(encoded).getexif()
    top, bottom = (opened(large).convert("RGB").getpixel((200, y)) for y in (30, 570))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > top[2], "the left half of the file is the upper one of the picture"
    assert bottom[0] < bottom[2]


def test_a_transparent_picture_stays_transparent() -> None:
    large, _ = encode(saved(Image.new("RGBA", (200, 200), (255, 0, 0, 0)), "PNG"))

    assert opened(large).mode == "RGBA"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "format"),
        (b"hello", "format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "format"),
        (saved(photo(), "GIF"), "format"),
        (saved(photo(), "TIFF"), "format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "format"),
        (jpeg()[:5000], "damaged"),
        (saved(photo(), "PNG")[:5000], "damaged"),
        (saved(photo(), "WEBP")[:2000], "damaged"),
        (png_claiming(600, 400), "damaged"),
        (png_claiming(5001, 5000), "too-many-pixels"),
        (png_claiming(100_000, 100_000), "too-many-pixels"),
        (png_claiming(13_000, 13_000), "too-many-pixels"),
        (saved(Image.new("1", (20_000, 20_000)), "PNG"), "too-many-pixels"),
        (jpeg(600, 63), "too-small"),
        (saved(photo(), "PNG", save_all=True, append_images=[photo(seed=2)]), "animated"),
        (saved(photo(), "WEBP", save_all=True, append_images=[photo(seed=2)]), "animated"),
        (saved(Image.frombytes("RGB", (1280, 1280), os.urandom(1280 * 1280 * 3)), "JPEG", quality=60), "too-detailed"),
    ],
    ids=range(18),
)
def test_what_is_no_still_picture_is_refused_with_its_reason(content: bytes, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        encode(content)

    assert str(refused.value) == why
    assert PictureRefusal(why).sentence.endswith(".")


def test_a_phones_picture_with_a_depth_map_is_the_picture() -> None:
    large, _ = encode(saved(photo(), "MPO", save_all=True, append_images=[photo(100, 100)]))

    assert opened(large).size == (600, 400)


def test_every_refusal_has_a_sentence() -> None:
    assert all(why.sentence for why in PictureRefusal)


async def test_the_encoder_returns_what_its_process_has_encoded() -> None:
    picture = await PictureEncoder().encode(jpeg())

    assert [picture.large, picture.small] == encode(jpeg())


async def test_the_encoder_words_what_its_process_refuses() -> None:
    with pytest.raises(PictureRefusedError, match="not a JPEG, PNG or WebP"):
        await PictureEncoder().encode(b"hello")
    with pytest.raises(PictureRefusedError, match="more than 1 MiB"):
        await PictureEncoder().encode(b"\xff" * (LARGEST_FILE + 1))


async def test_pictures_that_come_together_wait_for_each_other_and_too_many_are_sent_away() -> None:
    pictures = PictureEncoder()

    ended = await asyncio.gather(*(pictures.encode(jpeg(seed=n)) for n in range(12)), return_exceptions=True)

    busy = [each for each in ended if isinstance(each, EncoderBusyError)]
    assert len(busy) == 3
    assert await pictures.encode(jpeg()), "those that came later find it free again"


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        ("import os; os.abort()", PictureRefusedError),
        ("import time; time.sleep(600)", EncoderBusyError),
    ],
)
async def test_a_file_that_kills_or_stops_the_decoder_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str, error: type[Exception]
) -> None:
    worker = tmp_path / "python"
    worker.write_text(f"#!{sys.executable}\n{breaks}\n")
    worker.chmod(0o700)
    pictures = PictureEncoder()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", str(worker))
        broken.setattr(encoder, "_SECONDS", 1.0)

        with pytest.raises(error):
            await pictures.encode(jpeg())

    assert await pictures.encode(jpeg())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are POSIX")
async def test_the_process_has_no_secret_and_limited_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    worker = tmp_path / "python"
    worker.write_text(
        f"#!{sys.executable}\nimport os, resource\nfrom chassis.pictures.worker import _limit\n_limit()\n"
        f"open({str(seen)!r}, 'w').write(f'{{dict(os.environ)}} {{resource.getrlimit(resource.RLIMIT_AS)[0]}}')\n"
    )
    worker.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(worker))
    monkeypatch.setenv("BELLHOP_SEAL_KEYS", "a secret")

    with pytest.raises(PictureRefusedError):
        await PictureEncoder().encode(jpeg())

    environment, memory = seen.read_text().rsplit(" ", 1)
    assert "BELLHOP" not in environment
    assert "a secret" not in environment
    assert int(memory) == 1024**3
