"""`python -m stripe_sandbox`: serve the sandbox until it is stopped."""

import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn

from stripe_sandbox.app import create_app
from stripe_sandbox.settings import NOTICE, Settings

log = structlog.get_logger("stripe_sandbox")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on. Keep it local: the switches ask for no key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 12111,
    api_key: Annotated[
        str | None,
        typer.Option(help="The secret key servers use. sk_test_sandbox, or sk_live_sandbox with --livemode."),
    ] = None,
    publishable_key: Annotated[
        str | None, typer.Option(help="The key browsers use. pk_test_sandbox, or pk_live_sandbox with --livemode.")
    ] = None,
    livemode: Annotated[
        bool, typer.Option("--livemode", help="Say livemode: true in every object and event. Still no real money.")
    ] = False,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where events are posted. May be set later: POST /_sandbox/webhook-endpoint.")
    ] = None,
    webhook_secret: Annotated[
        str | None,
        typer.Option(help="Signs the events. Generated if missing; GET /_sandbox/webhook-endpoint shows it."),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="A further account, repeatable: NAME,KEY,PUBLISHABLE_KEY,WEBHOOK_SECRET (its events go to the webhook "
            "address with /NAME), or NAME,acct_… for one that is connected to the default account."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep everything in this file across restarts; without it, in memory only.")
    ] = None,
    settle_after: Annotated[
        float, typer.Option(help="Seconds until slow payments and refunds settle; below 0: only by a switch.")
    ] = 3.0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """A stateful stand-in for Stripe on this machine: API, Stripe.js, webhooks, and switches for faults.

    It is a sandbox: it takes Stripe's test cards only, and no real money ever moves. Its front page, at the
    address it listens on, lists the test cards and everything it offers.
    """
    mode = "live" if livemode else "test"
    api_key = f"sk_{mode}_sandbox" if api_key is None else api_key
    publishable_key = f"pk_{mode}_sandbox" if publishable_key is None else publishable_key
    others = [_written_account(text) for text in account or ()]
    keys = (api_key, publishable_key, *(part for _, *parts in others for part in parts))
    if any(_is_real(key) for key in keys):
        raise typer.BadParameter(
            "this is a live key. The sandbox confirms payments no guest makes: it takes test keys, and only "
            "those live keys that it made up itself, which begin with sk_live_sandbox and pk_live_sandbox.",
            param_hint="--api-key / --publishable-key",
        )
    _log_to_stderr(log_level)
    settings = Settings(
        api_key=api_key,
        publishable_key=publishable_key,
        livemode=livemode,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        data=data,
        settle_after=settle_after if settle_after >= 0 else None,
    )
    config = uvicorn.Config(
        create_app(settings, {name: _settings_of(name, parts, settings) for name, *parts in others}),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,  # longer than clients: who closes first must not be the one that is sent a request
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=False,
    )
    # uvicorn shuts down first and then raises the signal again: a requested stop is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.info("sandbox.starting", note=NOTICE, address=f"http://{host}:{port}", webhook_url=webhook_url)
    uvicorn.Server(config).run()


def _written_account(text: str) -> list[str]:
    parts = text.split(",")
    if len(parts) != 4 and not (len(parts) == 2 and parts[1].startswith("acct_")):
        raise typer.BadParameter("write NAME,KEY,PUBLISHABLE_KEY,WEBHOOK_SECRET or NAME,acct_…", param_hint="--account")
    return parts


def _settings_of(name: str, parts: list[str], default: Settings) -> Settings:
    """The settings of a further account: its own keys, or connected to the default one."""
    data = default.data.with_name(f"{default.data.stem}-{name}{default.data.suffix}") if default.data else None
    if len(parts) == 1:
        return replace(default, account=parts[0], connected=True, webhook_url=None, webhook_secret=None, data=data)
    key, publishable_key, secret = parts
    return replace(
        default,
        api_key=key,
        publishable_key=publishable_key,
        account=f"acct_1Bellhop{name.replace('-', '')}",
        webhook_url=f"{default.webhook_url}/{name}" if default.webhook_url else None,
        webhook_secret=secret,
        data=data,
    )


def _is_real(key: str) -> bool:
    """Whether this key moves money at Stripe."""
    return key[2:].startswith("_live_") and not key[2:].startswith("_live_sandbox")


def _log_to_stderr(level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise typer.BadParameter("choose debug, info, warning or error", param_hint="--log-level")
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    typer.run(serve)
