"""Every request of a month as a table for spreadsheets and programs."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from core.services.pocketbase import Record
from core.services.portal.data import Contacts
from core.services.portal.formats import Formats
from money.nanos import to_wire

COLUMNS = (
    "ended_at",
    "user",
    "model",
    "model_used",
    "tokens_input",
    "tokens_output",
    "cost",
    "currency",
    "response_time_ms",
    "status",
    "estimated",
    "request_id",
    "over_reserved",
)

# A spreadsheet takes what begins so for a formula: OWASP, "CSV Injection".
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001


async def table(
    parts: AsyncIterator[list[Record]], contacts: Contacts, say: Formats
) -> AsyncIterator[str]:
    """The table, in pieces.

    Amounts are exact. Where people write a decimal comma, columns are separated by semicolons:
    that is what their spreadsheets open.
    """
    yield _lines([COLUMNS], say)
    async for part in parts:
        yield _lines([_cells(record, contacts, say) for record in part], say)


def _lines(rows: Sequence[Sequence[str]], say: Formats) -> str:
    text = io.StringIO()
    # All is quoted, so that no separator of another country tears a cell apart.
    writer = csv.writer(text, delimiter=";" if say.decimal_comma else ",", quoting=csv.QUOTE_ALL)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cells(record: Record, contacts: Contacts, say: Formats) -> Sequence[str]:
    return (
        datetime.fromisoformat(record["ended_at"]).isoformat(timespec="milliseconds"),
        contacts[record["user"]].address,
        record["model"],
        record["model_used"] or record["model"],
        str(record["tokens_input"]),
        str(record["tokens_output"]),
        _amount(record["cost"], say),
        say.currency,
        str(record["response_time"]),
        record["status"],
        str(record["estimated"]).lower(),
        record["request_id"],
        _amount(record["over_reserved"], say),
    )


def _amount(nanos: int, say: Formats) -> str:
    return to_wire(nanos).replace(".", "," if say.decimal_comma else ".")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
