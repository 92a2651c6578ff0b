"""The folios of a reservation as Apaleo shows them: what is on them already, and where a posting goes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, assert_never

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from connectors.apaleo.postings import Allowance, AnyPosting, Charge, Payment, Refund, UnbookableError

_ADD_CHARGE = "AddCharge"


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


def _or_empty(value: Any) -> Any:
    return () if value is None else value


class Entry(_Shown):
    """A charge, a payment, a refund or an allowance."""

    id: str
    receipt: str | None = None
    """The reference of a charge, a payment or a refund."""
    reason: str | None = None
    """The reference of an allowance."""
    source_charge_id: str | None = None
    amount: Any = None
    """As Apaleo shows it; booking does not need it."""
    moved_to: Any = None
    """Set: staff moved it to another folio, which has it as well."""


Entries = Annotated[tuple[Entry, ...], BeforeValidator(_or_empty)]


class Balance(_Shown):
    currency: str


class Folio(_Shown):
    id: str
    is_main_folio: bool = False
    balance: Balance
    allowed_actions: Annotated[tuple[str, ...], BeforeValidator(_or_empty)] = ()
    charges: Entries = ()
    payments: Entries = ()
    allowances: Entries = ()
    refunds: Entries = ()

    @property
    def takes_charges(self) -> bool:
        return _ADD_CHARGE in self.allowed_actions


@dataclass(frozen=True, slots=True)
class Target:
    """Where a posting goes."""

    folio_id: str
    charge_id: str | None = None
    """Of an allowance."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry, and what names the posting that made it."""

    kind: type[AnyPosting]
    reference: str | None
    entry: Entry
    charge: str | None = None
    """The reference of the charge that an allowance is on."""

    def is_of(self, posting: AnyPosting) -> bool:
        charge = posting.charge if isinstance(posting, Allowance) else None
        return (self.kind, self.reference, self.charge) == (type(posting), posting.reference, charge)


@dataclass(frozen=True, slots=True)
class Folios:
    """All folios of one reservation."""

    all: tuple[Folio, ...]
    order_id: str

    def has(self, posting: AnyPosting) -> bool:
        """Whether it was made: by an attempt that did not learn of it, or that the ledger has lost."""
        return any(each.is_of(posting) for each in self.posted())

    def posted(self) -> Iterator[Posted]:
        """Every entry, the order's and others."""
        charges = {each.id: each.receipt for _, each in self._charges()}
        for folio in self.all:
            yield from (Posted(Charge, each.receipt, each) for each in folio.charges)
            yield from (Posted(Payment, each.receipt, each) for each in folio.payments)
            yield from (Posted(Refund, each.receipt, each) for each in folio.refunds)
            for each in folio.allowances:
                yield Posted(Allowance, each.reason, each, charges.get(each.source_charge_id or ""))

    def target_of(self, posting: AnyPosting) -> Target:
        """Raises UnbookableError if no folio can take it."""
        folio, charge_id = self._place_of(posting)
        if folio.balance.currency != posting.amount.currency:
            raise UnbookableError(f"the order is in {posting.amount.currency}, the folio in {folio.balance.currency}")
        return Target(folio.id, charge_id)

    def _place_of(self, posting: AnyPosting) -> tuple[Folio, str | None]:
        match posting:
            case Charge():
                return self._open(), None
            case Payment() | Refund():
                # Beside the charges of the order, whatever the folio allows now: the two must not be apart.
                return self._home() or self._open(), None
            case Allowance(charge=charge):
                for folio, each in self._charges():
                    if each.receipt == charge and each.moved_to is None:
                        return folio, each.id
                raise UnbookableError("the charge to be taken back is on no folio of the reservation any more")
            case _:
                assert_never(posting)

    def after(self, posting: AnyPosting, target: Target, entry_id: str) -> "Folios":
        """With what was just posted."""
        match posting:
            case Charge(reference=reference):
                added: dict[str, Entry] = {"charges": Entry(id=entry_id, receipt=reference)}
            case Payment(reference=reference):
                added = {"payments": Entry(id=entry_id, receipt=reference)}
            case Refund(reference=reference):
                added = {"refunds": Entry(id=entry_id, receipt=reference)}
            case Allowance(reference=reference):
                entry = Entry(id=entry_id, reason=reference, source_charge_id=target.charge_id)
                added = {"allowances": entry}
            case _:
                assert_never(posting)
        [(kind, entry)] = added.items()
        return replace(
            self,
            all=tuple(
                each.model_copy(update={kind: (*getattr(each, kind), entry)}) if each.id == target.folio_id else each
                for each in self.all
            ),
        )

    def _open(self) -> Folio:
        home = self._home()
        ranked = sorted(self.all, key=lambda each: (each is not home, not each.is_main_folio))
        for folio in ranked:
            if folio.takes_charges:
                return folio
        raise UnbookableError("no folio of the reservation takes charges: is it checked out?")

    def _home(self) -> Folio | None:
        """The folio with charges of this order."""
        own = f" {self.order_id}"
        found = (folio for folio, each in self._charges() if (each.receipt or "").endswith(own) and not each.moved_to)
        return next(found, None)

    def _charges(self) -> Iterator[tuple[Folio, Entry]]:
        for folio in self.all:
            for each in folio.charges:
                yield folio, each
