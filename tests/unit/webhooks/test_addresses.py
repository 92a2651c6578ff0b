"""Where webhooks are sent to: nowhere inside, whatever an address looks like."""

import pytest

from webhooks.addresses import ForbiddenTargetError, place_of, require_public

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:53aa:64c:0:0:0:0",
    "2001:db8::1",
    "100::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenTargetError):
        require_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_public_internet_is_allowed(address: str) -> None:
    require_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://pms.example/",
        "ftp://pms.example/",
        "file:///etc/passwd",
        "gopher://pms.example/",
        "pms.example/hooks",
        "https://",
        "https:///hooks",
        "https://user:secret@pms.example/",
        "https://user@pms.example/",
        "https://@pms.example/",
        "https://pms.example@127.0.0.1/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://pms.example/#part",
        "https://pms.example:0/",
        "https://pms.example:99999/",
        "https://pms.example:x/",
        "https://[::1/",
        "https://pms.example/a b",
        "https://pms.example/\r\nHost: inside",
        "https://pms.example\\@inside/",
        "https://pms.exämple/",
        "https://pms.example/" + "a" * 2000,
    ],
)
def test_an_address_that_is_not_plain_https_to_a_public_host_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenTargetError):
        place_of(url)


def test_an_address_in_parts() -> None:
    place = place_of("https://PMS.example:8443/hooks?key=1")

    assert (place.host, place.port, place.target, place.authority) == (
        "pms.example",
        8443,
        "/hooks?key=1",
        "pms.example:8443",
    )
    assert place_of("https://pms.example").target == "/"
    assert place_of("https://pms.example").authority == "pms.example"


def test_where_a_setting_allows_it_a_receiver_may_stand_beside() -> None:
    place = place_of("http://127.0.0.1:9/hooks", anywhere=True)

    assert (place.is_encrypted, place.port, place.authority) == (False, 9, "127.0.0.1:9")
    assert place_of("http://[::1]/", anywhere=True).authority == "[::1]"
    with pytest.raises(ForbiddenTargetError):
        place_of("http://user:secret@127.0.0.1/", anywhere=True)
