"""A stateful stand-in for the part of Stripe that Bellhop and a browser use. A sandbox: no real money ever moves."""

from deploy.local.stripe_sandbox.app import create_app
from deploy.local.stripe_sandbox.settings import Settings

__all__ = ["Settings", "create_app"]
