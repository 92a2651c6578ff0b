"""How far the exploration goes: what may still happen, and how often."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from contracts.message import Message
from contracts.psp import ClosePspSession, CreatePspSession, RetrievePspSession
from contracts.psp_accounts import DEFAULT_ACCOUNT
from tests.model.psp import SEASIDE


class Left(NamedTuple):
    """What may still happen. Whatever the system does by itself costs nothing and is always explored."""

    guest: int = 0  # opens the payment page, pays with some card, cancels
    staff: int = 0  # fulfil, refund, cancel, decide on a review
    psp: int = 0  # a refund or cancellation in the dashboard, a dispute, a refund that fails
    twice: int = 0  # a message is delivered again
    lost: int = 0  # a webhook about a payment never comes
    silent: int = 0  # the PSP does not answer: before doing what was asked, or after
    forgets: int = 0  # the PSP executes a command again whose idempotency key it has forgotten
    older: int = 0  # a command is handled by an adapter of an older version, which knows the default account alone
    refuses: int = 0  # the PSP refuses what it is asked, in one of the ways that the bounds name
    replays: int = 0  # an operator sends a message again, of any age, in any state, its id remembered no more
    weeks: int = 0  # the PSP says nothing about a refund for two weeks
    restores: int = 0  # one service's store goes back to a backup, and the log since then is sent to it again


@dataclass(frozen=True, slots=True)
class Bounds:
    """One exploration: its budgets, the cards in the guest's hand, and how the clocks run."""

    name: str
    left: Left
    cards: tuple[str, ...] = ("fine",)
    slow_refunds: bool = False
    tick: int = 1  # seconds between two things at the PSP; 0: everything happens in the same second
    ahead: int = 0  # seconds our clock is before the PSP's
    begin: tuple[str, ...] = ()  # steps that have happened already, to reach further into what comes afterwards
    looks_first: bool = True  # whether the adapter looks for a refund before it makes one
    refusals: tuple[str, ...] = ()  # ways in which the PSP refuses
    never: tuple[type[Message], ...] = ()  # commands that the PSP refuses as about this object, whenever it is asked
    stores_failures: bool = False  # whether the PSP stores a failure under its idempotency key, and repeats it
    new_keys: bool = True  # whether the adapter asks under another key where the PSP repeats a stored failure
    reconciles: bool = False  # whether a restored store has no log, and is brought up to date by `bellhop reconcile`
    catches_up: bool = True  # whether a restored store is sent its part of the log
    surprises: tuple[str, ...] = ("",)  # words of those surprises at the PSP that may come
    needs_approval: bool = False  # whether the hotel approves the order before its guest is charged
    erases: bool = False  # whether an operator may have the order forget its guest, as one of the staff's actions
    account: str = DEFAULT_ACCOUNT  # the one at the PSP that the order's property names
    disputes: tuple[str, ...] = ("whole",)  # how a dispute may begin (whole, part, inquiry, prevented); appeals

    @property
    def has_silence(self) -> bool:
        """Whether the PSP may leave a question unanswered."""
        return bool(self.left.silent or self.left.refuses) or any(step in SILENCE for step in self.begin)

    def __str__(self) -> str:
        return self.name


OPENS = ("the guest opens the payment page",)
PAYS_TWICE = ("the guest opens the payment page", "the guest pays", "the guest pays a second session")
PAYS = ("the guest opens the payment page", "the guest pays")
PAYS_ELSEWHERE = "the guest pays a session of another account"
APPROVED = "staff: ApproveOrder"
APPROVED_IN_PART = "staff: ApproveOrder (without a line)"
SILENCE = ("the payment is polled", "the PSP is asked (silent, not done):")
WEEK_OF_SILENCE = ("the guest opens the payment page", *SILENCE, "the payment is polled")

EXTRAS_BACKUP, PAYMENT_BACKUP = "a backup of the extras store is made", "a backup of the payment store is made"

EVERY_CARD = ("fine", "declining", "slow", "asking")

KEY, RIGHT, UNKNOWN = "the key is wrong", "a right is missing", "the id is not known"
OBJECT = "this object"
KEY_REFUSED = (KEY, RIGHT)
ALL_REFUSALS = (*KEY_REFUSED, UNKNOWN, OBJECT)

DISPUTES = (
    Bounds("after paying: 2 staff actions, 1 surprise, erasure", Left(staff=2, psp=1), begin=PAYS, erases=True),
    Bounds(
        "after paying: 1 staff action, a part disputed, decided and appealed",
        Left(staff=1, psp=4),
        begin=PAYS,
        surprises=("dispute",),
        disputes=("part", "appeals"),
    ),
    Bounds(
        "after paying: 1 staff action, an inquiry that may become a dispute",
        Left(staff=1, psp=3),
        begin=PAYS,
        surprises=("dispute",),
        disputes=("inquiry",),
    ),
    Bounds(
        "after paying: 2 staff actions, a dispute that was prevented",
        Left(staff=2, psp=1),
        begin=PAYS,
        surprises=("dispute",),
        disputes=("prevented",),
    ),
    Bounds(
        "after paying and cancelling: 1 staff action, disputed, decided and appealed",
        Left(staff=1, psp=4),
        begin=(*PAYS, "the guest cancels"),
        surprises=("dispute",),
        disputes=("whole", "appeals"),
    ),
)

