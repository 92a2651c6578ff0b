"""The catalogue file: what it may say, and all that is wrong with it at once."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from babel.numbers import get_currency_precision

from contracts.offers import Picture
from contracts.pictures import picture_digest
from extras_service.catalogue.file import CatalogueError, read_catalogue, read_file

SHIPPED = Path("deploy/local/catalogue.yaml")


def test_the_shipped_catalogue_shows_what_the_system_can_do() -> None:
    extras = read_catalogue(SHIPPED)

    currencies = {extra.unit_price.currency for extra in extras.values()}
    assert len(extras) >= 8
    assert len({extra.property_id for extra in extras.values()}) == 2
    assert len(currencies) >= 2
    assert any(get_currency_precision(currency) == 0 for currency in currencies)
    assert any(not extra.active for extra in extras.values())
    assert {extra.property_id: extra.time_zone for extra in extras.values()} == {
        "alpenhof": "Europe/Vienna",
        "kamogawa": "Asia/Tokyo",
    }


def test_the_shipped_catalogue_names_every_extra_once() -> None:
    written = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["extras"]

    counts = Counter(entry["extra_id"] for entry in written)

    assert [extra_id for extra_id, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "dictionary"),
        ("extras: 7", "extras"),
        ("[]", "dictionary"),
        ("extras: [{extra_id: x, property_id: p, name: {en: X}, category: c, max_quantity: 1}]", "unit_price"),
        (
            "extras: [{extra_id: x, property_id: p, name: {en: X}, category: c, max_quantity: 0,"
            " unit_price: {amount: 50, currency: EUR}}]",
            "max_quantity",
        ),
        (
            "extras: [{extra_id: x, property_id: p, name: {}, category: c, max_quantity: 1,"
            " unit_price: {amount: 50, currency: EUR}}]",
            "name",
        ),
        (
            "extras: [{extra_id: x, property_id: p, name: {en: X}, category: c, max_quantity: 1,"
            " unit_price: {amount: 1.5, currency: euro}}]",
            "currency",
        ),
    ],
    ids=["empty", "no list", "no mapping", "no price", "no quantity", "no name", "bad money"],
)
def test_a_catalogue_that_makes_no_sense_is_refused_with_the_place(tmp_path: Path, content: str, place: str) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=place):
        read_catalogue(file)


def test_a_catalogue_that_is_no_yaml_is_refused_as_a_value_error(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("extras: [", encoding="utf-8")

    with pytest.raises(ValueError, match=r"catalogue\.yaml"):
        read_catalogue(file)


def test_a_catalogue_that_defines_an_extra_twice_is_refused(tmp_path: Path) -> None:
    entry = (
        "{extra_id: x, property_id: p, name: {en: X}, category: c, max_quantity: 1,"
        " unit_price: {amount: 50, currency: EUR}}"
    )
    file = tmp_path / "catalogue.yaml"
    file.write_text(f"extras: [{entry}, {entry}]", encoding="utf-8")

    with pytest.raises(ValueError, match="x is defined twice"):
        read_catalogue(file)


MISTAKES = """\
properties:
  alpenhof: {time_zone: Europe/Wien}
  kamogawa: {timezone: Asia/Tokyo}
extras:
  - extra_id: alm-free
    property_id: alpenhof
    category: gift
    name: {en: Welcome drink}
    unit_price: {amount: 0, currency: EUR}
    max_quantity: 6
  - {extra_id: alm-postcard, property_id: alpenhof, category: gift, name: {en: Postcard}, max_quantity: 6,
     unit_price: {amount: 30, currency: EUR}}
  - {extra_id: alm-voucher, property_id: alpenhof, category: gift, name: {en: Voucher}, max_quantity: 6,
     unit_price: {amount: -500, currency: EUR}}
  - {extra_id: alm-huge, property_id: alpenhof, category: gift, name: {en: Whole house}, max_quantity: 0,
     unit_price: {amount: 9999999999, currency: EUR}}
  - {extra_id: alm-huge, property_id: alpenhof, category: gift, name: {en: Camel}, max_quantity: 1, colour: brown,
     unit_price: {amount: 1001, currency: KWD}}
  - {extra_id: alm-lira, property_id: alpenhof, category: gift, name: {en: Memory}, max_quantity: 1, time_zone: UTC,
     unit_price: {amount: 1000, currency: ITL}}
