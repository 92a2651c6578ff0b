"""Settings of the operator's page."""

from pydantic import Field, SecretStr

from chassis.storage.settings import StoreSettings
from chassis.web.token_settings import TokenSettings


class PageSettings(StoreSettings, TokenSettings):
    management_url: SecretStr = Field(
        default=SecretStr(""), description="RabbitMQ's management API, for rates; without a login in it, the broker's"
    )
    edit_identity: bool = Field(
        default=False, description="whether an edit may change a dead letter's kind, and the ids in its body"
    )
