"""What a mail server does instead of taking an e-mail."""

from chassis.errors import PermanentError, TransientError


class MailServerUnavailableError(TransientError):
    """No connection, no encryption or no login at the mail server: no e-mail can be sent."""

    def __init__(self, said: str) -> None:
        super().__init__(f"the mail server is unavailable: {said}")


class MailDeferredError(TransientError):
    """The mail server does not take this e-mail now."""

    def __init__(self, said: str) -> None:
        super().__init__(f"the mail server does not take this e-mail now: {said}")


class MailRefusedError(PermanentError):
    """The mail server refuses this e-mail for good."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"the mail server refuses this e-mail: {said}. Correct what it names, then replay this message or use "
            "`bellhop mail send-again`"
        )
