"""The address for a receipt: which claims of a guest's token name one."""

from typing import Any

import pytest

from chassis.web.receipt_emails import receipt_email_of

ANNA = "anna.berg+spa@mail.alpenhof.example"


@pytest.mark.parametrize(
    "email", [ANNA, "a@b.example", f"{'a' * 64}@b.example", "o'hara@xn--bcher-kva.example", f"a@{'b.' * 120}example"]
)
def test_a_plausible_address_is_used(email: str) -> None:
    assert receipt_email_of({"email": email, "email_verified": True}) == email
    assert receipt_email_of({"email": email}) == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "anna",
        "anna@localhost",
        "@b.example",
        "anna@",
        "anna@b..example",
        "anna@-b.example",
        "anna@10.0.0.1",
        ".anna@b.example",
        "an..na@b.example",
        "anna@b.example,bert@b.example",
        "anna@b.example bert@b.example",
        "anna@b@c.example",
        "Anna <anna@b.example>",
        "anna@b.example\n",
        "anna\x00@b.example",
        "anna@b.example\r\nBcc: bert@b.example",
        "änna@b.example",
        "anna@bücher.example",
        f"{'a' * 65}@b.example",
        f"a@{'b' * 64}.example",
        f"a@{'b.' * 130}example",
        "anna@b.example" * 100_000,
        ["anna@b.example"],
        {"value": "anna@b.example"},
        17,
        True,
        None,
    ],
    ids=lambda email: repr(email)[:40],
)
def test_what_is_not_one_plausible_address_is_left_out(email: Any) -> None:
    assert receipt_email_of({"email": email}) is None


@pytest.mark.parametrize("denied", [False, "false", "False"])
def test_an_address_that_the_login_says_is_not_verified_is_left_out(denied: Any) -> None:
    assert receipt_email_of({"email": ANNA, "email_verified": denied}) is None


def test_a_token_without_an_address_has_none() -> None:
    assert receipt_email_of({"sub": "guest-anna"}) is None
