"""What a broker's address names, and the same broker for another account or virtual host."""

import pytest

from chassis.messaging.broker_address import BrokerAddress

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
    ],
)
def test_the_management_api_is_usually_at_the_same_broker_with_the_same_login(url: str, management_url: str) -> None:
    assert BrokerAddress(url).management_url == management_url


def test_an_address_shows_no_password() -> None:
    assert "p%2Fw" not in repr(FULL)
