"""All that the portal answers."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from core.services.identity.sessions import current_person
from core.services.pocketbase import NotFoundError, RefusedError
from core.services.portal import chart
from core.services.portal.data import Period, PortalData, Subject
from core.services.portal.download import table
from core.services.portal.formats import LARGEST_BUDGET, Formats
from core.services.portal.month import Month, choices
from core.services.portal.usage import COLOURS, Sums, Usage, answered
from core.services.settings import settings
from core.services.web.forms import read_form
from core.services.web.language import texts_for
from core.services.web.pages import PageError, page
from money.nanos import NANOS

router = APIRouter()

# A picture's own style is in the picture.
_PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


async def _data(request: Request) -> PortalData:
    """The data of whoever is signed in; anybody else is sent to sign in."""
    person = await current_person(request)
    if person is None:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise HTTPException(303, headers={"Location": f"/login?{urlencode({'next': here})}"})
    return await PortalData.of(request.app.state.pocketbase, person)


Mine = Annotated[PortalData, Depends(_data)]


def _admins_data(data: Mine) -> PortalData:
    """An admin's data; nobody else has these pages. What is on them, PocketBase decides."""
    if data.person.role != "admin":
        raise PageError(404, "not_found")
    return data


Admins = Annotated[PortalData, Depends(_admins_data)]


def _month(month: str = "") -> Month:
    try:
        return Month.parse(month) if month else Month.now()
    except ValueError:
        raise PageError(404, "not_found") from None


Chosen = Annotated[Month, Depends(_month)]


# PocketBase lets whoever asks in vain more often than once a second wait for up to half a second,
# by address, which here is ours: so nothing is asked that an answer before it says is empty.

# --- What a person used


@router.get("/")
async def overview(request: Request, data: Mine, month: Chosen) -> Response:
    """A person's budget, and what they used of it."""
    balance, usage = await asyncio.gather(data.balance(data.person.id), data.usage(month))
    latest = await data.latest(month) if usage.parts else []
    return _page(
        request,
        "overview",
        data,
        balance=balance,
        next_month=Month.now().next.first,
        latest=latest,
        answered=answered,
        **_of_month(usage),
    )


@router.get("/chart.svg")
async def own_chart(request: Request, data: Mine, month: Chosen, narrow: bool = False) -> Response:
    """The chart of a person's own usage."""
    return _picture(request, await data.usage(month), narrow=narrow)


@router.get("/usage.csv")
async def own_table(request: Request, data: Mine, month: Chosen) -> Response:
    """Each request of a person."""
    return await _download(request, data, month, data.person.id, "usage")


# --- What a tenant used


@router.get("/people")
async def people(request: Request, data: Admins, month: Chosen, saved: str = "") -> Response:
    """A tenant's usage, and the budgets of its people and accounts."""
    usage, balances, contacts = await asyncio.gather(
        data.tenant_usage(month), data.balances(), data.contacts()
    )
    by_user = await data.usage_by_user(month) if usage.parts else {}
    users = {*by_user, *balances, *contacts}
    contacts = await data.with_former(contacts, users)
    everybody = sorted(
        users, key=lambda user: (-by_user.get(user, Sums()).cost, contacts[user].name)
    )
    return _page(
        request,
        "people",
        data,
        everybody=everybody,
        contacts=contacts,
        balances=balances,
        by_user=by_user,
        saved=balances.get(saved),
        **_of_month(usage),
    )


@router.get("/people/chart.svg")
async def tenant_chart(
    request: Request, data: Admins, month: Chosen, narrow: bool = False
) -> Response:
    """The chart of a tenant's usage."""
    return _picture(request, await data.tenant_usage(month), narrow=narrow)


@router.get("/people/usage.csv")
async def tenant_table(request: Request, data: Admins, month: Chosen) -> Response:
    """Each request of a tenant."""
    return await _download(request, data, month, None, f"usage-{data.person.tenant}")


# --- Budgets


@router.get("/people/budget")
async def budget(request: Request, data: Admins, user: str) -> Response:
    """The form in which a budget is set."""
    with _only_what_is_there():
        subject = await data.subject(user)
    given = {"amount": "", "period": "month"}
    if subject.balance:
        amount = _formats(request).exact(subject.balance.amount)
        given = {"amount": amount, "period": subject.balance.period}
    return _budget_form(request, data, subject, given)


@router.post("/people/budget")
async def set_budget(request: Request, data: Admins, user: str) -> Response:
    """Set a budget, or say at which field it does not go."""
    given = await read_form(request)
    with _only_what_is_there():
        subject = await data.subject(user)
    period = next((name for name in get_args(Period) if name == given.get("period")), None)
    if period is None:
        return _budget_form(request, data, subject, given, wrong="period")
    try:
        amount = _formats(request).amount(given.get("amount", ""))
    except ValueError:
        return _budget_form(request, data, subject, given, wrong="amount")
    with _only_what_is_there():
        await data.set_budget(user, amount, period)
    return RedirectResponse(f"/people?{urlencode({'saved': user})}", 303)


@contextmanager
def _only_what_is_there() -> Iterator[None]:
    """Not found: PocketBase does not let this person see or do it."""
    try:
        yield
    except (NotFoundError, RefusedError):
        raise PageError(404, "not_found") from None


def _budget_form(
    request: Request,
    data: PortalData,
    subject: Subject,
    given: Mapping[str, str],
    *,
    wrong: str = "",
) -> Response:
    return _page(
        request,
        "budget",
        data,
        status=422 if wrong else 200,
        subject=subject,
        given=given,
        wrong=wrong,
        largest=LARGEST_BUDGET // NANOS,
    )


# --- What all have in common


def _formats(request: Request) -> Formats:
    return Formats(texts_for(request).language, settings().currency)


def _page(
    request: Request, name: str, data: PortalData, *, status: int = 200, **values: Any
) -> Response:
    return page(
        request,
        f"portal/{name}.html",
        status=status,
        say=_formats(request),
        person=data.person,
        data=data,
        **values,
    )


def _of_month(usage: Usage) -> dict[str, Any]:
    return {"usage": usage, "months": choices(usage.month), "last_colour": COLOURS - 1}


def _picture(request: Request, usage: Usage, *, narrow: bool) -> Response:
    say, days = _formats(request), usage.month.days
    picture = chart.bars(
        [str(day.day) if not narrow or day.day % 5 == 0 else "" for day in days],
        usage.series,
        title=texts_for(request)("portal.chart"),
        say=say.in_full,
        narrow=narrow,
    )
    headers = {"Content-Security-Policy": _PICTURE_POLICY}
    return Response(picture, media_type="image/svg+xml", headers=headers)


async def _download(
    request: Request, data: PortalData, month: Month, user: str | None, name: str
) -> Response:
    contacts = await data.contacts()
    if user is None:
        contacts = await data.with_former(contacts, await data.usage_by_user(month))
    pieces = table(data.log(month, user), contacts, _formats(request))
    headers = {"Content-Disposition": f'attachment; filename="{name}-{month}.csv"'}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)
