"""No app sends a browser to an address that the sender of a request made up."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute

import connectors.apaleo.app
import extras_service.app
import gateway.app
import notifications.app
import ops.web.app
import payment_service.app
import psp_adapter.app
import webhooks.app
from connectors.apaleo.settings import ApaleoSettings
from extras_service.settings import ExtrasSettings
from gateway.settings import GatewaySettings
from notifications.settings import NotificationSettings
from ops.web.settings import PageSettings
from payment_service.settings import PaymentSettings
from psp_adapter.settings import AdapterSettings
from webhooks.settings import WebhookSettings

BROKER = {"amqp_url": "amqp://localhost"}
STORE = BROKER | {"mongodb_url": "mongodb://localhost"}
PSP = {"STRIPE_API_KEY": "sk_test_1"}
APALEO = {
    "apaleo_client_id": "a",
    "apaleo_client_secret": "b",
    "apaleo_webhook_secret": "whsec_bmV3",
    "apaleo_properties": "alpenhof:MUC",
    "apaleo_vat": "1900:Normal",
}
TOKENS = {"jwt_secret": "x" * 32, "jwt_issuer": "tests"}
SEAL = {"seal_keys": Fernet.generate_key().decode()}


def apps() -> Mapping[str, Starlette]:
    def made(settings: Any, values: Mapping[str, str]) -> Any:
        return settings.model_validate(values)

    return {
        "gateway": gateway.app.create_app(made(GatewaySettings, BROKER | TOKENS | SEAL)),
        "operator's page": ops.web.app.create_app(made(PageSettings, STORE | TOKENS)),
        "extras service": extras_service.app.create_app(made(ExtrasSettings, STORE)),
        "payment service": payment_service.app.create_app(made(PaymentSettings, STORE)),
        "notification service": notifications.app.create_app(made(NotificationSettings, STORE | SEAL)),
        "webhook service": webhooks.app.create_app(made(WebhookSettings, STORE | SEAL)),
        "connector to Apaleo": connectors.apaleo.app.create_app(made(ApaleoSettings, STORE | APALEO)),
        "PSP adapter": psp_adapter.app.create_app(made(AdapterSettings, BROKER | SEAL | PSP)),
    }


APPS = apps()


def paths(routes: list[BaseRoute]) -> Iterator[str]:
    for route in iter_route_contexts(routes):
        yield re.sub(r"{[^}]+}", "a", str(route.path))


@pytest.mark.parametrize("name", APPS)
async def test_no_redirect_repeats_the_host_of_a_request(name: str) -> None:
    app = APPS[name]
    asked = {path.rstrip("/") + slash for path in paths(app.routes) for slash in ("", "/")}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://evil.example") as http:
        answers = [await http.get(path or "/") for path in asked if not path.startswith("/health/ready")]

    assert answers
    assert not [answer for answer in answers if "evil" in answer.headers.get("location", "")]
