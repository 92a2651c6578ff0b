"""What the prefix of a key of Stripe's says (https://docs.stripe.com/keys)."""

from urllib.parse import urlsplit

STRIPE_API = "api.stripe.com"


def livemode_of(api_key: str) -> bool | None:
    """Whether the key moves real money. None: its prefix says nothing about that."""
    for mode, livemode in (("live", True), ("test", False)):
        if api_key.startswith((f"sk_{mode}_", f"rk_{mode}_")):
            return livemode
    return None


def mode_name(livemode: bool | None) -> str:
    """The word for a mode in sentences for people."""
    return "unknown" if livemode is None else "live" if livemode else "test"


def check_api_base(api_key: str, base: str | None) -> None:
    """Raises ValueError where a key for real money would be sent to a server that is not Stripe's."""
    url = urlsplit(base or f"https://{STRIPE_API}")
    if livemode_of(api_key) and (url.scheme, url.hostname) != ("https", STRIPE_API):
        raise ValueError(
            f"STRIPE_API_KEY is a live key, and {url.hostname} is not Stripe's API: unset BELLHOP_STRIPE_API_BASE, or "
            "use a test key"
        )
