"""The accounts of production, in a virtual host of a test's own."""

from chassis.messaging.broker_address import BrokerAddress
from contracts.accounts import ACCOUNTS
from deploy.accounts import derived, set_up
from deploy.local.broker import Broker


async def accounts_at(broker: Broker, url: str) -> dict[str, str]:
    """Declares the topology, and gives each part's address with the account it has in production.

    None where the broker has no management API: then all use `url` and declare for themselves.
    """
    if broker.management_url is None:
        return {}
    passwords = {account.name: derived(broker.url, account.name) for account in ACCOUNTS}
    await set_up(url, broker.management_url, passwords)
    return {
        name.replace("-", "_"): BrokerAddress(url).for_account(name, password).url
        for name, password in passwords.items()
    }
