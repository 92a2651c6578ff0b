"""The accounts of production, in a virtual host of a test's own."""

import asyncio

from contracts.accounts import ACCOUNTS
from deploy.accounts import declare_topology, derived, open_accounts, url_for, vhost_of
from deploy.local.broker import Broker


async def accounts_at(broker: Broker, url: str) -> dict[str, str]:
    """Declares the topology, and gives each part's address with the account it has in production.

    None where the broker has no management API: then all use `url` and declare for themselves.
    """
    if broker.management_url is None:
        return {}
    passwords = {account.name: derived(broker.url, account.name) for account in ACCOUNTS}
    await asyncio.to_thread(open_accounts, broker.management_url, vhost_of(url), passwords)
    await declare_topology(url)
    return {name.replace("-", "_"): url_for(url, name, password) for name, password in passwords.items()}
