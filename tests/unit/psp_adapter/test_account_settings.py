"""The setting that names further accounts at the PSP: all its mistakes at once, and no key in any of them."""

from pathlib import Path

import pytest

from psp_adapter.account_settings import AccountMistakesError, AccountSettings, read_accounts

KEY = "sk_test_default0000"
SEASIDE = """
seaside:
  api_key: sk_test_seaside0000
  webhook_secret: whsec_new, whsec_old
  publishable_key: pk_test_seaside
  account: acct_seaside
"""


def test_an_account_has_a_key_of_its_own_or_is_connected_to_the_default_one() -> None:
    found = read_accounts(SEASIDE + "harbour: {connected: acct_harbour}", KEY, None)

    assert found == (
        AccountSettings(
            "seaside", "sk_test_seaside0000", ("whsec_new", "whsec_old"), "pk_test_seaside", expected="acct_seaside"
        ),
        AccountSettings("harbour", KEY, connected="acct_harbour"),
    )


def test_none_are_named_by_an_empty_setting() -> None:
    assert read_accounts("", KEY, None) == ()


def test_keys_may_be_in_files(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk_test_from_file\n")

    (found,) = read_accounts(f"seaside: {{api_key_file: {key}, publishable_key: pk_test_x}}", KEY, None)

    assert found.api_key == "sk_test_from_file"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("default: {connected: acct_x}", "default: this is the account of STRIPE_API_KEY; choose another name"),
        ("Sea Side: {connected: acct_x}", "'Sea Side': a name has 1 to 32 lower-case letters, digits and hyphens"),
        ("a: {}", "a: write either api_key (or api_key_file) or connected"),
        ("a: {connected: acct_x, api_key: sk_test_a, publishable_key: pk_test_a}", "a: write either api_key"),
        ("a: {connected: harbour}", "a: connected: String should match pattern"),
        ("a: {api_key: sk_test_a}", "a: write its publishable_key"),
        (
            "a: {api_key: sk_live_a, publishable_key: pk_test_a}",
            "a: publishable_key and api_key are of different",
        ),
        ("a: {api_kye: sk_test_a}", "a: api_kye: Extra inputs are not permitted"),
        ("a: {connected: acct_x, account: acct_x}", "a: a connected account is paid with the default account's keys"),
        (
            "a: {api_key_file: /no/such/file, publishable_key: pk_test_a}",
            "a: api_key_FILE: /no/such/file cannot",
        ),
        ("a: 7", "a: entry: Input should be"),
        ("- a", "write one entry per account, by its name"),
        ("a: {connected: acct_x}\na: {connected: acct_y}", "a: this account is written twice"),
        ("a: {connected: acct_x}\nb: {connected: acct_x}", "two accounts have the same connected"),
        (f"a: {{api_key: {KEY}, publishable_key: pk_test_a}}", "two accounts have the same api_key"),
        ("a: [sk_test_hidden0\n", "not valid YAML"),
    ],
)
def test_a_mistake_names_its_account(text: str, mistake: str) -> None:
    with pytest.raises(AccountMistakesError) as raised:
        read_accounts(text, KEY, None)

    assert mistake in str(raised.value)


def test_all_mistakes_are_named_at_once_and_no_key_is() -> None:
    text = """
a: {api_key: sk_test_hidden1}
b: {api_key: sk_live_hidden2, publishable_key: pk_test_b}
c: {api_key: sk_test_hidden3, publishable_key: pk_test_c, webhook_secret: [whsec_hidden4]}
"""

    with pytest.raises(AccountMistakesError) as raised:
        read_accounts(text, KEY, None)

    assert [mistake.partition(":")[0] for mistake in raised.value.mistakes] == ["a", "b", "c"]
    assert "hidden" not in str(raised.value)


def test_a_live_key_is_sent_to_stripe_only() -> None:
    with pytest.raises(AccountMistakesError, match=r"a: .* live key"):
        read_accounts("a: {api_key: sk_live_x, publishable_key: pk_live_x}", KEY, "http://127.0.0.1:9")
