"""`bellhop psp check` compares what is set at the PSP with what is needed, and says what to mend."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from psp_adapter.translate import EVENT_TYPES
from tests.support.desk import paid_order
from tests.support.guest import Json, body
from tests.support.operator import Operator
from tests.support.system import API_KEY, WEBHOOK_SECRET

DOMAIN = "book.example.com"


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


async def _register(operator: Operator, domain: str, **more: str) -> None:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {API_KEY}"}) as http:
        url = f"{operator.system.sandbox.url}/v1/payment_method_domains"
        body(await http.post(url, data={"domain_name": domain, **more}), 200)


async def _set_endpoint(operator: Operator, **how: Any) -> None:
    endpoint = {"url": operator.system.webhook_url, "secret": WEBHOOK_SECRET, **how}
    await operator.system.switch("webhook-endpoint", endpoint)


async def _to_mend(operator: Operator, *words: str) -> dict[str, Json]:
    compared = await operator.json("psp", "check", *words, code=1)
    return {one["what"].split(" of ")[0]: one for one in compared if not one["is_right"]}


async def test_everything_that_is_set_as_it_must_be_is_said_to_be_right(operator: Operator) -> None:
    await _register(operator, DOMAIN)
    words = ("--webhook-url", operator.system.webhook_url, "--domain", DOMAIN, "--account", "acct_1BellhopSandbox0")

    compared = await operator.json("psp", "check", *words)
    shown = await operator.runs("psp", "check", *words)

    assert all(one["is_right"] for one in compared)
    assert "MEND" not in shown.said


async def test_events_status_and_version_of_the_endpoint_that_are_wrong_are_named(operator: Operator) -> None:
    five = [kind for kind in EVENT_TYPES if kind.startswith("payment_intent.")]
    await _set_endpoint(operator, enabled_events=five, status="disabled", api_version="2020-08-27")

    wrong = await _to_mend(operator)

    assert set(wrong) == {"status", "events", "API version"}
    assert all(kind in wrong["events"]["advice"] for kind in EVENT_TYPES if kind not in five)


async def test_an_event_destination_with_thin_payloads_is_compared_like_an_endpoint(operator: Operator) -> None:
    await _set_endpoint(operator, payload="thin", enabled_events=list(EVENT_TYPES))
    right = await operator.json("psp", "check")
    await _set_endpoint(operator, payload="thin", enabled_events=list(EVENT_TYPES)[1:])

    wrong = await _to_mend(operator)

    assert all(one["is_right"] for one in right)
    assert set(wrong) == {"events"}
    assert EVENT_TYPES[0] in wrong["events"]["advice"]


async def test_an_endpoint_elsewhere_another_account_and_a_missing_domain_are_named(operator: Operator) -> None:
    await _register(operator, "off.example.com", enabled="false")

    wrong = await _to_mend(
        operator,
        *("--webhook-url", "https://elsewhere.example.com/webhooks/stripe"),
        *("--account", "acct_another"),
        *("--domain", DOMAIN, "--domain", "off.example.com"),
        *("--publishable-key", "pk_live_x"),
    )

    assert set(wrong) == {
        "webhook endpoint",
        "account",
        f"payment method domain {DOMAIN}",
        "payment method domain off.example.com",
        "mode",
    }


async def test_answers_of_the_other_mode_than_the_keys_are_named(operator: Operator) -> None:
    await paid_order(operator.system, operator.system.guest())
    await operator.system.switch("settings", {"livemode": True}, method="PUT")

    compared = await operator.json("psp", "check", code=1)

    [mode] = [one for one in compared if one["what"] == "mode"]
    assert "is of live mode, and STRIPE_API_KEY is a test key" in mode["found"]
    assert mode["advice"]


async def test_a_right_that_the_key_lacks_is_named(operator: Operator) -> None:
    async with operator.system.faults(api={"fail_403": {"probability": 1, "match": "POST /v1/refunds"}}):
        wrong = await _to_mend(operator)

    assert set(wrong) == {"right to make refunds"}


async def test_a_check_makes_nothing_at_the_psp(operator: Operator) -> None:
    await operator.runs("psp", "check")

    assert (await operator.system.at_psp("payment_intents"))["data"] == []
    assert (await operator.system.at_psp("refunds"))["data"] == []
