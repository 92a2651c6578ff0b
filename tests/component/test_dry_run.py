"""What a forecast goes by: the settings that the services run with, on a store that takes no write."""

import copy
from datetime import timedelta

import pytest

from chassis.storage.documents import Documents, Records
from chassis.storage.running_settings import RunningSettings
from contracts.message import Message
from contracts.topology import COMMANDS, EXTRAS_COMMANDS, PAYMENTS_COMMANDS
from extras_service import wiring as extras_wiring
from extras_service.order.placement import Terms
from ops.core.dry_run import DryRun, Forecast, Overlay, OverlayDocuments, OverlayRecords
from ops.core.messages import RecordedMessage
from payment_service import wiring as payment_wiring
from payment_service.settings import Schedule
from tests.component.test_placement import Hotel, ordering
from tests.support import orders as given
from tests.support import payments as payment_given
from tests.support.fake_store import FakeStore


def recorded(message: Message) -> RecordedMessage:
    return RecordedMessage(
        message_id="m-recorded",
        kind=message.kind,
        body=message.to_wire(),
        exchange=COMMANDS.name,
        routing_key=message.kind,
    )


async def forecast(store: FakeStore, message: Message, queue: str) -> Forecast:
    return await DryRun(store, clock=lambda: given.NOW).forecast(recorded(message), queue)


async def test_a_forecast_goes_by_the_limits_that_the_service_runs_with() -> None:
    hotel = await Hotel().opened()
    await hotel.place(ordering())
    await RunningSettings(hotel.fake).write(extras_wiring.SERVICE, Terms(max_open_orders=1))

    forecast_now = await forecast(hotel.fake, ordering(key="b"), EXTRAS_COMMANDS.name)

    assert str(forecast_now) == "refused: too_many_open_orders"


async def test_before_any_service_has_written_its_settings_a_forecast_goes_by_the_defaults() -> None:
    hotel = await Hotel().opened()

    forecast_now = await forecast(hotel.fake, ordering(), EXTRAS_COMMANDS.name)

    assert forecast_now.outcome == "applied"


async def test_a_forecast_writes_nothing() -> None:
    store = FakeStore()
    await RunningSettings(store).write(payment_wiring.SERVICE, Schedule(timedelta(minutes=1), 0.5))
    before = copy.deepcopy(store.raw)

    forecast_now = await forecast(store, payment_given.create(), PAYMENTS_COMMANDS.name)

    assert str(forecast_now) == "applied → created"
    assert {name: store.raw[name] for name in before} == before
    assert store.raw["payments"] == {}


@pytest.mark.parametrize(("overlay", "real"), [(OverlayDocuments, Documents), (OverlayRecords, Records)])
def test_every_method_of_a_store_is_either_read_through_or_answered_without_it(
    overlay: type[Overlay], real: type
) -> None:
    methods = {name for name in vars(real) if not name.startswith("_")}

    answered = {name for name in vars(overlay) if not name.startswith("_")} - {"READS"}

    assert answered | set(overlay.READS) == methods
    assert answered.isdisjoint(overlay.READS)


async def test_settings_are_read_as_they_were_written() -> None:
    settings = RunningSettings(FakeStore())
    schedule = Schedule(timedelta(minutes=3), 0.25)

    await settings.write(payment_wiring.SERVICE, schedule)

    assert await settings.read(payment_wiring.SERVICE, Schedule) == schedule
