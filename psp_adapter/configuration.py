"""Compares the configuration at the PSP with what this system needs there. Read-only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.accounts import Account, Accounts
from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError
from psp_adapter.stripe_http import API_VERSION
from psp_adapter.stripe_keys import livemode_of, mode_name, page_livemode_of
from psp_adapter.stripe_reader import StripeReader
from psp_adapter.translate import EVENT_TYPES

WEBHOOK_PATH = "/webhooks/stripe"

NEEDED_RIGHTS: Mapping[str, tuple[str, str]] = {
    "open payment sessions": ("post", "/v1/payment_intents"),
    "read payment sessions": ("get", "/v1/payment_intents"),
    "make refunds": ("post", "/v1/refunds"),
    "read refunds": ("get", "/v1/refunds"),
    "read disputes (for the audit)": ("get", "/v1/disputes"),
    "read events": ("get", "/v1/events"),
}
"""Calls that this system makes. Made without parameters, each changes nothing and shows whether the key permits it."""


WALLETS: Mapping[str, str] = {"apple_pay": "Apple Pay", "google_pay": "Google Pay"}
"""The wallets that a payment method domain is registered for, by their field in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The configuration the operator expects. None and empty values are not compared."""

    api_key: str
    account: str | None = None
    webhook_url: str | None = None
    publishable_key: str | None = None
    domains: tuple[str, ...] = ()
    webhook_path: str = WEBHOOK_PATH
    has_endpoint: bool = True
    """Whether the account needs an endpoint of its own: a connected one's events may come to the platform's."""

    def at(self, account: Account) -> "Wanted":
        """What is expected of an account; the options of the command are about the default one."""
        if account.name == DEFAULT_ACCOUNT:
            return self
        return Wanted(
            account.api_key,
            account.expected.account_id,
            f"{self.webhook_url}/{account.name}" if self.webhook_url else None,
            account.page.publishable_key,
            self.domains,
            webhook_path=f"{WEBHOOK_PATH}/{account.name}",
            has_endpoint=account.page.connected is None or bool(account.webhook_secrets),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one comparison. `advice` says what to correct; it is empty if nothing is wrong."""

    what: str
    found: str
    advice: str = ""

    @property
    def is_right(self) -> bool:
        return not self.advice


async def compare_all(accounts: Accounts, wanted: Wanted) -> list[Comparison]:
    """Compare every account; those beside the default one with their name. Raises PspUnavailableError."""
    found: list[Comparison] = []
    for account in accounts:
        label = "" if account.name == DEFAULT_ACCOUNT else f"{account.name}: "
        compared = await compare(account.stripe, wanted.at(account))
        found += [replace(each, what=f"{label}{each.what}") for each in compared]
    return found


async def compare(stripe: StripeReader, wanted: Wanted) -> list[Comparison]:
    """Compare all readable configuration at the PSP with the expected one. Raises PspUnavailableError."""
    return [
        await _mode(stripe, wanted),
        await _account(stripe, wanted.account),
        *(await _endpoints(stripe, wanted) if wanted.has_endpoint else ()),
        *await compare_domains(stripe, wanted.domains),
        *[await _right(stripe, right, *call) for right, call in NEEDED_RIGHTS.items()],
    ]


async def _mode(stripe: StripeReader, wanted: Wanted) -> Comparison:
    mode, page_mode = mode_name(livemode_of(wanted.api_key)), mode_name(page_livemode_of(wanted.publishable_key))
    if mode == "unknown":
        return Comparison("mode", mode, "STRIPE_API_KEY is not a Stripe key: sk_live_…, rk_live_…, sk_test_…")
    if wanted.publishable_key and page_mode != mode:
        advice = "Set BELLHOP_STRIPE_PUBLISHABLE_KEY and STRIPE_API_KEY to keys of the same mode."
        return Comparison("mode", f"{mode}, but the page's key is {page_mode}", advice)
    try:
        await stripe.find("/v1/payment_intents", limit=1)
    except PspForbiddenError as refused:
        if refused.forbidden is Forbidden.MODE:
            advice = "Set BELLHOP_STRIPE_API_BASE to the right server, or switch the sandbox to the key's mode."
            return Comparison("mode", str(refused), advice)
    except PspBrokenError:
        pass  # rights that the key lacks are reported below
    return Comparison("mode", mode)


async def _account(stripe: StripeReader, account: str | None) -> Comparison:
    try:
        found = await stripe.find("/v1/account") or {}
    except (PspForbiddenError, PspBrokenError) as refused:
        return Comparison("account", str(refused), "Use a key that may read its account, or a valid one.")
    known = str(found.get("id"))
    if account and known != account:
        return Comparison("account", known, f"Set STRIPE_API_KEY to a key of {account}.")
    if not found.get("charges_enabled", True):
        return Comparison("account", f"{known} may not charge", "Complete the account in Stripe's dashboard.")
    return Comparison("account", known)


