"""Puts a story together: pure, from messages of the log and histories of documents."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from chassis.messaging.consumer import PARKED
from chassis.messaging.headers import SENT_AT_MS
from chassis.messaging.own_causes import ATTEMPT, BY_OPERATOR, BY_THE_CLOCK
from chassis.storage.history import Transition
from contracts import trace_headers
from contracts.ids import OrderId, payment_id_of
from contracts.topology import COMMANDS, FAILURES
from ops.core.messages import RecordedMessage
from ops.core.trace.labels import name_of, owner_of, sender_of, shortened, summary_of
from ops.core.trace.model import Participant, StepKind, Story
from ops.core.trace.ordering import UnorderedStep, numbered

_BORN = re.compile(r"(?P<document>.+?)\.(?P<version>\d+)\.\d+(?:\.[0-9a-f]{16})?")
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class DocumentHistory:
    """The history of a document. `name` is shown to people: order, payment.

    A shared document belongs to many orders; its history has only the changes of this order.
    """

    owner: Participant
    document_id: str
    name: str
    summary: str
    history: tuple[Transition, ...]
    is_shared: bool = False

    @property
    def forgotten(self) -> int:
        """The number of changes that are no longer in its history."""
        return self.history[0].version - 1 if self.history and not self.is_shared else 0


def build_story(
    order_id: str,
    messages: Sequence[RecordedMessage],
    documents: Sequence[DocumentHistory],
    remarks: Sequence[str] = (),
    actions: Sequence[str] = (),
) -> Story:
    """The story of an order, from messages in the log's order and from its documents."""
    builder = _StoryBuilder()
    for seen in messages:
        builder.add(seen)
    for document in documents:
        builder.remember(document)
    builder.name_causes()
    builder.mark_no_ops(documents)
    return Story(
        order_id=order_id,
        payment_id=payment_id_of(OrderId(order_id)),
        summary={document.name: document.summary for document in documents},
        steps=tuple(numbered(builder.drafts)),
        actions=tuple(actions),
        remarks=tuple(remarks),
    )


