"""The receipts of an order as a page to print: no script, no file beside it."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from chassis.receipts.printed import Printed, Row, Section

_STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #111; }
header p { margin: 0; overflow-wrap: anywhere; }
section { break-inside: avoid; margin-top: 2rem; border-top: 1px solid #999; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: .75rem 0; }
th, td { text-align: start; padding: .2rem .4rem; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; vertical-align: top; }
th:last-child, td:last-child { text-align: end; white-space: nowrap; overflow-wrap: normal; }
@media print { body { margin: 0; max-width: none; } }
"""  # noqa: E501  a style sheet

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""The page's Content-Security-Policy: its own style sheet, and nothing else."""


def page_of(document: Printed) -> str:
    """The document as HTML. All text of it is escaped."""
    hotel = "".join(f'<p dir="auto">{escape(line)}</p>' for line in document.hotel)
    sections = "".join(_section(section) for section in document.sections)
    return (
        f'<!doctype html><html lang="{escape(document.language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(document.title)}</title>'
        f"<style>{_STYLE}</style></head><body><header>{hotel}</header><main><h1>{escape(document.title)}</h1>"
        f"{_facts(document.facts)}{sections}<section><h2>{escape(document.sums_title)}</h2>"
        f"{_facts(document.sums)}{_table(document.vat)}</section><p>{escape(document.note)}</p></main></body></html>"
    )


def _section(section: Section) -> str:
    return (
        f"<section><h2>{escape(section.title)}</h2>{_facts(section.facts)}"
        f"{_table(section.items)}{_table(section.vat)}</section>"
    )


def _facts(facts: Iterable[Row]) -> str:
    rows = (f'<dt>{escape(label)}</dt><dd dir="auto">{escape(value)}</dd>' for label, value in facts)
    return f"<dl>{''.join(rows)}</dl>"


def _table(rows: tuple[Row, ...]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row) -> str:
    return "".join(f'<td dir="auto">{escape(cell)}</td>' for cell in row)