async def _endpoints(stripe: StripeReader, wanted: Wanted) -> list[Comparison]:
    what = "webhook endpoint"
    try:
        all_of_them = [endpoint async for endpoint in stripe.each("/v1/webhook_endpoints")]
        all_of_them += await _thin_destinations(stripe)
    except (PspForbiddenError, PspBrokenError) as refused:
        return [Comparison(what, str(refused), "Use a key that may read webhook endpoints for this check.")]
    ours = [endpoint for endpoint in all_of_them if _is_ours(endpoint, wanted)]
    if not ours:
        others = ", ".join(str(endpoint.get("url")) for endpoint in all_of_them) or "none"
        where = wanted.webhook_url or f"https://your.host{wanted.webhook_path}"
        return [Comparison(what, others, f"Make an endpoint for {where} with the events of docs/psp-events.md.")]
    return [comparison for endpoint in ours for comparison in _endpoint(endpoint, livemode_of(wanted.api_key))]


async def _thin_destinations(stripe: StripeReader) -> list[Mapping[str, Any]]:
    """Event destinations with thin payloads, as if they were webhook endpoints. None if the key has no right."""
    try:
        listed = await stripe.find("/v2/core/event_destinations", include=["webhook_endpoint.url"]) or {}
    except (PspForbiddenError, PspBrokenError):
        return []
    return [
        destination
        | {
            "url": (destination.get("webhook_endpoint") or {}).get("url"),
            "enabled_events": [str(kind).removeprefix("v1.") for kind in destination.get("enabled_events") or ()],
            "api_version": API_VERSION,  # a thin payload has no version; its object is fetched in ours
        }
        for destination in listed.get("data") or ()
        if destination.get("event_payload") == "thin"
    ]


def _is_ours(endpoint: Mapping[str, Any], wanted: Wanted) -> bool:
    found = str(endpoint.get("url"))
    return found == wanted.webhook_url if wanted.webhook_url else urlsplit(found).path == wanted.webhook_path


def _endpoint(endpoint: Mapping[str, Any], livemode: bool | None) -> list[Comparison]:
    url = str(endpoint.get("url"))
    enabled = set(endpoint.get("enabled_events") or ())
    missing = [] if "*" in enabled else [kind for kind in EVENT_TYPES if kind not in enabled]
    status, version = str(endpoint.get("status")), str(endpoint.get("api_version") or "the account's default")
    return [
        Comparison(
            f"status of {url}", status, "" if status == "enabled" else "Enable the endpoint in Stripe's dashboard."
        ),
        Comparison(
            f"mode of {url}",
            mode_name(endpoint.get("livemode")),
            "" if endpoint.get("livemode") == livemode else "Make the endpoint in the mode of STRIPE_API_KEY.",
        ),
        Comparison(
            f"events of {url}",
            "all" if "*" in enabled else f"{len(enabled)} enabled",
            f"Add {', '.join(missing)}." if missing else "",
        ),
        Comparison(
            f"API version of {url}",
            version,
            "" if version == API_VERSION else f"Make the endpoint again with the API version {API_VERSION}.",
        ),
    ]


async def compare_domains(stripe: StripeReader, domains: tuple[str, ...]) -> list[Comparison]:
    """Whether each domain is registered, and which wallets its guests are offered there."""
    if not domains:
        return []
    try:
        listed = [domain async for domain in stripe.each("/v1/payment_method_domains")]
    except (PspForbiddenError, PspBrokenError) as refused:
        advice = "Use a key that may read payment method domains for this check."
        return [Comparison("payment method domains", str(refused), advice)]
    known = {str(domain.get("domain_name")): domain for domain in listed}
    return [comparison for name in domains for comparison in _domain(name, known.get(name))]


def _domain(name: str, domain: Mapping[str, Any] | None) -> list[Comparison]:
    what = f"payment method domain {name}"
    if domain is None:
        return [Comparison(what, "missing", f"Add {name} to the payment method domains: Apple Pay and others need it.")]
    if not domain.get("enabled"):
        return [Comparison(what, "disabled", f"Enable {name}.")]
    wallets = [_wallet(f"{title} on {name}", domain.get(field) or {}) for field, title in WALLETS.items()]
    return [Comparison(what, "enabled"), *wallets]


def _wallet(what: str, wallet: Mapping[str, Any]) -> Comparison:
    """Whether guests are offered a wallet: https://docs.stripe.com/api/payment_method_domains/object"""
    status = str(wallet.get("status") or "unknown")
    why = (wallet.get("status_details") or {}).get("error_message") or "validate the domain again in the dashboard"
    return Comparison(what, status, "" if status == "active" else f"Guests are not offered it: {why}.")


async def _right(stripe: StripeReader, right: str, method: str, path: str) -> Comparison:
    refusal = await stripe.access.refusal_of(method, path)
    return Comparison(
        f"right to {right}", refusal or "given", f"Give STRIPE_API_KEY this right ({path})." if refusal else ""
    )