NO_WAY_OUT = (
    Bounds(
        "after opening: 2 guest, 1 staff action, a session that is gone at the PSP",
        Left(guest=2, staff=1, psp=1),
        begin=OPENS,
        surprises=("gone",),
    ),
    Bounds(
        "after opening: 2 guest, 1 staff action, the PSP neither closes nor shows a session",
        Left(guest=2, staff=1),
        begin=OPENS,
        never=(ClosePspSession, RetrievePspSession),
    ),
    Bounds("2 guest, 1 staff action, the PSP opens no session", Left(2, 1), never=(CreatePspSession,)),
    Bounds("1 guest action, 1 failure that the PSP repeats", Left(guest=1, silent=1), stores_failures=True),
)
WITHOUT_LOG = (
    Bounds(
        "the payment store goes back without a log: 1 guest action",
        Left(guest=1, restores=1),
        begin=(PAYMENT_BACKUP, *OPENS),
        reconciles=True,
    ),
    Bounds(
        "the payment store goes back to an open session without a log: 1 guest action",
        Left(guest=1, restores=1),
        begin=(*OPENS, PAYMENT_BACKUP),
        reconciles=True,
    ),
    Bounds(
        "the extras store goes back without a log: 1 guest action",
        Left(guest=1, restores=1),
        begin=(EXTRAS_BACKUP, *OPENS),
        reconciles=True,
    ),
)
VOUCHERS = (
    Bounds("after opening: 1 guest action, a voucher or a card", Left(1), ("voucher", "fine"), begin=OPENS),
    Bounds(
        "after opening: 1 guest action, a voucher, 1 webhook lost",
        Left(guest=1, lost=1),
        cards=("voucher",),
        begin=OPENS,
    ),
    Bounds(
        "after opening: 1 guest, 1 staff action, an authorisation that is not captured",
        Left(guest=1, staff=1),
        cards=("authorised",),
        begin=OPENS,
    ),
)
APPROVALS = tuple(
    replace(bounds, name=f"needs approval: {bounds.name}", needs_approval=True)
    for bounds in (
        Bounds("after opening: 2 guest, 1 staff action", Left(guest=2, staff=1), begin=OPENS),
        Bounds("after opening: 1 guest, 2 staff actions, erasure", Left(guest=1, staff=2), begin=OPENS, erases=True),
        Bounds("after paying: 1 guest, 2 staff actions", Left(guest=1, staff=2), begin=PAYS),
        Bounds("after paying: 1 guest, 1 staff action, 1 time-out", Left(guest=1, staff=1, silent=1), begin=PAYS),
        Bounds("after opening: 1 guest, 1 staff action, 1 redelivery", Left(1, 1, twice=1), begin=OPENS),
        Bounds("after opening: 1 guest, 1 staff action, 1 webhook lost", Left(1, 1, lost=1), begin=OPENS),
        Bounds("after paying: 1 guest, 1 staff action, same second", Left(1, 1), begin=PAYS, tick=0),
        Bounds("after paying: 1 guest, 1 staff action, 1 old message again", Left(1, 1, replays=1), begin=PAYS),
        Bounds("after paying: 1 staff action, disputed and decided", Left(staff=1, psp=2), begin=PAYS),
        Bounds("after paying: 1 staff action, 1 refusal", Left(0, 1, refuses=1), begin=PAYS, refusals=ALL_REFUSALS),
        Bounds(
            "approved without a line: 1 staff action, 1 time-out, the whole captured in the dashboard",
            Left(staff=1, psp=1, silent=1),
            begin=(*PAYS, APPROVED_IN_PART),
            surprises=("capture",),
        ),
        Bounds(
            "approved without a line: 1 guest action, 1 refund in the dashboard",
            Left(guest=1, psp=1),
            begin=(*PAYS, APPROVED_IN_PART),
        ),
        Bounds(
            "approved without a line, and the extras store goes back",
            Left(restores=1, staff=1),
            begin=(EXTRAS_BACKUP, *PAYS, APPROVED_IN_PART),
        ),
        Bounds(
            "approved without a line, and the payment store goes back without a log",
            Left(restores=1),
            begin=(PAYMENT_BACKUP, *PAYS, APPROVED_IN_PART),
            reconciles=True,
        ),
        Bounds("approved, and the extras store goes back", Left(restores=1), begin=(EXTRAS_BACKUP, *PAYS, APPROVED)),
        Bounds("approved, and the payment store goes back", Left(restores=1), begin=(PAYMENT_BACKUP, *PAYS, APPROVED)),
        Bounds(
            "approved, and the payment store goes back without a log",
            Left(restores=1),
            begin=(PAYMENT_BACKUP, *PAYS, APPROVED),
            reconciles=True,
        ),
        Bounds(
            "approved, and the extras store goes back without a log",
            Left(restores=1),
            begin=(EXTRAS_BACKUP, *PAYS, APPROVED),
            reconciles=True,
        ),
    )
)
REFUNDS_IN_TROUBLE = (
    Bounds(
        "after paying twice: 2 staff actions, 1 refund fails",
        Left(staff=2, psp=1),
        begin=PAYS_TWICE,
        surprises=("a second session", "fails"),
    ),
    Bounds(
        "after paying twice: 1 staff action, a refund that is pending for weeks or fails",
        Left(staff=1, psp=1, weeks=1),
        begin=PAYS_TWICE,
        slow_refunds=True,
        surprises=("a second session", "fails"),
    ),
    Bounds("after paying: a second session paid", Left(psp=1), begin=PAYS, surprises=("a second session",)),
    Bounds(
        "after paying: 2 staff actions, a refund without an answer for weeks",
        Left(staff=2, silent=1, weeks=1),
        begin=PAYS,
    ),
    Bounds(
        "after paying: 2 staff actions, a refund pending for weeks",
        Left(staff=2, weeks=1),
        begin=PAYS,
        slow_refunds=True,
    ),
    Bounds(
        "after paying: 1 staff action, a refund pending for weeks, and failing",
        Left(staff=1, weeks=1, psp=1),
        begin=PAYS,
        slow_refunds=True,
        surprises=("fails",),
    ),
)
METADATA = (
    Bounds(
        "after paying: 1 staff action, 1 change of metadata, 1 refund in the dashboard",
        Left(staff=1, psp=2),
        begin=PAYS,
        surprises=("metadata", "a part is refunded"),
    ),
    Bounds(
        "after paying: 1 staff action, 1 change of metadata, disputed and decided",
        Left(staff=1, psp=3),
        begin=PAYS,
        surprises=("metadata", "dispute"),
    ),
    Bounds(
        "after opening: 1 guest action, 1 change of metadata",
        Left(guest=1, psp=1),
        begin=OPENS,
        cards=("fine", "declining"),
        surprises=("metadata",),
    ),
)

