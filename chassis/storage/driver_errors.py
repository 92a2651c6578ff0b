"""The driver's errors, as the rest of the system knows them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from chassis.errors import StoreUnavailableError


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises StoreUnavailableError, with what was being done, for any error of the driver."""
    try:
        yield
    except PyMongoError as error:
        raise StoreUnavailableError(doing, error) from error
