"""The floor's processes in a local stack: the same broker, store and sandbox."""

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import SERVICES
from deploy.local.ports import HOST
from deploy.local.processes import ProcessSpec, StackContext
from deploy.local.stack import LocalStack


def floor_stack(folder: Path) -> LocalStack:
    return LocalStack(folder, services=[_spec(name) for name in SERVICES])


def _spec(name: str) -> ProcessSpec:
    def command(_port: int, _context: StackContext) -> list[str]:
        return [sys.executable, "-m", "benchmarks.floor", name]

    return ProcessSpec(name, command, _environment)


def _environment(context: StackContext) -> Mapping[str, str]:
    keys = context.credentials
    return {
        "FLOOR_AMQP_URL": context.amqp_url,
        "FLOOR_MONGODB_URL": context.mongodb_url,
        "FLOOR_HOST": HOST,
        "FLOOR_JWT_SECRET": keys.jwt_secret,
        "FLOOR_SEAL_KEY": keys.seal_key,
        "FLOOR_STRIPE_URL": context.sandbox_url or "",
        "FLOOR_STRIPE_KEY": keys.stripe_api_key,
        "FLOOR_STRIPE_PUBLISHABLE_KEY": keys.stripe_publishable_key,
        "FLOOR_WEBHOOK_SECRET": keys.stripe_webhook_secret,
    }
