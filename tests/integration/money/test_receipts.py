"""Receipts of paid and refunded orders, as guests and staff get them from a running system."""

import asyncio

import httpx

from tests.support.desk import TOTAL, Desk, is_clean, paid_order
from tests.support.guest import Guest, Json, body, problem
from tests.support.system import System
from tests.support.waiting import until


async def receipt_of(who: Guest | Desk, order_id: str, **query: str) -> httpx.Response:
    return await who.http.get(f"/v1/orders/{order_id}/receipt", params=query)


async def test_a_paid_and_refunded_order_has_its_receipts_as_json_page_and_pdf(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    body(await desk.refund(order_id, 1800), 200)
    await guest.sees(order_id, payment_status="partially_refunded")

    async def both() -> Json | None:
        answer = body(await receipt_of(guest, order_id), 200)
        return answer if len(answer["receipts"]) == 2 else None

    answer = await until(both, "the refund has its receipt")
    page = await receipt_of(guest, order_id, format="html", language="de")
    pdf = await receipt_of(desk, order_id, format="pdf")

    assert [receipt["receipt_kind"] for receipt in answer["receipts"]] == ["payment", "refund"]
    assert answer["kept"] == {"amount": TOTAL - 1800, "currency": "EUR"}
    assert page.status_code == pdf.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "Zahlungsbeleg" in page.text
    assert (page.headers["content-language"], page.headers["cache-control"]) == ("de", "no-store")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    await is_clean(system)


async def test_only_its_guest_and_the_staff_of_its_property_see_a_receipt(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)

    problem(await receipt_of(system.guest("guest-mallory"), order_id), 404, "order-not-found")
    problem(await receipt_of(Desk.of(system, "kamogawa"), order_id), 404, "order-not-found")


async def test_an_unpaid_order_has_no_receipt(guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    problem(await receipt_of(guest, order_id), 404, "receipt-not-found")
    problem(await receipt_of(guest, order_id, format="docx"), 422, "invalid-request")


async def test_receipts_of_many_orders_paid_at_once_have_no_gap(system: System, guest: Guest) -> None:
    orders = await asyncio.gather(*(paid_order(system, guest) for _ in range(8)))

    answers = [body(await receipt_of(guest, order_id), 200) for order_id in orders]

    numbers = sorted(receipt["number"] for answer in answers for receipt in answer["receipts"])
    assert numbers == list(range(numbers[0], numbers[0] + len(orders)))
