"""`python -m connectors.apaleo.audit`: compare the folios with Bellhop's receipts. Reads only.

Bellhop's side comes from `bellhop webhooks export`: the connector has no access to orders.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer
from pydantic import ValidationError

from chassis.runtime.settings import load
from chassis.text import cut
from connectors.apaleo.api import ApaleoApi, ApaleoRefusedError, ApaleoUnavailableError
from connectors.apaleo.booking import Pms, folios_of
from connectors.apaleo.differences import Difference, differences
from connectors.apaleo.folios import Folios
from connectors.apaleo.postings import Terms, UnbookableError
from connectors.apaleo.settings import ApaleoSettings
from contracts.webhooks import OrderData

_PAUSES = (1.0, 5.0)
"""Seconds before Apaleo is asked again, if it does not say how many."""
_LONGEST = 200
"""Characters of a difference: an entry's reference may be written by others."""
_REPORTED = 500
"""Orders between two lines about the progress."""


class _RefusedError(Exception):
    """The comparison cannot be made, or not be ended; says why."""


def main(
    file: Annotated[str, typer.Argument(help="What `bellhop webhooks export` printed; -: standard input.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per difference, on a line each.")] = False,
) -> None:
    """Compare the folios at Apaleo with Bellhop's receipts, and print what is missing, there twice, or otherwise.

    Example: bellhop webhooks export --property alpenhof --since 30d | python -m connectors.apaleo.audit

    Exit code 0 if all is as the receipts say, 1 if not, 2 if it could not be compared to the end.
    """
    settings = load(ApaleoSettings)
    try:
        with _opened(file) as lines:
            has_differences = asyncio.run(_compared(settings, lines, as_json=as_json))
    except _RefusedError as reason:
        typer.echo(str(reason), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(1 if has_differences else 0)


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    try:
        if file == "-":
            yield sys.stdin
            return
        with Path(file).open(encoding="utf-8") as lines:
            yield lines
    except (OSError, UnicodeDecodeError) as error:
        raise _RefusedError(f"{file} cannot be read: {error}") from None


@dataclass(slots=True)
class _Counts:
    orders: int = 0
    differing: int = 0
    recent: int = 0
    forgotten: int = 0

    @property
    def summary(self) -> str:
        parts = [f"{self.orders} orders compared: {self.differing} differ from their receipts"]
        if self.recent:
            parts.append(f"{self.recent} lack an entry that may still be on its way")
        if self.forgotten:
            parts.append(f"{self.forgotten} more have forgotten their guest, and have no reservation to look at")
        return "; ".join(parts) + "."


async def _compared(settings: ApaleoSettings, lines: Iterable[str], *, as_json: bool) -> bool:
    """Whether something differs. Raises _RefusedError."""
    api, terms, counts = ApaleoApi.of(settings), settings.terms, _Counts()
    try:
        for order in _orders(lines):
            found = await _of_order(api, order, terms)
            if found is None:
                counts.forgotten += 1
                continue
            counts.orders += 1
            counts.recent += any(each.is_recent for each in found)
            counts.differing += any(not each.is_recent for each in found)
            for each in found:
                _print(each, as_json=as_json)
            if counts.orders % _REPORTED == 0:
                typer.echo(f"{counts.orders} orders compared so far", err=True)
    except ApaleoUnavailableError as error:
        raise _RefusedError(f"Not compared to the end, only {counts.orders} orders were: {error}.") from None
    finally:
        await api.close()
    typer.echo(counts.summary, err=as_json)
    return counts.differing > 0


def _orders(lines: Iterable[str]) -> Iterator[OrderData]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield OrderData.model_validate_json(line)
        except ValidationError:
            raise _RefusedError(f"Line {number} is not an order as `bellhop webhooks export` prints it.") from None


async def _of_order(pms: Pms, order: OrderData, terms: Terms) -> list[Difference] | None:
    """None: the order has forgotten its guest."""
    try:
        folios = await _patiently(pms, order, terms)
    except (UnbookableError, ApaleoRefusedError) as error:
        if str(order.reservation_id) == str(order.guest_id):  # one pseudonym stands for both
            return None
        return [Difference(order.order_id, order.receipt.number if order.receipt else None, str(error))]
    return differences(order, terms, folios, datetime.now(UTC))


async def _patiently(pms: Pms, order: OrderData, terms: Terms) -> Folios:
    for pause in _PAUSES:
        try:
            return await folios_of(pms, order, terms, refunds=True)
        except ApaleoUnavailableError as error:
            await asyncio.sleep(pause if error.retry_after is None else error.retry_after)
    return await folios_of(pms, order, terms, refunds=True)


def _print(difference: Difference, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(difference)))
        return
    said = cut("".join(each if each.isprintable() else " " for each in difference.said), _LONGEST)
    receipt = f" receipt {difference.receipt}" if difference.receipt is not None else ""
    typer.echo(f"{difference.order_id}{receipt}: {said}{' yet' if difference.is_recent else ''}")


if __name__ == "__main__":
    typer.run(main)
