"""What staff read about a payment at the PSP: one line of printable text, whatever the extras are called."""

from hypothesis import given as each
from hypothesis import strategies as st

from contracts.payments import CreatePaymentSession
from extras_service.order.payment_description import payment_description
from tests.support import orders as given


def test_a_payment_is_described_by_property_order_and_extras() -> None:
    order = given.placed()

    text = payment_description(order)

    assert text == f"alpenhof: {given.ORDER_ID}: 2 x Breakfast buffet"


def test_a_name_without_english_is_taken_in_the_language_there_is() -> None:
    order = given.placed()
    [line] = order.lines
    german = order.model_copy(update={"lines": (line.model_copy(update={"name": {"de": "Frühstück"}}),)})

    text = payment_description(german)

    assert text.endswith(": 2 x Frühstück")


@each(st.lists(st.dictionaries(st.text(), st.text(max_size=1000), max_size=2), min_size=1, max_size=20))
def test_any_names_give_one_printable_line_that_the_message_takes(names: list[dict[str, str]]) -> None:
    order = given.placed()
    [line] = order.lines
    hostile = order.model_copy(
        update={"lines": tuple(line.model_copy(update={"name": name, "quantity": 99}) for name in names)}
    )

    text = payment_description(hostile)

    assert text.isprintable()
    assert text.startswith(f"alpenhof: {given.ORDER_ID}: 99 x ")
    asked = CreatePaymentSession(
        order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, amount=given.TOTAL, description=text
    )
    assert asked.description == payment_description(hostile)
