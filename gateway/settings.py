"""Settings of the gateway."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import limits
from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from chassis.seal import SealKeys
from chassis.web.token_settings import LOOPBACK, TokenSettings
from contracts.psp_accounts import PageAccount

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_STRIPE_JS = "js.stripe.com"
STRIPE_JS_URL = f"https://{_STRIPE_JS}/endive/stripe.js"
"""The release of Stripe.js that belongs to the API version of the adapter: https://docs.stripe.com/sdks/stripejs-versioning"""


class GatewaySettings(TokenSettings):
    seal_keys: SealKeys = Field(description="comma-separated Fernet keys, newest first; the PSP adapter holds the same")
    reply_timeout: float = Field(default=5.0, gt=0, description="seconds to wait for a reply before answering 202")
    request_timeout: float = Field(default=30.0, gt=0, description="seconds until the answer to a request has begun")
    max_body_bytes: int = Field(default=65536, ge=1024, description="the largest body of a request")
    address_rate: str = Field(default="6000/minute", description="requests of one address, with or without a token")
    guest_rate: str = Field(default="300/minute", description="requests of one guest or member of staff")
    picture_rate: str = Field(default="60/minute", description="pictures that one member of staff may upload")
    cors_origins: str = Field(default="", description="origins of other sites whose pages may use the API")
    api_docs: bool | None = Field(
        default=None, description="whether /docs shows the API; default: only where this machine alone can ask"
    )
    max_live_streams: int = Field(default=8, ge=1, description="live streams one guest may have open at once")
    live_stream_max_seconds: float = Field(
        default=900.0,
        gt=0,
        validation_alias=AliasChoices("BELLHOP_LIVE_STREAM_MAX_SECONDS", "BELLHOP_LONGEST_LIVE_STREAM"),
        description="seconds until a live stream ends",
    )
    max_waiting_orders: int = Field(
        default=1000, ge=0, description="commands in extras.commands beyond which new orders get 503"
    )
    order_target_seconds: float = Field(
        default=1.0,
        ge=0,
        description="seconds in which new orders are to be answered; while they take longer, more get 503; 0: off",
    )
    stripe_publishable_key: str = Field(
        default="", description="the key with which the client page identifies itself to the PSP"
    )
    stripe_js_url: str = Field(
        default=STRIPE_JS_URL,
        description="address of the PSP's script; another than Stripe's for test keys only",
    )
    page_themes: Path | None = Field(
        default=None, description="folder with a `<property>.css` per property: the look of the guest's page"
    )

    @property
    def shows_docs(self) -> bool:
        """Whether `/docs` is served. By default not if other machines can reach it, directly or by a proxy."""
        is_public = self.http_host not in LOOPBACK or bool(self.trusted_proxies)
        return not is_public if self.api_docs is None else self.api_docs

    @property
    def origins(self) -> tuple[str, ...]:
        """The sites whose pages may use the API."""
        return tuple(filter(None, (part.strip() for part in self.cors_origins.split(","))))

    @field_validator("cors_origins")
    @classmethod
    def _each_origin_is_named(cls, value: str) -> str:
        for origin in filter(None, (part.strip() for part in value.split(","))):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("must be origins such as https://www.alpenhof.example, without a path or an asterisk")
        return value

    @field_validator("stripe_js_url")
    @classmethod
    def _live_cards_go_to_stripes_script_only(cls, value: str, info: ValidationInfo) -> str:
        if _is_live(info.data.get("stripe_publishable_key", "")) and not _is_stripes(value):
            raise ValueError(f"must be at https://{_STRIPE_JS} while STRIPE_PUBLISHABLE_KEY is a live key")
        return value

    @field_validator("address_rate", "guest_rate", "picture_rate")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        try:
            limits.parse(value)
        except ValueError:
            raise ValueError("must be a rate such as 300/minute or 20/second") from None
        return value

    def page_key(self, account: PageAccount) -> str:
        """The key with which the page pays at this account; empty, so that no guest pays, where a live key would meet
        another script than Stripe's."""
        key = account.publishable_key or self.stripe_publishable_key
        return "" if _is_live(key) and not _is_stripes(self.stripe_js_url) else key


def _is_live(publishable_key: str) -> bool:
    return publishable_key.startswith("pk_live_")


def _is_stripes(script_url: str) -> bool:
    url = urlsplit(script_url)
    return (url.scheme, url.hostname) == ("https", _STRIPE_JS)