ACCOUNTS = tuple(
    replace(bounds, name=f"at an account of its own: {bounds.name}", account=SEASIDE)
    for bounds in (
        Bounds("1 guest action, 1 command handled by an older adapter", Left(guest=1, older=1)),
        Bounds("after opening: 2 guest actions, 1 command handled by an older adapter", Left(2, older=1), begin=OPENS),
        Bounds("after paying: 2 staff actions, 1 command handled by an older adapter", Left(0, 2, older=1), begin=PAYS),
        Bounds(
            "after paying: 2 staff actions, our key refused", Left(0, 2, refuses=2), begin=PAYS, refusals=KEY_REFUSED
        ),
        Bounds(
            "after opening: 2 guest actions, a session of another account paid",
            Left(guest=2, psp=1),
            begin=OPENS,
            surprises=("another account",),
        ),
        Bounds(
            "after paying: 1 staff action, a session of another account paid, refunded or disputed",
            Left(staff=1, psp=2),
            begin=PAYS,
            surprises=("another account", "a part is refunded", "dispute"),
        ),
        Bounds(
            "a session of another account paid, and the payment store goes back without a log",
            Left(guest=1, restores=1),
            begin=(PAYMENT_BACKUP, *OPENS, PAYS_ELSEWHERE),
            surprises=("another account",),
            reconciles=True,
        ),
    )
)

