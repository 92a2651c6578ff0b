"""What a broker's address names, and the same broker for another account or virtual host."""

from pathlib import Path

import pytest

from chassis.messaging.broker_address import BrokerAddress, BrokerAddressError
from tests.support.certificates import certificate

FULL = BrokerAddress("amqp://gate%40way:p%2Fw@broker.example:5673/hotel%2Fone?heartbeat=30")
BARE = BrokerAddress("amqps://broker.example")


def test_an_address_names_account_host_and_virtual_host() -> None:
    assert (FULL.login, FULL.password) == ("gate@way", "p/w")
    assert (FULL.host, FULL.port, FULL.vhost) == ("broker.example", 5673, "hotel/one")


def test_what_an_address_leaves_out_has_rabbitmqs_defaults() -> None:
    assert (BARE.login, BARE.password, BARE.port, BARE.vhost) == ("guest", "guest", 5671, "/")


def test_another_account_leaves_the_rest_as_it_is() -> None:
    assert FULL.for_account("a b", "c:d").url == "amqp://a%20b:c%3Ad@broker.example:5673/hotel%2Fone?heartbeat=30"


def test_another_virtual_host_leaves_the_rest_as_it_is() -> None:
    assert FULL.for_vhost("two/x").url == "amqp://gate%40way:p%2Fw@broker.example:5673/two%2Fx?heartbeat=30"


def test_a_connection_name_is_added() -> None:
    assert BrokerAddress("amqp://localhost/").named("gateway").url == "amqp://localhost/?name=gateway"


@pytest.mark.parametrize(
    ("url", "management_url"),
    [
        ("amqp://u:p%40@broker/", "http://u:p%40@broker:15672"),
        ("amqps://u:p@broker/", "https://u:p@broker:15671"),
        ("amqp://broker/", "http://guest:guest@broker:15672"),
        ("amqp://u:p@[::1]:5672/", "http://u:p@[::1]:15672"),
        ("amqps://u:p@broker/?cafile=/ca/our%20own.pem", "https://u:p@broker:15671?cafile=%2Fca%2Four+own.pem"),
    ],
)
def test_the_management_api_is_usually_at_the_same_broker_with_the_same_login(url: str, management_url: str) -> None:
    assert BrokerAddress(url).management_url == management_url


@pytest.mark.parametrize(
    ("named", "management_url"),
    [
        ("https://api.example", "https://u:p@api.example?cafile=%2Fca.pem"),
        ("https://o:q@api.example/rabbit", "https://o:q@api.example/rabbit?cafile=%2Fca.pem"),
        ("https://api.example?cafile=/other.pem", "https://u:p@api.example?cafile=/other.pem"),
        ("http://api.example", "http://u:p@api.example"),
    ],
)
def test_a_management_api_has_the_brokers_login_and_authorities_unless_it_names_others(
    named: str, management_url: str
) -> None:
    assert BrokerAddress("amqps://u:p@broker/?cafile=/ca.pem").like_this(named) == management_url


def test_the_authorities_file_is_kept_for_other_accounts_virtual_hosts_and_names(tmp_path: Path) -> None:
    authority, _ = certificate(tmp_path)
    address = BrokerAddress(f"amqps://broker/?cafile={authority}")

    for same in (address, address.for_account("a", "b"), address.for_vhost("v"), address.named("gateway")):
        same.check()
        assert same.ca_file == str(authority)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rabbit.example", "not of the form"),
        ("https://u:secret@rabbit.example/", "not of the form"),
        ("amqp:///hotel", "not of the form"),
        ("amqp://u:secret@rabbit.example:port/", "not of the form"),
        ("amqp://u:secret@[rabbit/", "not of the form"),
        ("amqp://u:secret@rabbit.example/?cafile=/ca.pem", "not amqps://"),
        ("amqps://u:secret@rabbit.example/?cafile=/no/such/file", "/no/such/file, cannot be read: No such file"),
        (f"amqps://u:secret@rabbit.example/?cafile={__file__}", "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_before_anything_connects(url: str, problem: str) -> None:
    with pytest.raises(BrokerAddressError, match=problem) as raised:
        BrokerAddress(url).check()

    assert "secret" not in str(raised.value)


def test_an_address_shows_no_password() -> None:
    assert "p%2Fw" not in repr(FULL)
