"""Which wallets guests of a domain are offered, as the PSP's payment method domains say."""

from collections.abc import AsyncIterator
from typing import Any, cast

from psp_adapter.configuration import Comparison, compare_domains
from psp_adapter.stripe_reader import StripeReader

DOMAIN = "book.example.com"
ACTIVE = {"status": "active"}


class _Registered:
    """A reader of an account in which one domain is registered."""

    def __init__(self, **wallets: Any) -> None:
        self._domain = {"domain_name": DOMAIN, "enabled": True, **wallets}

    async def each(self, _path: str) -> AsyncIterator[dict[str, Any]]:
        yield self._domain


async def _found(**wallets: Any) -> dict[str, Comparison]:
    compared = await compare_domains(cast(StripeReader, _Registered(**wallets)), (DOMAIN,))
    return {comparison.what: comparison for comparison in compared}


async def test_both_wallets_that_guests_are_offered_are_right() -> None:
    found = await _found(apple_pay=ACTIVE, google_pay=ACTIVE)

    assert set(found) == {f"payment method domain {DOMAIN}", f"Apple Pay on {DOMAIN}", f"Google Pay on {DOMAIN}"}
    assert all(comparison.is_right for comparison in found.values())


async def test_a_wallet_that_is_not_offered_is_named_with_the_reason() -> None:
    refused = {"status": "inactive", "status_details": {"error_message": "the domain could not be verified"}}

    wrong = [
        comparison for comparison in (await _found(apple_pay=refused, google_pay=ACTIVE)).values() if comparison.advice
    ]

    assert [(one.what, one.found) for one in wrong] == [(f"Apple Pay on {DOMAIN}", "inactive")]
    assert "the domain could not be verified" in wrong[0].advice


async def test_an_answer_without_wallets_or_with_null_is_not_taken_for_a_yes() -> None:
    found = await _found(apple_pay=None)

    assert [one.found for one in found.values() if not one.is_right] == ["unknown", "unknown"]
