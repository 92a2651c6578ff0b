"""Refusals in the shape Stripe's SDKs expect. See https://docs.stripe.com/api/errors."""

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A refusal with its HTTP status and error body.

    `executed` says whether the endpoint had begun its work: only then does Stripe keep the answer for the
    idempotency key. A request that fails validation may be corrected and sent again under the same key.
    """

    def __init__(self, status: int, message: str, *, kind: str, executed: bool = False, **fields: object) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self.error: Json = {"type": kind, "message": message}
        self.error.update({name: value for name, value in fields.items() if value is not None})
        if "code" in self.error:
            slug = str(self.error["code"]).replace("_", "-")
            self.error["doc_url"] = f"https://docs.stripe.com/error-codes/{slug}"

    @property
    def body(self) -> Json:
        return {"error": self.error}


def invalid(message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> ApiError:
    """The parameters are invalid; nothing was done."""
    return ApiError(status, message, kind="invalid_request_error", param=param, code=code)


def missing(param: str) -> ApiError:
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def no_such(kind: str, object_id: str, *, param: str | None = None) -> ApiError:
    """404 when the address names nothing, 400 when a parameter does."""
    status = 404 if param in (None, "id") else 400
    return invalid(f"No such {kind}: '{object_id}'", param=param or "id", code="resource_missing", status=status)


def refused(message: str, *, code: str | None = None, param: str | None = None, intent: Json | None = None) -> ApiError:
    """The request is valid, but the object's state forbids it."""
    return ApiError(
        400, message, kind="invalid_request_error", executed=True, code=code, param=param, payment_intent=intent
    )


def unauthorized(message: str, code: str | None = None) -> ApiError:
    return ApiError(401, message, kind="invalid_request_error", code=code)


def right_required(subject: str) -> ApiError:
    message = f"The provided key does not have the required permissions for {subject} (a fault of the sandbox)."
    return ApiError(403, message, kind="invalid_request_error")


def secret_key_required() -> ApiError:
    message = "A publishable key cannot make this call: use the secret key."
    return ApiError(403, message, kind="invalid_request_error", code="secret_key_required")
