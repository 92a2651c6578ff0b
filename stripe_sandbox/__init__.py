"""A stateful stand-in for the part of Stripe that Bellhop and browsers use. No real money ever moves."""

from stripe_sandbox.app import create_app
from stripe_sandbox.settings import Settings

__all__ = ["Settings", "create_app"]
