"""The books that laws compare: the stored orders, and what the PSP itself holds for each."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.psp import AccountAtPsp
    from tests.simulation.world import World

UNREADABLE = ("ord_unreadable", "ord_of_a_newer_version")
"""Documents that no sweep can do anything about, and that must not keep it from the others."""
_LOST = ("lost", "prevented")

STORED = ("orders", "payments", "stock", "psp_sweeps", "catalogue", "properties", "mails")
"""Collections of documents with an outbox."""


def orders_of(world: "World") -> dict[str, dict[str, Any]]:
    """The stored states of all orders."""
    documents = world.collection("orders").documents
    return {order_id: raw["state"] for order_id, raw in documents.items() if order_id not in UNREADABLE}


def given_outside(state: dict[str, Any]) -> int:
    """What staff gave the guest of an order in cash, instead of a refund."""
    settled = [each["settled"]["amount"] for each in state["refunds"] if each["settled"]]
    settled += [each["amount"] for each in state["settled_outside"] if each["direction"] == "to guest"]
    return sum(amount["amount"] for amount in settled if amount)


class Books:
    """The PSP's own books of one order."""

    def __init__(self) -> None:
        self.captured: list[int] = []
        self.refunds: dict[str, list[int]] = defaultdict(list)
        """Succeeded and pending ones, by our refund id."""
        self.failed: list[str] = []
        """Our ids of refunds that failed; `ref_psp_…` for one that was made in the dashboard."""
        self.lost = 0
        self.disputed = 0
        self.captured_later: list[str] = []
        """Sessions that were authorised first, and are captured."""
        self.accounts: set[str] = set()
        """At the PSP, where money moved or could move."""
        self.open: list[str] = []
        """Sessions that could still be paid."""

    @property
    def authorised(self) -> list[str]:
        """Sessions whose money is reserved and not taken."""
        return [each for each in self.open if each.endswith(" requires_capture")]

    @property
    def refunded(self) -> int:
        return sum(sum(amounts) for amounts in self.refunds.values())

    @property
    def held(self) -> int:
        return sum(self.captured) - self.refunded - self.lost

    def __str__(self) -> str:
        return f"captured {self.captured}, refunded {dict(self.refunds)}, lost {self.lost}, open {self.open}"


def books_of(world: "World") -> dict[str, Books]:
    """The PSP's books by order."""
    books = defaultdict[str, Books](Books)
    for account in world.psp.accounts:
        _note(account, books)
    return books


def _note(account: "AccountAtPsp", books: defaultdict[str, Books]) -> None:
    state, owner = account.state, {}
    for intent in state.payment_intents.values():
        order_id = intent["metadata"].get("order_id", "?")
        owner[intent["id"]] = order_id
        book = books[order_id]
        if intent["amount_received"]:
            book.captured.append(intent["amount_received"])
            book.accounts.add(account.name)
            if intent["capture_method"] == "manual":
                book.captured_later.append(intent["id"])
        elif intent["status"] not in ("canceled", "succeeded"):
            book.open.append(f"{intent['id']} {intent['status']}")
            if intent["status"] == "requires_capture":
                book.accounts.add(account.name)
    for refund in state.refunds.values():
        book = books[owner[refund["payment_intent"]]]
        if refund["status"] in ("succeeded", "pending"):
            book.refunds[refund["metadata"].get("refund_id", refund["id"])].append(refund["amount"])
        else:
            book.failed.append(refund["metadata"].get("refund_id") or f"ref_psp_{refund['id']}")
    for dispute in state.disputes.values():
        book = books[owner[dispute["payment_intent"]]]
        book.disputed += 1
        if dispute["status"] in _LOST:
            book.lost += dispute["amount"]


def open_failures(book: Books, order: dict[str, Any]) -> list[str]:
    """Our ids of the refunds that failed at the PSP and still need a person.

    Not those that were made after all, that another refund repeats, or that staff have settled; and none once the guest
    has all the money, by other refunds or through the bank.
    """
    repeated = {each.get("repeats") for each in order["refunds"]}
    settled = {each["refund_id"] for each in order["refunds"] if each.get("settled")}
    made_up = repeated | settled | set(book.refunds)
    return [refund_id for refund_id in book.failed if refund_id not in made_up] if book.held > 0 else []


def money_of(world: "World") -> list[tuple[str, int, str]]:
    """Every movement of money at the PSP."""
    captured = [(each["id"], each["amount_received"], "captured") for each in world.psp.all("payment_intents")]
    refunded = [(each["id"], each["amount"], each["status"]) for each in world.psp.all("refunds")]
    return sorted(each for each in captured if each[1]) + sorted(refunded)