class _StoryBuilder:
    """Collects unordered steps and determines their causes."""

    def __init__(self) -> None:
        self.drafts: list[UnorderedStep] = []
        self._messages: dict[str, UnorderedStep] = {}
        self._latest: dict[str, UnorderedStep] = {}
        self._failures: dict[tuple[str, int], UnorderedStep] = {}
        """By message and attempt: the first one, since a message that is replayed may fail once more."""
        self._transitions: dict[tuple[str, int], UnorderedStep] = {}
        self._last_logged: UnorderedStep | None = None

    def add(self, seen: RecordedMessage) -> None:
        if seen.exchange == FAILURES:
            self._add_failure(seen)
        else:
            self._add_message(seen)

    def _add_message(self, seen: RecordedMessage) -> None:
        at, is_exact = self._moment_of(seen)
        receivers = tuple(dict.fromkeys(owner_of(queue) for queue in seen.queues))
        draft = UnorderedStep(
            kind=StepKind.COMMAND if seen.exchange == COMMANDS.name else StepKind.EVENT,
            at=at,
            is_exact=is_exact,
            sender=sender_of(seen.sender),
            receivers=receivers,
            what=name_of(seen.kind),
            detail=summary_of(seen),
            seen=seen,
            message_id=seen.message_id,
            message_kind=seen.kind,
        )
        if seen.message_id in self._messages:
            draft.detail = "sent again, as it was"
        if self._last_logged is not None:
            draft.earlier.append(self._last_logged)
        self._last_logged = draft
        self._add_notes(seen, draft)
        self.drafts.append(draft)
        self._messages.setdefault(seen.message_id, draft)
        self._latest[seen.message_id] = draft

    def _add_notes(self, seen: RecordedMessage, draft: UnorderedStep) -> None:
        """The sender's trace headers: the HTTP request or the PSP calls behind the message."""
        if http := _text(seen, trace_headers.HTTP):
            is_staff = b'"staff":{' in seen.body
            who = Participant.STAFF if is_staff else Participant.GUEST
            what = http.replace(seen.order_id or "\0", "…")
            draft.cause = UnorderedStep(
                StepKind.REQUEST, draft.at, who, what, (Participant.GATEWAY,), is_exact=draft.is_exact
            )
            self.drafts.append(draft.cause)
        self._add_calls(seen, draft)

    def _add_calls(self, seen: RecordedMessage, outcome: UnorderedStep) -> None:
        header = _text(seen, trace_headers.PSP)
        if not header:
            return
        if trace_headers.is_psp_event(header):
            outcome.cause = UnorderedStep(
                StepKind.WEBHOOK,
                outcome.at,
                Participant.STRIPE,
                header,
                (Participant.ADAPTER,),
                is_exact=outcome.is_exact,
                # Dated by Stripe's clock, which may be behind the store's.
                earlier=list(outcome.earlier),
            )
            self.drafts.append(outcome.cause)
            return
        # The calls belong to the message that was being handled: the cause of an event, or the failed message itself.
        asked = seen.message_id if outcome.kind in (StepKind.RETRY, StepKind.PARKING) else seen.causation_id or ""
        cause = self._latest.get(asked)
        for call in trace_headers.shown_calls(header):
            kind = StepKind.CALL if call.is_answered else StepKind.LOST_CALL
            began = _last_before(outcome.at, call.clock)
            cause = UnorderedStep(kind, began, Participant.ADAPTER, call.what, (Participant.STRIPE,), cause=cause)
            self.drafts.append(cause)
        outcome.cause = cause

    def _add_failure(self, seen: RecordedMessage) -> None:
        is_parked = seen.headers.get("ended") == PARKED
        again = "" if is_parked else f"; again in {seen.headers.get('again_in_s')} s"
        draft = UnorderedStep(
            kind=StepKind.PARKING if is_parked else StepKind.RETRY,
            at=seen.failed_at or self._moment_of(seen)[0],
            sender=owner_of(next(iter(seen.queues), "")),
            what=name_of(seen.kind),
            detail=f"{seen.error_type}: {shortened(seen.error or '', _LONGEST_ERROR)}{again}",
            seen=seen,
            message_id=seen.message_id,
            message_kind=seen.kind,
            attempt=seen.attempt,
            cause=self._latest.get(seen.message_id),
        )
        self._add_calls(seen, draft)
        self.drafts.append(draft)
        self._latest[seen.message_id] = draft
        self._failures.setdefault((seen.message_id, seen.attempt), draft)

    def _moment_of(self, seen: RecordedMessage) -> tuple[datetime, bool]:
        """The time it was sent, and whether that is exact to the millisecond."""
        milliseconds = seen.headers.get(SENT_AT_MS)
        if isinstance(milliseconds, int):
            return datetime.fromtimestamp(milliseconds / 1000, UTC), True
        before = self._last_logged.at if self._last_logged else datetime.fromtimestamp(0, UTC)
        return seen.sent_at or before, False

    def remember(self, document: DocumentHistory) -> None:
        """The transitions of a document, each after the one before it and after the message that made it."""
        summary = ""
        before: list[UnorderedStep] = []
        for change in document.history:
            # An attempt at a webhook has no message behind it: it follows from what was recorded before.
            cause = next(iter(before), None) if change.kind == ATTEMPT else self._cause_of(change)
            still = "still " if change.summary == summary else ""
            summary = change.summary
            is_by_itself = cause is None and _is_by_the_clock(change)
            draft = UnorderedStep(
                kind=StepKind.DEADLINE if is_by_itself else StepKind.TRANSITION,
                at=change.at,
                sender=document.owner,
                what=f"{document.name}: {still}{change.summary}",
                message_id=change.message_id,
                message_kind=change.kind,
                attempt=change.attempt,
                cause=cause,
                earlier=before,
            )
            before = [draft]
            if draft.kind is StepKind.DEADLINE:
                draft.detail = "its time had come"
            elif cause is None and change.message_id.startswith(f"{BY_OPERATOR}."):
                draft.detail = f"by an operator: {change.kind}"
            elif cause is None:
                draft.detail = f"caused by {name_of(change.kind)} (no longer in the log)"
            self.drafts.append(draft)
            self._transitions[document.document_id, change.version] = draft

    def _cause_of(self, change: Transition) -> UnorderedStep | None:
        failed = self._failures.get((change.message_id, change.attempt - 1))
        exact = failed or self._messages.get(change.message_id)
        if exact is not None or change.message_id.count(".") == 0:
            return exact
        # Days of stock are changed in steps of a message, each with an id that begins with the message's.
        beginnings = (name for name in self._messages if change.message_id.startswith(f"{name}."))
        longest = max(beginnings, key=len, default=None)
        return self._messages[longest] if longest and not _is_by_the_clock(change) else None

    def name_causes(self) -> None:
        """Link each message to the transition or the message that caused it."""
        for draft in self.drafts:
            seen = draft.seen
            if seen is None or draft.cause is not None:
                continue
            born = _BORN.fullmatch(seen.message_id)
            transition = self._transitions.get((born["document"], int(born["version"]))) if born else None
            draft.cause = transition or self._messages.get(seen.causation_id or "")

    def mark_no_ops(self, documents: Sequence[DocumentHistory]) -> None:
        """Mark every message that reached a service with documents and changed none of them."""
        changing = {id(_message_behind(draft)) for draft in self._transitions.values()}
        known_since = {
            owner: max((d.history[0].at for d in documents if d.owner is owner and d.forgotten), default=None)
            for owner in (Participant.EXTRAS, Participant.PAYMENTS)
        }
        for draft in self._messages.values():
            for owner in draft.receivers:
                since = known_since.get(owner)
                is_known = owner in known_since and (since is None or draft.at > since)
                if is_known and id(draft) not in changing and self._latest[draft.message_id] is draft:
                    draft.detail = "; ".join(filter(None, ("no change", draft.detail)))


def _message_behind(draft: UnorderedStep) -> UnorderedStep | None:
    """The message that led to it, past the retries in between."""
    cause = draft.cause
    while cause is not None and cause.kind not in (StepKind.COMMAND, StepKind.EVENT):
        cause = cause.cause
    return cause


def _is_by_the_clock(change: Transition) -> bool:
    return change.kind in BY_THE_CLOCK


def _last_before(moment: datetime, clock: time) -> datetime:
    """The latest time at which the clock showed this."""
    same_day = datetime.combine(moment.date(), clock, UTC)
    return same_day if same_day <= moment + timedelta(minutes=1) else same_day - timedelta(days=1)


def _text(seen: RecordedMessage, name: str) -> str:
    value = seen.headers.get(name)
    return value if isinstance(value, str) else ""
