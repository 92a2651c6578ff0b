"""`/_sandbox`: what Stripe's dashboard, a bank or a fault would do, on request of people and tests."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from stripe_sandbox import balance, confirmation, disputes, intents, refunds
from stripe_sandbox.errors import ApiError, Json, invalid
from stripe_sandbox.faults import FaultPlan, Faults
from stripe_sandbox.idempotency import KEPT_FOR
from stripe_sandbox.sandbox import INTERNAL_CALL, Call, Sandbox
from stripe_sandbox.settings import API_VERSION
from stripe_sandbox.timers import Timers
from stripe_sandbox.webhooks import Webhooks


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Forgetting(Body):
    older_than_s: float = 0


class Advance(Body):
    seconds: float = Field(ge=0, le=10 * 365 * 24 * 3600)


class Outcome(Body):
    outcome: Literal["succeed", "fail"]


class Authentication(Outcome):
    client_secret: str | None = None


class DashboardRefund(Body):
    amount: int | None = Field(default=None, ge=1)
    status: Literal["succeeded", "pending"] = "succeeded"
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = "requested_by_customer"
    metadata: dict[str, str] | None = {}


class NewDispute(Body):
    amount: int | None = Field(default=None, ge=1)
    reason: str = "fraudulent"
    status: disputes.FirstStatus = "needs_response"


class VoucherPayment(Body):
    amount: int | None = Field(default=None, ge=1)


class NewEvent(Body):
    type: str
    object: dict[str, Any]


class DisputeStep(Body):
    status: disputes.Status


class NewPayout(Body):
    currency: str = "eur"


class Endpoint(Body):
    url: str | None
    secret: str | None = None
    enabled_events: list[str] = ["*"]
    status: Literal["enabled", "disabled"] = "enabled"
    api_version: str = API_VERSION
    payload: Literal["snapshot", "thin"] = "snapshot"


class Changes(Body):
    """Fields that are not set stay unchanged."""

    settle_after: float | None = Field(default=None, ge=0)
    livemode: bool = False


B = TypeVar("B", bound=BaseModel)


class ControlApi:
    def __init__(self, sandbox: Sandbox, faults: Faults, webhooks: Webhooks, timers: Timers) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._webhooks = webhooks
        self._timers = timers

    def routes(self) -> Mount:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[object]]], ...] = (
            ("GET", "/state", self.state),
            ("GET", "/faults", self.show_faults),
            ("PUT", "/faults", self.set_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/settings", self.show_settings),
            ("PUT", "/settings", self.set_settings),
            ("GET", "/clock", self.show_clock),
            ("POST", "/clock/advance", self.advance_clock),
            ("GET", "/webhook-endpoint", self.show_endpoint),
            ("POST", "/webhook-endpoint", self.set_endpoint),
            ("POST", "/idempotency-keys/forget", self.forget_idempotency_keys),
            ("POST", "/reset", self.reset),
            ("DELETE", "/payment_intents/{id}", self.delete_intent),
            ("POST", "/payment_intents/{id}/authenticate", self.authenticate),
            ("POST", "/payment_intents/{id}/settle", self.settle_intent),
            ("POST", "/payment_intents/{id}/pay", self.pay_voucher),
            ("POST", "/payment_intents/{id}/expire", self.expire_voucher),
            ("POST", "/payment_intents/{id}/refund", self.refund),
            ("POST", "/payment_intents/{id}/dispute", self.dispute),
            ("POST", "/refunds/{id}/settle", self.settle_refund),
            ("POST", "/disputes/{id}/close", self.proceed_with_dispute),
            ("POST", "/disputes/{id}/status", self.proceed_with_dispute),
            ("POST", "/events", self.make_event),
            ("POST", "/events/{id}/resend", self.resend),
            ("POST", "/payouts", self.pay_out),
        )
        return Mount("/_sandbox", routes=[Route(path, _json(call), methods=[method]) for method, path, call in table])

    async def state(self, request: Request) -> Json:
        state = self._sandbox.state
        lost = [dispute for dispute in state.disputes.values() if dispute["status"] in ("lost", "prevented")]
        counts = ("sent", "failed", "dropped", "duplicated", "retried", "delayed", "reordered")
        return {
            "sandbox": True,
            "payment_intents": _by_status(state.payment_intents.values()),
            "refunds": _by_status(state.refunds.values()),
            "disputes": _by_status(state.disputes.values()),
            "captured": _sums(state.charges.values(), "amount_captured"),
            "refunded": _sums(state.charges.values(), "amount_refunded"),
            "charged_back": _sums(lost, "amount"),
            "events": len(state.events),
            "webhooks": {name: state.webhook_counts.get(name, 0) for name in counts}
            | {"pending": len(state.deliveries)},
        }

    async def show_faults(self, request: Request) -> Json:
        return self._faults.plan.model_dump()

    async def set_faults(self, request: Request) -> Json:
        self._faults.use(await _body(request, FaultPlan))
        return self._faults.plan.model_dump()

    async def clear_faults(self, request: Request) -> Json:
        self._faults.use(FaultPlan())
        return self._faults.plan.model_dump()

    async def show_settings(self, request: Request) -> Json:
        return {"settle_after": self._sandbox.settle_after, "livemode": self._sandbox.livemode}

    async def set_settings(self, request: Request) -> Json:
        changes = await _body(request, Changes)
        if "settle_after" in changes.model_fields_set:
            self._sandbox.settle_after = changes.settle_after
        if "livemode" in changes.model_fields_set:
            self._sandbox.switch_mode(changes.livemode)
        return await self.show_settings(request)

    async def show_clock(self, request: Request) -> Json:
        return {"now": self._sandbox.now(), "ahead_s": self._sandbox.state.clock_ahead_s}

    async def advance_clock(self, request: Request) -> Json:
        """Set the account's clock forward. What is due by then has happened when this answers."""
        self._sandbox.advance((await _body(request, Advance)).seconds)
        self._timers.set_forward()
        return await self.show_clock(request)

    async def show_endpoint(self, request: Request) -> Json | None:
        return self._webhooks.endpoint

    async def set_endpoint(self, request: Request) -> Json | None:
        endpoint = await _body(request, Endpoint)
        return self._webhooks.listen_at(**endpoint.model_dump())

    async def reset(self, request: Request) -> Json:
        """Forget every object, event, key, fault and pending delivery; the webhook endpoint and the time stay."""
        await self._webhooks.forget()
        self._sandbox.store.clear()
        self._sandbox.settle_after = self._sandbox.settings.settle_after
        self._sandbox.livemode = self._sandbox.settings.livemode
        self._faults.use(FaultPlan())
        return {"reset": True}

    async def forget_idempotency_keys(self, request: Request) -> Json:
        """As after a day: requests under known keys are executed again. Keys younger than `older_than_s` are kept."""
        said = await _body(request, Forgetting)
        until = self._sandbox.now() + KEPT_FOR - said.older_than_s
        kept = self._sandbox.state.idempotency
        old = [key for key, answer in kept.items() if answer["kept_until"] <= until]
        for key in old:
            del kept[key]
        self._sandbox.store.changed()
        return {"forgotten": len(old)}

    async def delete_intent(self, request: Request) -> Json:
        """As deleting test data does: the id is unknown afterwards."""
        intent = self._get(request, "pi")
        del self._sandbox.state.payment_intents[intent["id"]]
        self._sandbox.store.changed()
        return {"id": intent["id"], "deleted": True}

    async def authenticate(self, request: Request) -> Json:
        """The answer to 3-D Secure. The guest's page sends its client secret; a test need not."""
        body = await _body(request, Authentication)
        intent = self._get(request, "pi")
        if body.client_secret is not None and body.client_secret != intent["client_secret"]:
            raise invalid("The client_secret does not belong to this PaymentIntent.", param="client_secret")
        changed = confirmation.authenticate(self._sandbox, INTERNAL_CALL, intent, body.outcome)
        return intents.shown(Call(public=body.client_secret is not None), changed)

    async def settle_intent(self, request: Request) -> Json:
        body = await _body(request, Outcome)
        return confirmation.settle(self._sandbox, INTERNAL_CALL, self._get(request, "pi"), body.outcome)

    async def pay_voucher(self, request: Request) -> Json:
        body = await _body(request, VoucherPayment)
        return confirmation.pay(self._sandbox, INTERNAL_CALL, self._get(request, "pi"), body.amount)

    async def expire_voucher(self, request: Request) -> Json:
        return confirmation.expire(self._sandbox, INTERNAL_CALL, self._get(request, "pi"))

    async def refund(self, request: Request) -> Json:
        body = await _body(request, DashboardRefund)
        charge = refunds.paid_charge(self._sandbox, self._get(request, "pi"))
        return refunds.make_refund(self._sandbox, INTERNAL_CALL, charge, **body.model_dump())

    async def dispute(self, request: Request) -> Json:
        body = await _body(request, NewDispute)
        return disputes.open_dispute(self._sandbox, INTERNAL_CALL, self._get(request, "pi"), **body.model_dump())

    async def settle_refund(self, request: Request) -> Json:
        body = await _body(request, Outcome)
        return refunds.settle(self._sandbox, self._get(request, "re"), body.outcome)

    async def proceed_with_dispute(self, request: Request) -> Json:
        body = await _body(request, DisputeStep)
        return disputes.proceed(self._sandbox, self._get(request, "dp"), body.status)

    async def make_event(self, request: Request) -> Json:
        """An event of any type, listed and delivered as any other: what a newer Stripe may send."""
        event = await _body(request, NewEvent)
        return self._sandbox.emit(INTERNAL_CALL, event.type, event.object)

    async def pay_out(self, request: Request) -> Json:
        body = await _body(request, NewPayout)
        return balance.pay_out(self._sandbox, body.currency)

    async def resend(self, request: Request) -> Json:
        event = self._get(request, "evt")
        self._webhooks.resend(event)
        return event

    def _get(self, request: Request, prefix: str) -> Json:
        return self._sandbox.store.get(request.path_params["id"], prefix)


def _json(call: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await call(request))
        except ApiError as error:
            return JSONResponse(error.body, error.status)

    return endpoint


async def _body(request: Request, model: type[B]) -> B:
    try:
        return model.model_validate(json.loads(await request.body() or b"{}"))
    except (ValueError, ValidationError) as error:
        raise invalid(f"Invalid body for this control request: {error}") from error


def _by_status(objects: Iterable[Json]) -> dict[str, int]:
    return dict(Counter(obj["status"] for obj in objects))


def _sums(objects: Iterable[Json], name: str) -> dict[str, int]:
    """Minor units per currency."""
    sums: Counter[str] = Counter()
    for obj in objects:
        sums[obj["currency"]] += obj[name]
    return {currency: total for currency, total in sums.items() if total}
