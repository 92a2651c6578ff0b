"""A typed client of the gateway's HTTP API: `GatewayClient` sends the calls of `client.calls`.

    gateway = GatewayClient(http, "https://gateway.example", token)
    order = await gateway.send(calls.place_order([RequestedLine(extra_id="alm-spa", quantity=1)], key="basket-1"))

Knows the API, as `docs/openapi.json` describes it, and nothing of what is behind it.
"""

from client import calls
from client.gateway import GatewayClient
from client.models import OrderUpdate
from client.problems import GatewayError, PendingError, ProblemError
from contracts.answers import PaymentSession

__all__ = ["GatewayClient", "GatewayError", "OrderUpdate", "PaymentSession", "PendingError", "ProblemError", "calls"]
