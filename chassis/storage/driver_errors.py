"""The driver's errors, as the rest of the system knows them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import OperationFailure, PyMongoError

from chassis.errors import StoreUnavailableError

_ADVICE = {
    13: "This user has no right to it: run `bellhop store` of this version as the administrator (docs/security.md).",
    18: "Check user, password and authSource in BELLHOP_MONGODB_URL.",
}
"""By MongoDB's code: Unauthorized and AuthenticationFailed."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises StoreUnavailableError, with what was being done, for any error of the driver."""
    try:
        yield
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        raise StoreUnavailableError(doing, error, _ADVICE.get(code or 0, "")) from error
