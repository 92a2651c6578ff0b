"""Two kinds of failure, told apart in one place: what may heal by waiting, and what never will."""

from collections.abc import Iterable, Mapping

from contracts.message import MalformedMessageError, NewerKindError, UnknownKindError


class TransientError(Exception):
    """Broker, store or PSP away, or a lost race: the same message may well succeed later.

    `trace_headers` go to the log as headers of the failure's copy, as an envelope's do.
    """

    trace_headers: Mapping[str, str] = {}


class PermanentError(Exception):
    """An invariant broken: no retry helps, an operator must look."""


class ForbiddenError(TransientError):
    """A dependency answers, and will not be asked by this service: its own configuration is wrong.

    Nothing is decided on such an answer. It is an outage that ends when the configuration is right again. `reason`
    is counted.
    """

    def __init__(self, said: str, reason: str) -> None:
        self.reason = reason
        super().__init__(said)

    async def is_over(self) -> bool:
        """Ask again, without any effect, what was refused. True: it is refused no more, or was about one object."""
        raise NotImplementedError


class PublishFailedError(TransientError):
    """The broker did not confirm a message, or could not route it."""

    def __init__(self, kind: str, destination: str, cause: BaseException) -> None:
        self.kind = kind
        self.destination = destination
        super().__init__(f"{kind} was not confirmed by the broker on its way to {destination}: {cause!r}")


class PublishRefusedError(PublishFailedError):
    """The broker answers, and does not take this message: a nack, a missing right, no exchange. Others may pass.

    Also a message that no frame can hold, such as an id that is too long.
    """


class DestinationUnavailableError(PublishRefusedError):
    """Where it goes is missing or does not work: no such exchange, a nack of a queue that is full or without a leader.

    Every message for there is refused until that is mended, and is taken then.
    """


class UnroutableError(DestinationUnavailableError):
    """No queue takes a message that must be taken: a binding is missing at the broker."""

    def __init__(self, kind: str, destination: str, cause: BaseException) -> None:
        super().__init__(kind, destination, cause)
        self.args = (
            f"{kind} reaches no queue at {destination}: a binding is missing. It is kept and sent again; run "
            "`bellhop broker` as the operator.",
        )


class StoreUnavailableError(TransientError):
    """The document store did not answer, or not with the write concern asked for."""

    def __init__(self, doing: str, cause: BaseException) -> None:
        super().__init__(f"the document store failed while {doing}: {cause!r}")


class ConflictError(TransientError):
    """Other writers kept winning on one document."""

    def __init__(self, document_id: str, tries: int) -> None:
        super().__init__(f"{document_id} was changed by others {tries} times in a row")


class NoHandlerError(PermanentError):
    """A message reached a queue whose service does not handle its kind."""

    def __init__(self, kind: str, queue: str) -> None:
        super().__init__(f"nobody handles {kind} on {queue}: check the queue's bindings")


class UndecodableMessageError(PermanentError):
    """A property or header of a message cannot be decoded; its body has arrived."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(f"the client library cannot decode it: {'; '.join(reasons)}")


def is_outage(error: BaseException) -> bool:
    """Whether the broker or the store is unavailable, and not just this message or document at fault."""
    match error:
        case PublishRefusedError():
            return False
        case PublishFailedError() | StoreUnavailableError():
            return True
        case _:
            return False


class NewerDocumentError(Exception):
    """A document that a newer version wrote, in a form whose meaning this version does not know."""

    def __init__(self, document_id: str, schema: int, known: int) -> None:
        super().__init__(
            f"{document_id} was written by a newer version (schema {schema}, this version knows {known}): "
            "update this one (docs/updating.md)"
        )


def is_for_newer(error: BaseException) -> bool:
    """Whether a newer version can handle what failed so."""
    return isinstance(error, NewerDocumentError | NewerKindError)


def is_transient(error: BaseException) -> bool:
    """Whether the retry ladder may help.

    An error nobody foresaw counts as permanent: a bug does not heal by waiting, and a parked message can be replayed.
    """
    match error:
        case TransientError():
            return True
        case PermanentError() | MalformedMessageError() | UnknownKindError():
            return False
        case _:
            return isinstance(error, OSError | TimeoutError)
