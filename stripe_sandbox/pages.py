"""Pages: the front page, the script for `/v3/`, its card form, and the 3-D Secure page."""

from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stripe_sandbox.cards import CARDS
from stripe_sandbox.sandbox import Sandbox

STATIC = Path(__file__).parent / "static"
SCRIPTS = {
    "/v3/": "v3.js",
    "/v3/card.js": "card.js",
    "/v3/authenticate.js": "authenticate.js",
    "/v3/sandbox.css": "sandbox.css",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
SECURE = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
# Scripts of a sandbox that may be restarted with other code any minute are not worth caching.
FRESH = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

OFFERS = (
    ("/v1/payment_intents", "create, list, retrieve, update, confirm, cancel"),
    ("/v1/refunds", "create, list, retrieve"),
    ("/v1/charges, /v1/disputes, /v1/events", "list, retrieve"),
    ("/v1/balance_transactions, /v1/payouts", "list, retrieve"),
    ("/v3/", "Stripe.js: elements, confirmPayment, retrievePaymentIntent, handleNextAction"),
    ("GET /_sandbox/state", "counts and sums of everything, webhook deliveries"),
    (
        "GET, PUT, DELETE /_sandbox/faults",
        "webhooks doubled, late, reordered or dropped; API slow, failing, refusing (401, 403)",
    ),
    (
        "GET, PUT /_sandbox/settings",
        '{"settle_after": seconds or null, "livemode": whether objects and events say that they are live}',
    ),
    (
        "GET, POST /_sandbox/webhook-endpoint",
        '{"url": …, "secret": …, "enabled_events": […], "status": …, "api_version": …, "payload": "thin"}',
    ),
    ("DELETE /_sandbox/payment_intents/{id}", "forget it, as when test data is deleted"),
    ("POST /_sandbox/payment_intents/{id}/authenticate", '{"outcome": "succeed" or "fail"}'),
    ("POST /_sandbox/payment_intents/{id}/settle", '{"outcome": "succeed" or "fail"}'),
    (
        "POST /_sandbox/payment_intents/{id}/refund",
        'as in the dashboard: {"amount": …, "status": "pending", "metadata": …}',
    ),
    ("POST /_sandbox/payment_intents/{id}/pay", 'a voucher, or a transfer, in part with {"amount": …}'),
    ("POST /_sandbox/payment_intents/{id}/expire", "a voucher that was not paid"),
    ("POST /_sandbox/payment_intents/{id}/dispute", '{"amount": …, "reason": …, "status": "needs_response" …}'),
    ("POST /_sandbox/refunds/{id}/settle", '{"outcome": "succeed" or "fail"}'),
    ("POST /_sandbox/disputes/{id}/status", '{"status": "under_review", "won", "lost", "appeal_under_review" …}'),
    ("POST /_sandbox/payouts", '{"currency": "eur"}: pay out all there is'),
    ("POST /_sandbox/events", 'an event about anything: {"type": …, "object": {…}}'),
    ("POST /_sandbox/events/{id}/resend", "deliver an event once more"),
    (
        "POST /_sandbox/idempotency-keys/forget",
        "execute requests under known keys again; `older_than_s` keeps younger ones",
    ),
    (
        "GET /_sandbox/clock, POST /_sandbox/clock/advance",
        '{"seconds": …}: set the clock forward, never back; what is due by then happens',
    ),
    ("POST /_sandbox/reset", "forget everything but the webhook endpoint and the time"),
)


class Pages:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[BaseRoute]:
        scripts = [Route(path, _file(name)) for path, name in SCRIPTS.items()]
        return [
            Route("/", self.front),
            Route("/v3", _to_script),
            *scripts,
            Route("/v3/card", self.card),
            Route("/v3/authenticate", self.authenticate),
        ]

    async def front(self, request: Request) -> Response:
        settings = self._sandbox.settings
        return _page(
            "front.html",
            cards="".join(_row(card.number, card.token, card.meaning) for card in CARDS),
            offers="".join(_row(path, what) for path, what in OFFERS),
            address=escape(str(request.base_url).rstrip("/")),
            publishable_key=escape(settings.publishable_key),
        )

    async def card(self, request: Request) -> Response:
        return _page("card.html")

    async def authenticate(self, request: Request) -> Response:
        """The bank's 3-D Secure page. The request must present the client secret."""
        intent = self._sandbox.store.find(request.query_params.get("payment_intent", ""))
        secret = request.query_params.get("client_secret")
        if intent is None or intent.get("client_secret") != secret:
            return _page("unknown.html", status=404)
        return _page(
            "authenticate.html",
            intent=escape(intent["id"]),
            secret=escape(intent["client_secret"]),
            amount=str(intent["amount"]),
            currency=escape(intent["currency"].upper()),
            return_url=escape(self._sandbox.state.return_urls.get(intent["id"], "")),
        )


async def _to_script(request: Request) -> Response:
    return RedirectResponse("/v3/", 308)


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return FileResponse(STATIC / name, headers=FRESH)

    return endpoint


def _page(name: str, *, status: int = 200, **values: str) -> Response:
    """A page with its values filled in; they are already escaped."""
    template = Template((STATIC / name).read_text())
    return HTMLResponse(template.substitute(values), status, SECURE)


def _row(*cells: str) -> str:
    first, *others = (escape(cell) for cell in cells)
    return f"<tr><td><code>{first}</code></td>" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>\n"
