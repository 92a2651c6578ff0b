"""Guests and staff keep the receipts of an order as a PDF."""

from pathlib import Path

from tests.browser.conftest import Visit
from tests.browser.reception import Receptions
from tests.support.desk import paid_order
from tests.support.system import System


def begins_as_pdf(path: Path) -> bool:
    return path.read_bytes().startswith(b"%PDF-")


async def test_a_guest_keeps_the_receipt_of_a_paid_order(visit: Visit) -> None:
    guest = await visit()
    order_id = await guest.order()
    await guest.pay()
    await guest.confirms()

    async with guest.page.expect_download() as kept:
        await guest.page.click(f"#receipt-{order_id}")
    download = await kept.value

    assert download.suggested_filename == f"Receipt {order_id}.pdf"
    assert begins_as_pdf(await download.path())


async def test_reception_keeps_the_receipt_of_an_order(receptions: Receptions, system: System) -> None:
    lena = await receptions.opens("reception", "lena")
    order_id = await paid_order(system, system.guest())
    await lena.sees(order_id)

    async with lena.page.expect_download() as kept:
        await lena.page.click(f"#receipt-{order_id}")
    download = await kept.value

    assert begins_as_pdf(await download.path())
