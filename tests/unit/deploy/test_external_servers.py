"""A stack on servers of one's own says what is wrong with their addresses before it waits for them."""

import pytest

from deploy.local.broker import ExternalBroker
from deploy.local.process import PartError
from deploy.local.store import ExternalStore


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (
            ExternalBroker("amqps://u:hush@rabbit.example/?cafile=/no/such/file"),
            "BELLHOP_AMQP_URL is set, but the cafile of the broker's address, /no/such/file, cannot be read",
        ),
        (
            ExternalStore("mongodb://u:hu@sh@mongo.example:port/"),
            "BELLHOP_MONGODB_URL is set, but the store's address is not of the form",
        ),
    ],
)
def test_an_address_that_names_no_server_is_refused_with_a_sentence(
    part: ExternalBroker | ExternalStore, sentence: str
) -> None:
    with pytest.raises(PartError, match=sentence) as refused:
        part.start()

    assert "hu" not in str(refused.value)