# What CI explores: about a minute.
SHORT = (
    Bounds("3 guest actions", Left(guest=3)),
    Bounds("2 guest actions, every card, 1 webhook lost", Left(guest=2, lost=1), cards=EVERY_CARD),
    Bounds("2 guest actions, every card, same second", Left(guest=2), cards=EVERY_CARD, tick=0),
    Bounds("2 guest actions, every card, our clock ahead", Left(guest=2), cards=EVERY_CARD, ahead=1),
    Bounds("2 guest actions, 1 redelivery", Left(guest=2, twice=1)),
    Bounds("2 guest actions, 1 time-out of the PSP", Left(guest=2, silent=1)),
    Bounds(
        "after opening: 1 guest action, 1 redelivery, 1 forgotten key", Left(guest=1, twice=1, forgets=1), begin=OPENS
    ),
    Bounds("2 guest actions, 1 surprise at the PSP, 1 staff action", Left(guest=2, psp=1, staff=1)),
    Bounds("another amount, 2 staff actions", Left(guest=2, staff=2), cards=("odd",)),
    Bounds("after paying: 1 guest, 2 staff actions", Left(guest=1, staff=2), begin=PAYS),
    Bounds("after paying: 2 staff actions, 1 surprise at the PSP", Left(staff=2, psp=1), begin=PAYS),
    Bounds(
        "after paying: 1 staff action, a refund settling slowly, 1 surprise",
        Left(staff=1, psp=1),
        begin=PAYS,
        slow_refunds=True,
    ),
    Bounds("after a silent week: 2 guest actions, 1 staff action", Left(guest=2, staff=1), begin=WEEK_OF_SILENCE),
    Bounds(
        "after paying and cancelling: 2 staff actions, 2 refunds fail",
        Left(staff=2, psp=2),
        begin=(*PAYS, "the guest cancels"),
        surprises=("fails",),
    ),
    Bounds("after paying: 2 staff actions, 1 refund fails", Left(staff=2, psp=1), begin=PAYS, surprises=("fails",)),
    Bounds("after paying: 1 staff action, 1 redelivery, 1 time-out", Left(staff=1, twice=1, silent=1), begin=PAYS),
    Bounds("after opening: 1 guest action, 1 refusal", Left(1, refuses=1), begin=OPENS, refusals=(UNKNOWN, OBJECT)),
    Bounds(
        "after paying: 2 staff actions, 1 refusal of the PSP",
        Left(staff=2, refuses=1),
        begin=PAYS,
        refusals=ALL_REFUSALS,
    ),
    Bounds(
        "after paying: 2 staff actions, our key refused", Left(staff=2, refuses=2), begin=PAYS, refusals=KEY_REFUSED
    ),
    Bounds("after paying: 1 guest, 1 staff action, 1 old message again", Left(1, 1, replays=1), begin=PAYS),
    Bounds("after paying: 1 staff action, 1 surprise, 1 old message again", Left(0, 1, 1, replays=1), begin=PAYS),
    Bounds("the extras store goes back, 2 staff actions", Left(staff=2, restores=1), begin=(EXTRAS_BACKUP, *PAYS)),
    Bounds("the payment store goes back, 1 staff action", Left(staff=1, restores=1), begin=(PAYMENT_BACKUP, *PAYS)),
    *DISPUTES,
    *NO_WAY_OUT,
    *METADATA,
    *REFUNDS_IN_TROUBLE,
    *VOUCHERS,
    *APPROVALS,
    *ACCOUNTS,
    *WITHOUT_LOG,
)
# Further: minutes, and a few GB.
DEEP = (
    *SHORT,
    Bounds("4 guest actions", Left(guest=4)),
    Bounds("3 guest actions, every card, 1 webhook lost", Left(guest=3, lost=1), cards=EVERY_CARD),
    Bounds("3 guest actions, 1 redelivery", Left(guest=3, twice=1)),
    Bounds("2 guest actions, 2 time-outs of the PSP", Left(guest=2, silent=2)),
    Bounds("3 guest actions, 1 time-out of the PSP", Left(guest=3, silent=1)),
    Bounds("2 guest actions, every card, our clock ahead", Left(guest=2, lost=1), cards=EVERY_CARD, ahead=1),
    Bounds("2 guest actions, 1 redelivery, 1 forgotten key", Left(guest=2, twice=1, forgets=1)),
    Bounds("2 guest actions, 1 refusal of the PSP", Left(guest=2, refuses=1), refusals=(UNKNOWN, OBJECT)),
    Bounds("2 guest actions, 1 old message again", Left(guest=2, replays=1)),
    Bounds("after paying: 3 staff actions, 1 refund fails", Left(staff=3, psp=1), begin=PAYS, surprises=("fails",)),
    Bounds("another amount, 1 surprise, 1 staff action", Left(guest=2, staff=1, psp=1), cards=("odd",)),
    Bounds("after opening: 1 guest action, a store goes back", Left(guest=1, restores=1), begin=OPENS),
    Bounds(
        "the payment store goes back, 1 staff action, 1 forgotten key",
        Left(staff=1, restores=1, forgets=1),
        begin=(PAYMENT_BACKUP, *PAYS),
    ),
    Bounds("after paying: 2 staff actions, 2 surprises at the PSP", Left(staff=2, psp=2), begin=PAYS),
    Bounds("after opening: 2 guest actions, vouchers", Left(2), ("voucher",), begin=OPENS),
    Bounds(
        "needs approval: authorised, and the payment store goes back without a log",
        Left(restores=1),
        begin=(PAYMENT_BACKUP, *PAYS),
        reconciles=True,
        needs_approval=True,
    ),
)
