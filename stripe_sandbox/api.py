"""The HTTP side of `/v1`: keys, faults, idempotency, and responses like Stripe's."""

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from stripe_sandbox import account, balance, charges, disputes, events, forms, intents, refunds
from stripe_sandbox.errors import (
    ApiError,
    Json,
    invalid,
    right_required,
    secret_key_required,
    unauthorized,
)
from stripe_sandbox.faults import Faults
from stripe_sandbox.idempotency import Keys, fingerprint_of
from stripe_sandbox.lists import expand
from stripe_sandbox.sandbox import Call, Sandbox
from stripe_sandbox.settings import API_VERSION

log = structlog.get_logger("stripe_sandbox")
Operation = Callable[[Sandbox, Call], Json]

# Method, path below /v1, what it does, and whether a publishable key may.
CALLS: tuple[tuple[str, str, Operation, bool], ...] = (
    ("POST", "/payment_intents", intents.create, False),
    ("GET", "/payment_intents", intents.list_all, False),
    ("GET", "/payment_intents/{id}", intents.retrieve, True),
    ("POST", "/payment_intents/{id}", intents.update, False),
    ("POST", "/payment_intents/{id}/confirm", intents.confirm, True),
    ("POST", "/payment_intents/{id}/capture", intents.capture, False),
    ("POST", "/payment_intents/{id}/cancel", intents.cancel, False),
    ("GET", "/charges", charges.list_all, False),
    ("GET", "/charges/{id}", charges.retrieve, False),
    ("POST", "/refunds", refunds.create, False),
    ("GET", "/refunds", refunds.list_all, False),
    ("GET", "/refunds/{id}", refunds.retrieve, False),
    ("GET", "/disputes", disputes.list_all, False),
    ("GET", "/disputes/{id}", disputes.retrieve, False),
    ("GET", "/balance_transactions", balance.list_all, False),
    ("GET", "/balance_transactions/{id}", balance.retrieve, False),
    ("GET", "/payouts", balance.list_payouts, False),
    ("GET", "/payouts/{id}", balance.retrieve_payout, False),
    ("GET", "/account", account.retrieve, False),
    ("GET", "/webhook_endpoints", account.list_endpoints, False),
    ("POST", "/payment_method_domains", account.create_domain, False),
    ("GET", "/payment_method_domains", account.list_domains, False),
    ("GET", "/events", events.list_all, False),
    ("GET", "/events/{id}", events.retrieve, False),
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    # Whether the endpoint had begun its work, and so the answer is kept for the idempotency key.
    executed: bool = False
    original_request: str | None = None


class NeverArrives(Response):
    """Promises a body and ends without it, so that the server has to close the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"4096"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Api:
    def __init__(self, sandbox: Sandbox, faults: Faults) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._keys = Keys(sandbox)

    def v2_routes(self) -> Mount:
        thin = Route("/core/events/{id}", self._endpoint(events.retrieve_thin, False), methods=["GET"])
        destinations = self._endpoint(account.list_destinations, False)
        return Mount("/v2", routes=[thin, Route("/core/event_destinations", destinations, methods=["GET"])])

    def routes(self) -> Mount:
        routes = [
            Route(path, self._endpoint(operation, public), methods=[method])
            for method, path, operation, public in CALLS
        ]
        unknown = Route("/{rest:path}", self._endpoint(_unrecognized, False), methods=["GET", "POST", "DELETE"])
        # Browsers on any page may call: this is a sandbox on a developer's machine.
        cors = Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Request-Id", "X-Stripe-Sandbox"],
        )
        return Mount("/v1", routes=[*routes, unknown], middleware=[cors])

    def _endpoint(self, operation: Operation, public: bool) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._respond(request, operation, public)

        return endpoint

    async def _respond(self, request: Request, operation: Operation, public: bool) -> Response:
        request_id = self._sandbox.new_id("req")
        subject = f"{request.method} {request.url.path}"
        breaks = False
        try:
            call = await self._read(request, request_id, public)
            self._maybe_fail(subject)
            if not call.public:
                self._perhaps_forbid(subject)
            breaks = self._faults.strikes(self._faults.api.close_after_effect, subject)
            answer = await self._once(request, operation, call)
        except ApiError as error:
            answer = Answer(error.status, json.dumps(error.body))
        log.info("sandbox.api", call=subject, status=answer.status, request_id=request_id, closed=breaks)
        if breaks:
            return NeverArrives()
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        if "idempotency-key" in request.headers and request.method == "POST":
            headers["Idempotency-Key"] = request.headers["idempotency-key"]
        if answer.original_request is not None:
            headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.original_request}
        return Response(answer.text, answer.status, headers, media_type="application/json")

    async def _read(self, request: Request, request_id: str, public: bool) -> Call:
        try:
            text = request.url.query if request.method == "GET" else (await request.body()).decode()
        except UnicodeDecodeError as error:
            raise invalid("The body is not UTF-8.") from error
        params = forms.decode(text)
        key = key_of(request.headers) or str(params.get("key", ""))
        params.pop("key", None)
        is_public = self._is_public(key)
        if is_public and not public:
            raise secret_key_required()
        return Call(
            params=params,
            path=request.path_params,
            public=is_public,
            request_id=request_id,
            idempotency_key=request.headers.get("idempotency-key"),
            address=str(request.base_url).rstrip("/"),
        )

    def _is_public(self, key: str) -> bool:
        settings = self._sandbox.settings
        if not key:
            raise unauthorized("No API key: send it as a bearer token, `Authorization: Bearer sk_test_…`.")
        if hmac.compare_digest(key.encode(), settings.api_key.encode()):
            return False
        if hmac.compare_digest(key.encode(), settings.publishable_key.encode()):
            return True
        raise unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 8}")

    def _maybe_fail(self, subject: str) -> None:
        api = self._faults.api
        if self._faults.strikes(api.fail_429, subject):
            message = "Too many requests (a fault switched on in the sandbox)."
            raise ApiError(429, message, kind="invalid_request_error", code="rate_limit")
        if self._faults.strikes(api.fail_500, subject):
            raise ApiError(500, "Something went wrong (a fault switched on in the sandbox).", kind="api_error")

    def _perhaps_forbid(self, subject: str) -> None:
        api = self._faults.api
        if self._faults.strikes(api.fail_401, subject):
            raise unauthorized("Expired API Key provided (a fault switched on in the sandbox).", "api_key_expired")
        if self._faults.strikes(api.fail_403, subject):
            raise right_required(subject)

    async def _once(self, request: Request, operation: Operation, call: Call) -> Answer:
        """Run the operation, or repeat the stored answer of the same idempotency key."""
        key = call.idempotency_key
        if request.method != "POST" or not key:
            return await self._run(operation, call)
        if len(key) > 255:
            raise invalid("An idempotency key is at most 255 characters long.")
        fingerprint = fingerprint_of(request.method, request.url.path, call.params)
        if (earlier := self._keys.recall(key, fingerprint)) is not None:
            return Answer(earlier["status"], earlier["text"], original_request=earlier["request"])
        with self._keys.held(key, fingerprint):
            answer = self._kept_failure(request) or await self._run(operation, call)
        if answer.executed:
            kept = {"fingerprint": fingerprint, "status": answer.status, "text": answer.text}
            self._keys.keep(key, kept | {"request": call.request_id})
        return answer

    def _kept_failure(self, request: Request) -> Answer | None:
        if not self._faults.strikes(self._faults.api.keep_500, f"{request.method} {request.url.path}"):
            return None
        error = ApiError(500, "An unknown error occurred (a fault switched on in the sandbox).", kind="api_error")
        return Answer(error.status, json.dumps(error.body), executed=True)

    async def _run(self, operation: Operation, call: Call) -> Answer:
        await asyncio.sleep(self._faults.api.latency_ms / 1000)
        try:
            result = expand(self._sandbox, operation(self._sandbox, call), call.params)
        except ApiError as error:
            if call.public and "payment_intent" in error.error:
                error.error["payment_intent"] = intents.shown(call, error.error["payment_intent"])
            return Answer(error.status, json.dumps(error.body), executed=error.executed)
        return Answer(200, json.dumps(result), executed=True)


def _unrecognized(sandbox: Sandbox, call: Call) -> Json:
    raise invalid(f"The sandbox has no /v1/{call.path['rest']}. Its front page lists what it offers.", status=404)


def key_of(headers: Mapping[str, str]) -> str:
    """The key of a request: a bearer token, or the user of basic authentication."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
