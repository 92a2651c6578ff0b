"""The account and its settings in the dashboard: webhook endpoints and payment method domains."""

from stripe_sandbox import forms
from stripe_sandbox.errors import Json
from stripe_sandbox.lists import page
from stripe_sandbox.sandbox import Call, Sandbox
from stripe_sandbox.settings import API_VERSION


def retrieve(sandbox: Sandbox, call: Call) -> Json:
    return {
        "id": sandbox.settings.account,
        "object": "account",
        "charges_enabled": True,
        "country": "AT",
        "default_currency": "eur",
        "details_submitted": True,
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


def list_endpoints(sandbox: Sandbox, call: Call) -> Json:
    """The endpoint, if there is one with snapshot payloads. Its secret is shown only when it is made."""
    endpoint = sandbox.state.webhook_endpoint
    shown = [
        {
            "id": "we_1BellhopSandbox",
            "object": "webhook_endpoint",
            "api_version": endpoint.get("api_version", API_VERSION),
            "application": None,
            "created": 0,
            "description": None,
            "enabled_events": endpoint.get("enabled_events", ["*"]),
            "livemode": sandbox.livemode,
            "metadata": {},
            "status": endpoint.get("status", "enabled"),
            "url": endpoint["url"],
        }
        for endpoint in ([endpoint] if endpoint and endpoint.get("payload") != "thin" else [])
    ]
    return {"object": "list", "data": shown, "has_more": False, "url": "/v1/webhook_endpoints"}


def list_destinations(sandbox: Sandbox, call: Call) -> Json:
    """The same endpoint, if its payloads are thin: an event destination."""
    endpoint = sandbox.state.webhook_endpoint
    shown = [
        {
            "id": "ed_1BellhopSandbox",
            "object": "v2.core.event_destination",
            "enabled_events": [kind if kind == "*" else f"v1.{kind}" for kind in endpoint["enabled_events"]],
            "event_payload": "thin",
            "livemode": sandbox.livemode,
            "status": endpoint["status"],
            "type": "webhook_endpoint",
            "webhook_endpoint": {"url": endpoint["url"]},
        }
        for endpoint in ([endpoint] if endpoint and endpoint.get("payload") == "thin" else [])
    ]
    return {"data": shown, "next_page_url": None, "previous_page_url": None}


def create_domain(sandbox: Sandbox, call: Call) -> Json:
    forms.only(call.params, ("domain_name", "enabled"))
    name = forms.required(forms.text(call.params, "domain_name"), "domain_name")
    domain: Json = {
        "id": sandbox.new_id("pmd"),
        "object": "payment_method_domain",
        "created": sandbox.seconds(),
        "domain_name": name,
        "enabled": call.params.get("enabled", "true") == "true",
        "livemode": sandbox.livemode,
    }
    domain |= {method: {"status": "active"} for method in ("apple_pay", "google_pay", "link", "paypal")}
    sandbox.store.put(domain)
    sandbox.store.changed()
    return domain


def list_domains(sandbox: Sandbox, call: Call) -> Json:
    return page(sandbox, call, "pmd", "/v1/payment_method_domains", filters=("domain_name",))
