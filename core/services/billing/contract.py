"""Requests and answers of the Billing API, as `docs/billing-api.yaml` has them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from money.nanos import from_wire

_AMOUNT = r"^[0-8]?[0-9]{1,6}(\.[0-9]{1,9})?$"
_MOMENT = r"^[0-9-]{10}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"


def _amount(given: object) -> object:
    if isinstance(given, str) and re.fullmatch(_AMOUNT, given):
        return given
    raise PydanticCustomError(
        "amount", 'must be a text such as "20" or "0.5", with at most nine decimal places'
    )


def _for_pocketbase(text: str) -> str:
    """A moment as PocketBase keeps it, so that it sorts: 2026-01-02 03:04:05.678Z."""
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("this is outside of the calendar") from None
    return moment.isoformat(" ", "milliseconds").replace("+00:00", "Z")


def _whole(number: object) -> object:
    """JSON Schema takes 4.0 for an integer."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Amount: TypeAlias = Annotated[
    str, BeforeValidator(_amount), WithJsonSchema({"type": "string", "pattern": _AMOUNT})
]
# SQLite's JSON ends a text at a null character.
Text: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00]*$")]
# Whoever is meant, small and capital letters are the same.
User: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", to_lower=True)]
Count: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=2**53)]
Currency: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Moment: TypeAlias = Annotated[str, Field(pattern=_MOMENT), AfterValidator(_for_pocketbase)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tenant_id: Text = Field(serialization_alias="tenant")
    user_id: User = Field(serialization_alias="user")
    model: Text
    # Of the contract's second version, as all that has a default.
    user_subject: Text = Field("", serialization_alias="subject")
    currency: Currency = Field("", exclude=True)

    @property
    def is_second_version(self) -> bool:
        """Whether whoever asks speaks the contract's second version."""
        return not self.model_fields_set.isdisjoint({"user_subject", "currency"})


class Check(_Request):
    """Whose budget is asked for."""

    cost_estimate: Amount


class Event(_Request):
    """An event of usage; it is serialized as our hook in PocketBase reads it."""

    request_id: Text = Field(min_length=1, max_length=64)
    tokens_input: Count
    tokens_output: Count
    cost_total: Annotated[Amount, PlainSerializer(from_wire)] = Field(serialization_alias="cost")
    response_time: Count
    ended_at: Moment
    status: Literal["success", "failure"]
    estimated: bool
    model_used: Text = ""
    over_reserved: Annotated[Amount, PlainSerializer(from_wire)] = "0"


class LogQuestion(BaseModel):
    """The events that are asked for."""

    model_config = ConfigDict(extra="forbid")

    request_id: list[Annotated[Text, Field(max_length=64)]] = Field([], max_length=20)


EVENTS = TypeAdapter(Annotated[list[Event], Field(min_length=1, max_length=1000)])


class ApiError(Exception):
    """An answer that is no other than `{message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_currency(currency: str, asked: Sequence[_Request]) -> None:
    """Refuse amounts in another currency than the budgets': they would be counted as if in this.

    Raises:
        ApiError: some are.
    """
    others = {each.currency for each in asked} - {"", currency}
    if others:
        raise ApiError(422, f"currency: the budgets are in {currency}, not in {min(others)}")


def check_in(body: bytes) -> Check:
    """Read a body.

    Raises:
        ApiError: it does not follow the contract.
    """
    try:
        return Check.model_validate_json(body)
    except ValidationError as error:
        raise not_understood(error.errors(include_url=False, include_input=False)) from None


def log_question_in(parameters: Mapping[str, Sequence[str]]) -> LogQuestion:
    """Read the parameters of an address.

    Raises:
        ApiError: they do not follow the contract.
    """
    try:
        return LogQuestion.model_validate(dict(parameters))
    except ValidationError as error:
        raise not_understood(error.errors(include_url=False, include_input=False)) from None


def usage_in(body: bytes) -> Event | list[Event]:
    """Read a body.

    Raises:
        ApiError: it does not follow the contract.
    """
    try:
        if body.lstrip(b" \t\r\n").startswith(b"["):
            return EVENTS.validate_json(body)
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise not_understood(error.errors(include_url=False, include_input=False)) from None


def not_understood(errors: Sequence[Any]) -> ApiError:
    """The first of pydantic's errors."""
    place = ".".join(str(step) for step in errors[0]["loc"]) or "The body"
    words = errors[0]["msg"].replace("Input should", "must").removeprefix("Value error, ")
    return ApiError(422, f"{place}: {words}")
