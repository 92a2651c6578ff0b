"""Errors of the chassis, divided into transient (a retry may help) and permanent (it cannot)."""

from collections.abc import Iterable, Mapping

from contracts.message import MalformedMessageError, NewerKindError, UnknownKindError


class TransientError(Exception):
    """Broker, store or PSP unavailable, or a lost race: the same message may succeed later.

    `trace_headers` become headers of the failure's copy in the message log, as an envelope's do.
    """

    trace_headers: Mapping[str, str] = {}


class PermanentError(Exception):
    """An invariant is broken: no retry helps, an operator must act."""


class ForbiddenError(TransientError):
    """A dependency rejects this service, whose own configuration is wrong.

    No decision is based on such an answer: it counts as an outage that ends when the configuration is corrected.
    `reason` is the label it is counted under.
    """

    def __init__(self, said: str, reason: str) -> None:
        self.reason = reason
        super().__init__(said)

    async def is_over(self) -> bool:
        """Repeat the refused call without any effect. True if it is accepted now, or concerned a single object."""
        raise NotImplementedError


class BrokerUnavailableError(TransientError):
    """The broker does not accept connections now: it is away, starts, or has hung up before it let this process in."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the broker did not accept the connection: {cause!r}")


class PublishFailedError(TransientError):
    """The broker did not confirm a message, or could not route it."""

    def __init__(self, kind: str, destination: str, cause: BaseException) -> None:
        self.kind = kind
        self.destination = destination
        super().__init__(f"{kind} was not confirmed by the broker on its way to {destination}: {cause!r}")


class PublishRefusedError(PublishFailedError):
    """The broker rejects this message: a nack, a missing right, no exchange. Other messages may pass.

    Also a message that fits into no frame, for example because its id is too long.
    """


class DestinationUnavailableError(PublishRefusedError):
    """The destination is missing or broken: no such exchange, or a nack of a queue that is full or has no leader.

    Every message for it is refused until the destination is repaired, and accepted then.
    """


class UnroutableError(DestinationUnavailableError):
    """No queue takes a mandatory message: a binding is missing at the broker."""

    def __init__(self, kind: str, destination: str, cause: BaseException) -> None:
        super().__init__(kind, destination, cause)
        self.args = (
            f"{kind} reaches no queue at {destination}: a binding is missing. It is kept and sent again; run "
            "`bellhop broker` as the operator.",
        )


class StoreUnavailableError(TransientError):
    """The document store did not answer, or not with the write concern asked for."""

    def __init__(self, doing: str, cause: BaseException, advice: str = "") -> None:
        super().__init__(f"the document store failed while {doing}: {cause!r} {advice}".rstrip())


class ConflictError(TransientError):
    """A document was changed by other writers between every read and write."""

    def __init__(self, document_id: str, tries: int) -> None:
        super().__init__(f"{document_id} was changed by others {tries} times in a row")


class NoHandlerError(PermanentError):
    """A message reached a queue whose service does not handle its kind."""

    def __init__(self, kind: str, queue: str) -> None:
        super().__init__(f"no handler for {kind} on {queue}: check the queue's bindings")


class UndecodableMessageError(PermanentError):
    """A property or header of a message cannot be decoded, although its body has arrived."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(f"the client library cannot decode it: {'; '.join(reasons)}")


def is_outage(error: BaseException) -> bool:
    """Whether the broker or the store is unavailable, rather than this message or document at fault."""
    match error:
        case PublishRefusedError():
            return False
        case PublishFailedError() | StoreUnavailableError():
            return True
        case _:
            return False


class NewerDocumentError(Exception):
    """A document was written by a newer version, in a form that this version cannot interpret."""

    def __init__(self, document_id: str, schema: int, known: int) -> None:
        super().__init__(
            f"{document_id} was written by a newer version (schema {schema}, this version knows {known}): "
            "update this one (docs/updating.md)"
        )


def is_for_newer(error: BaseException) -> bool:
    """Whether a newer version of the service could handle what failed with this error."""
    return isinstance(error, NewerDocumentError | NewerKindError)


def is_transient(error: BaseException) -> bool:
    """Whether a retry may help.

    An unexpected error counts as permanent: waiting does not fix a bug, and a dead letter can be replayed.
    """
    match error:
        case TransientError():
            return True
        case PermanentError() | MalformedMessageError() | UnknownKindError():
            return False
        case _:
            return isinstance(error, OSError | TimeoutError)
