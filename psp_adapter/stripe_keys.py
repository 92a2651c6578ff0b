"""The prefixes of Stripe's keys (https://docs.stripe.com/keys)."""

from urllib.parse import urlsplit

STRIPE_API = "api.stripe.com"


def livemode_of(api_key: str) -> bool | None:
    """Whether the key moves real money; None if its prefix does not show it."""
    for mode, livemode in (("live", True), ("test", False)):
        if api_key.startswith((f"sk_{mode}_", f"rk_{mode}_")):
            return livemode
    return None


def page_livemode_of(publishable_key: str | None) -> bool | None:
    """The same for the key of the guest's page."""
    return livemode_of("s" + (publishable_key or "").removeprefix("p"))


def mode_name(livemode: bool | None) -> str:
    """A mode's name for people."""
    return "unknown" if livemode is None else "live" if livemode else "test"


def check_api_base(api_key: str, base: str | None) -> None:
    """Raises ValueError if a live key would be sent to a server other than Stripe's."""
    url = urlsplit(base or f"https://{STRIPE_API}")
    if livemode_of(api_key) and (url.scheme, url.hostname) != ("https", STRIPE_API):
        raise ValueError(
            f"STRIPE_API_KEY is a live key, and {url.hostname} is not Stripe's API: unset BELLHOP_STRIPE_API_BASE, or "
            "use a test key"
        )
