"""Settings of processes that keep documents."""

from pydantic import Field, SecretStr, field_validator
from pymongo.errors import ConfigurationError
from pymongo.uri_parser import parse_uri

from chassis.runtime.settings import ProcessSettings, ServiceSettings

_WITH_RECORD = "mongodb+srv://"


class StoreAddressError(ValueError):
    """An address that leads to no document store. The text holds no part of it but a file's name."""


def check_store_address(url: str) -> None:
    """Raise StoreAddressError for what can be seen of BELLHOP_MONGODB_URL without a connection or a name server.

    The driver itself would leave an option with a wrong value out: `tls=yes` would be an address without TLS.
    """
    if url.startswith(_WITH_RECORD):  # the driver would ask for the record here
        place, _, query = url.removeprefix(_WITH_RECORD).partition("?")
        options = "&".join(option for option in query.split("&") if not option.lower().startswith("srv"))
        url = f"mongodb://{place}?{options}" if options else f"mongodb://{place}"
    try:
        parse_uri(url)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise StoreAddressError(f"a file that the store's address names cannot be read: {reason}") from error
    except (ConfigurationError, ValueError, TypeError) as error:  # its text may hold a part of the password
        raise StoreAddressError(
            "the store's address is not of the form mongodb://user:password@host:27017/?authSource=bellhop, "
            "or has an option that MongoDB's driver does not know, or not with this value. "
            "Characters of a password with a meaning in addresses are written as %40 and so on."
        ) from error


class DocumentSettings(ProcessSettings):
    """For processes that keep documents."""

    mongodb_url: SecretStr = Field(description="mongodb://host:27017")
    mongodb_database: str = "bellhop"
    store_timeout: float = Field(default=5.0, gt=0, description="seconds to wait for the store to answer")

    @field_validator("mongodb_url")
    @classmethod
    def _names_a_store(cls, value: SecretStr) -> SecretStr:
        check_store_address(value.get_secret_value())
        return value


class StoreSettings(ServiceSettings, DocumentSettings):
    """For services on the bus that keep documents."""