"""


def test_all_mistakes_of_a_catalogue_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(MISTAKES, encoding="utf-8")

    with pytest.raises(CatalogueError) as raised:
        read_catalogue(file)

    located = [(int(mistake.split(":")[1]), mistake) for mistake in raised.value.mistakes]
    expected = {
        (2, "Europe/Vienna"),
        (3, "timezone"),
        (9, "0 minor units of EUR are less"),
        (12, "30 minor units of EUR are less"),
        (14, "-500 minor units of EUR are less"),
        (15, "max_quantity"),
        (16, "9999999999 minor units of EUR are more"),
        (17, "alm-huge is defined twice"),
        (17, "colour"),
        (18, "multiples of 10"),
        (19, "belongs to a property"),
        (20, "does not charge in ITL"),
    }
    assert len(located) == len(expected)
    assert all(any(line == at and text in mistake for at, mistake in located) for line, text in expected), located
    assert str(raised.value).count(f"{file}:") == len(expected)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/localtime", "", "Mars/Olympus", "UTC+1", "localtime"])
def test_a_time_zone_is_one_of_iana(tmp_path: Path, zone: str) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(f"properties: {{p: {{time_zone: {zone!r}}}}}\nextras: []", encoding="utf-8")

    with pytest.raises(CatalogueError, match="Europe/Vienna"):
        read_catalogue(file)


def test_a_property_without_a_time_zone_goes_by_utc(tmp_path: Path) -> None:
    entry = SHIPPED.read_text(encoding="utf-8").partition("extras:")[2]
    file = tmp_path / "catalogue.yaml"
    file.write_text(f"extras:{entry}", encoding="utf-8")

    assert {extra.time_zone for extra in read_catalogue(file).values()} == {"UTC"}


def _pictured(picture: str) -> str:
    return (
        "extras: [{extra_id: x, property_id: p, name: {en: X}, category: c, max_quantity: 1,"
        f" unit_price: {{amount: 50, currency: EUR}}, picture: {picture}}}]"
    )


def test_a_picture_is_named_by_a_file_beside_the_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    (tmp_path / "x.jpg").write_bytes(b"a picture")
    file.write_text(_pictured("{file: x.jpg, alt: {en: An X}}"))

    read = read_file(file)

    digest = picture_digest("p", b"a picture")
    assert read.extras["x"].picture == Picture(picture_id=digest, alt={"en": "An X"})
    assert read.pictures == {digest: tmp_path / "x.jpg"}


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("{file: y.jpg, alt: {en: X}}", "picture.file: cannot be read"),
        ("{file: ../x.jpg, alt: {en: X}}", "picture.file: must be in the folder of this file"),
        ("{file: /etc/hostname, alt: {en: X}}", "picture.file: must be in the folder of this file"),
        ("{file: large.jpg, alt: {en: X}}", "picture.file: This file has more than 1 MiB"),
        ("{file: x.jpg}", "picture.alt: Field required"),
        ("{file: x.jpg, alt: {}}", "picture.alt: write in at least one language"),
        (f"{{file: x.jpg, picture_id: {'0' * 64}, alt: {{en: X}}}}", "write either file or picture_id"),
        ("{picture_id: x.jpg, alt: {en: X}}", "picture.picture_id: a picture is referred to by"),
        ('{file: "a\\0b", alt: {en: X}}', "picture.file: cannot be read"),
        ("x.jpg", "picture: Input should be"),
    ],
)
def test_a_picture_that_cannot_be_one_is_a_mistake_with_its_place(tmp_path: Path, picture: str, said: str) -> None:
    file = tmp_path / "winter" / "catalogue.yaml"
    file.parent.mkdir()
    (file.parent / "x.jpg").write_bytes(b"a picture")
    (file.parent / "large.jpg").write_bytes(b"\0" * (1024 * 1024 + 1))
    file.write_text(_pictured(picture))

    with pytest.raises(CatalogueError) as raised:
        read_file(file)

    assert said in str(raised.value)


def test_a_service_starts_with_a_file_whose_pictures_it_does_not_have(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(_pictured("{file: x.jpg, alt: {en: An X}}"))

    assert read_file(file, with_pictures=False).extras["x"].picture is None


def test_a_catalogue_that_is_not_there_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        read_catalogue(tmp_path / "none.yaml")


def test_the_service_ends_with_the_mistakes_and_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(MISTAKES, encoding="utf-8")
    settings = {
        "BELLHOP_AMQP_URL": "amqp://localhost",
        "BELLHOP_MONGODB_URL": "mongodb://localhost",
        "BELLHOP_CATALOGUE_FILE": str(file),
    }

    ended = subprocess.run(
        [sys.executable, "-m", "extras_service"], env=os.environ | settings, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 13
    assert "Traceback" not in ended.stderr
