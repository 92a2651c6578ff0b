"""What is wrong with the store's address is said before anything connects, and without a part of its password."""

import warnings

import pytest
from pymongo import MongoClient

from chassis.storage.settings import StoreAddressError, check_store_address


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://127.0.0.1:27017",
        "mongodb://u:p%40w@one.example:27017,two.example/?replicaSet=hotel&authSource=bellhop&tls=true&w=majority",
        "mongodb://[::1]:27017/bellhop?directConnection=true",
        "mongodb+srv://u:p@no-such-host.invalid/?retryWrites=true&w=majority&appName=Hotel",
        "mongodb+srv://u:p@no-such-host.invalid/?srvMaxHosts=2&srvServiceName=mongodb&tls=true",
        f"mongodb://one.example/?tls=true&tlsCAFile={__file__}",
    ],
)
def test_an_address_is_taken_without_a_look_at_the_network(url: str) -> None:
    check_store_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "mongo.example",
        "https://u:hush@mongo.example/",
        "mongodb://",
        "mongodb://u:hu@sh@mongo.example/",
        "mongodb://u:hu/sh@mongo.example/",
        "mongodb://u:hu?sh@mongo.example/",
        "mongodb://u:100%hush@mongo.example/",
        "mongodb://u:hush@mongo.example:port/",
        "mongodb+srv://u:hu@sh@mongo.example/",
        "mongodb://u:hush@mongo.example/?tls=yes",
        "mongodb://u:hush@mongo.example/?tls_ca_file=hush",
    ],
)
def test_an_address_that_the_driver_would_not_take_as_it_is_meant_is_refused(url: str) -> None:
    with pytest.raises(StoreAddressError, match="not of the form mongodb://") as raised:
        check_store_address(url)

    assert "hu" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(StoreAddressError, match=r"/no/such/file: No such file"):
        check_store_address("mongodb+srv://u:hush@mongo.example/?tlsCAFile=/no/such/file")


def test_the_driver_alone_would_speak_without_tls_for_a_word_that_it_does_not_know() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with MongoClient[dict[str, object]]("mongodb://127.0.0.1:1/?tls=yes", connect=False) as client:
            assert "tls" not in repr(client)

    assert "tls" in str(said[0].message)
