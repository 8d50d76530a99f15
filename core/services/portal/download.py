"""Every request of a month as a table for spreadsheets and programs."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from core.services.pocketbase import Record
from core.services.portal.formats import Formats
from gateway.money import to_wire

COLUMNS = (
    "ended_at",
    "user",
    "model",
    "tokens_input",
    "tokens_output",
    "cost",
    "currency",
    "response_time_ms",
    "status",
    "estimated",
    "request_id",
)

# A spreadsheet takes what begins so for a formula: OWASP, "CSV Injection".
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001


async def table(parts: AsyncIterator[list[Record]], say: Formats) -> AsyncIterator[str]:
    """The table, in pieces.

    Amounts are exact. Where people write a decimal comma, columns are separated by semicolons:
    that is what their spreadsheets open.
    """
    yield _lines([COLUMNS], say)
    async for part in parts:
        yield _lines([_cells(record, say) for record in part], say)


def _lines(rows: Sequence[Sequence[str]], say: Formats) -> str:
    text = io.StringIO()
    # All is quoted, so that no separator of another country tears a cell apart.
    writer = csv.writer(text, delimiter=";" if say.decimal_comma else ",", quoting=csv.QUOTE_ALL)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cells(record: Record, say: Formats) -> Sequence[str]:
    return (
        datetime.fromisoformat(record["ended_at"]).isoformat(timespec="milliseconds"),
        record["user"],
        record["model"],
        str(record["tokens_input"]),
        str(record["tokens_output"]),
        to_wire(record["cost"]).replace(".", "," if say.decimal_comma else "."),
        say.currency,
        str(record["response_time"]),
        record["status"],
        str(record["estimated"]).lower(),
        record["request_id"],
    )


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
