"""Settings of the gateway."""

from pydantic import Field, SecretStr

from chassis.seal import SealKeys
from chassis.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    jwt_secret: SecretStr = Field(min_length=32, description="HS256 secret guest tokens are signed with")
    jwt_issuer: str = Field(description="who must have issued a token")
    jwt_audience: str = Field(default="bellhop", description="whom a token must be meant for")
    seal_keys: SealKeys = Field(description="comma-separated Fernet keys, newest first; the PSP adapter holds the same")
    reply_timeout: float = Field(default=5.0, gt=0, description="seconds to wait for a reply before answering 202")
    stripe_publishable_key: str = Field(
        default="", description="what the client page identifies itself to the PSP with"
    )
    stripe_js_url: str = Field(default="https://js.stripe.com/v3/", description="where the PSP's script comes from")
