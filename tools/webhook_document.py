"""docs/webhooks.json: the webhooks that Bellhop sends, as OpenAPI 3.1 with the JSON Schema of their bodies,
generated from contracts/webhooks.py. `python -m tools.webhook_document --write`; `--check`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Header, Response

from contracts.webhooks import OrderWebhook, TestWebhook, WebhookType
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "docs" / "webhooks.json"

SUMMARIES: Mapping[WebhookType, str] = {
    WebhookType.CONFIRMED: "The payment of an order has its receipt; the hotel owes the extras.",
    WebhookType.CHANGED: "Something else has changed: fulfilled, disputed, under review, a refund that failed.",
    WebhookType.REFUNDED: "A refund has its receipt, or one that had it has failed.",
    WebhookType.CANCELLED: "The order was cancelled, or the hotel declined it.",
    WebhookType.APPROVAL_NEEDED: "The hotel must approve the order before the guest is charged.",
    WebhookType.TEST: "An operator sees whether the receiver answers. It says nothing of an order.",
}
_ABOUT = (
    "What Bellhop sends to subscribers, signed as Standard Webhooks says. "
    "docs/webhooks.md says how to verify, order and repeat."
)

_Id = Annotated[str, Header(alias="webhook-id", description="the same at each attempt: ignore what you know")]
_Timestamp = Annotated[int, Header(alias="webhook-timestamp", description="of this attempt, in seconds since 1970")]
_Signature = Annotated[str, Header(alias="webhook-signature", description="`v1,…`; two while the secret is replaced")]


def described() -> dict[str, Any]:
    """The document."""
    app = FastAPI(title="Bellhop's webhooks", version="1", description=_ABOUT)
    for kind, summary in SUMMARIES.items():
        body = TestWebhook if kind is WebhookType.TEST else OrderWebhook
        describes = app.webhooks.post(
            kind.value,
            operation_id=kind.value,
            summary=summary,
            status_code=204,
            response_class=Response,
            response_description="Taken, as with any other 2xx.",
        )
        describes(_receiving(body))
    document = app.openapi()
    # FastAPI adds the answers of its own servers.
    for each in document["webhooks"].values():
        del each["post"]["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        del document["components"]["schemas"][name]
    return document


def _receiving(body_type: type[OrderWebhook | TestWebhook]) -> Any:
    def receive(body: Any, webhook_id: Any, webhook_timestamp: Any, webhook_signature: Any) -> None: ...

    receive.__annotations__ |= {
        "body": body_type,
        "webhook_id": _Id,
        "webhook_timestamp": _Timestamp,
        "webhook_signature": _Signature,
    }
    return receive


def text() -> str:
    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    generated_file_command(FILE, text, "tools.webhook_document")
