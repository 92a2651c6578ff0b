"""Stripe's SDK with a hand-written transport beneath it."""

from collections.abc import Callable

import httpx

from contracts.ids import OrderId, PaymentId
from psp_adapter.stripe_api import StripeApi

ORDER_ID = OrderId("ord_" + "a" * 26)
PAYMENT_ID = PaymentId("pay_" + "a" * 26)

Answer = Callable[[httpx.Request], httpx.Response]


def intent(status: str) -> dict[str, object]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": status,
        "amount": 50_000,
        "currency": "isk",
        "livemode": False,
        "client_secret": "pi_1_secret_x",
        "metadata": {"order_id": ORDER_ID, "payment_id": PAYMENT_ID},
    }


class FakeStripe:
    """Answers the SDK's HTTP requests and keeps them."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self.api = self.connected(base=None)

    def connected(self, base: str | None) -> StripeApi:
        """Real SDK, real httpx, and this transport beneath it: the SDK offers no public place for one."""
        api = StripeApi.connect("sk_test_x", base=base, timeout=1, retries=0)
        api.http._client_async = httpx.AsyncClient(transport=httpx.MockTransport(self._respond))
        return api

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


def answering(status: int, body: dict[str, object]) -> FakeStripe:
    return FakeStripe(lambda _request: httpx.Response(status, json=body))


def error(status: int, **error: object) -> FakeStripe:
    return answering(status, {"error": {"type": "invalid_request_error", "message": "No.", **error}})


def unreachable(why: type[httpx.TransportError]) -> FakeStripe:
    def answer(request: httpx.Request) -> httpx.Response:
        raise why("no server", request=request)

    return FakeStripe(answer)
