"""A story drawn: as Mermaid, as SVG, as a page."""

import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from ops.cli.trace_page import page
from ops.core.trace.captions import Pause, caption, rows
from ops.core.trace.mermaid import mermaid
from ops.core.trace.model import Step, StepKind, Story
from ops.core.trace.svg import svg
from tests.unit.ops.trace.stored import NAMES, story

SVG = "{http://www.w3.org/2000/svg}"
PAID, LATE, PARKED = story("paid_after_a_retry"), story("late_refund"), story("parked")


def drawn(it: Story) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg(it))  # noqa: S314 - our own text
    return [group for group in root.iter(f"{SVG}g") if "step" in (group.get("class") or "")]


def of_kind(it: Story, kind: StepKind) -> list[Step]:
    return [step for step in it.steps if step.kind is kind]


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_drawn_once_in_its_order_and_none_is_invented(name: str) -> None:
    it = story(name)

    assert [group.get("data-step") for group in drawn(it)] == [str(step.number) for step in it.steps]
    assert [group.get("class") for group in drawn(it)] == [f"step {step.kind}" for step in it.steps]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_outside_the_picture(name: str) -> None:
    root = ElementTree.fromstring(svg(story(name)))  # noqa: S314
    _, _, width, height = map(float, (root.get("viewBox") or "").split())

    for element in root.iter():
        for names, limit in ((("x", "x1", "x2", "cx"), width), (("y", "y1", "y2", "cy"), height)):
            for attribute in names:
                assert 0 <= float(element.get(attribute, "0")) <= limit


def test_an_arrow_goes_from_its_sender_to_its_receiver() -> None:
    heads = re.findall(r'text x="(\d+)" y="36" text-anchor="middle">(\w+)<', svg(PAID))
    x = {name: int(at) for at, name in heads}
    (created,) = (group for group in drawn(PAID) if "PspSessionCreated" in "".join(group.itertext()))

    path = next(element for element in created.iter(f"{SVG}path") if element.get("class") == "arrow")

    assert (path.get("d") or "").startswith(f"M {x['adapter']} ")
    assert (path.get("d") or "").endswith(f"H {x['payments'] + 7}")


def test_a_call_that_was_not_answered_ends_in_a_cross_before_it_arrives() -> None:
    crossed = [group for group in drawn(PAID) if any(path.get("class") == "cross" for path in group.iter())]

    assert [group.get("class") for group in crossed] == ["step lost_call"] * 4
    assert not any(path.get("class") == "tip" for group in crossed for path in group.iter())


def test_what_is_said_cannot_become_markup() -> None:
    evil = replace(PAID.steps[1], what="<script>alert(1)</script>", detail='"&<')
    it = replace(PAID, order_id="<b>", steps=(PAID.steps[0], evil), remarks=("<i>",))

    for text in (svg(it), page(it)):
        assert "<script" not in text
        assert "<b>" not in text
        assert "<i>" not in text
    ElementTree.fromstring(svg(it))  # noqa: S314


def test_a_page_loads_nothing() -> None:
    assert "<script" not in page(LATE)
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import""", page(LATE))


def test_a_pause_is_shown_where_a_second_or_more_passed() -> None:
    pauses = [row for row in rows(PAID) if isinstance(row, Pause)]

    assert len(pauses) == 1
    assert re.fullmatch(r"1\.\d\d s later", pauses[0].words)


def test_mermaid_says_who_did_what_in_order() -> None:
    lines = [line.strip() for line in mermaid(PAID).splitlines()]

    assert lines[:3] == ["sequenceDiagram", "actor guest", "participant gateway"]
    assert lines[7:11] == [
        "guest->>gateway: POST /v1/orders",
        "gateway->>extras: PlaceOrder",
        "Note over extras: order: pending_payment / unpaid",
        "extras--)extras: OrderPendingPayment",
    ]
    assert lines.count("adapter--xStripe: POST /v1/payment_intents") == 4
    assert any(line.startswith("adapter--xadapter: attempt 1 failed, again in 1 s<br/>") for line in lines)


def test_mermaid_has_no_sign_that_would_end_a_statement() -> None:
    evil = replace(PAID.steps[1], what="a;b #1 <x>")

    assert "gateway->>extras: a#59;b #35;1 #lt;x#gt;" in mermaid(replace(PAID, steps=(evil,)))


def test_a_parking_is_drawn_with_its_error() -> None:
    (parking,) = of_kind(PARKED, StepKind.PARKING)

    assert caption(parking).headline == "parked: PaymentProcessing"
    assert "✗ parked: PaymentProcessing" in svg(PARKED)
    assert "MalformedMessageError" in mermaid(PARKED)


def test_long_ids_and_paths_are_cut_short_in_a_diagram() -> None:
    headlines = {caption(step).headline for step in LATE.steps}

    assert "POST …/cancel" in headlines
    assert any(re.fullmatch(r"POST …/pi_\w{5}…/cancel", headline) for headline in headlines)
    assert "payment_intent.succeeded" in headlines


def test_a_later_attempt_says_which_one_it_was() -> None:
    change = replace(of_kind(PAID, StepKind.TRANSITION)[0], attempt=3)

    assert caption(change).headline.endswith("(attempt 3)")


def test_a_story_of_one_step_can_be_drawn_and_so_can_one_of_days() -> None:
    first, second = PAID.steps[:2]
    late = replace(second, at=first.at + timedelta(days=3, hours=1))

    assert svg(replace(PAID, steps=(first,)))
    assert "3 d 1 h later" in svg(replace(PAID, steps=(first, late)))
