"""What people see of budgets and usage, and how a tenant's admin sets budgets."""

import asyncio
import csv
import io
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from core.services.identity.sessions import Person
from core.services.pocketbase import NotFoundError, PocketBase, RefusedError
from core.services.portal.data import PortalData
from core.services.portal.formats import LARGEST_BUDGET, Formats
from core.services.portal.month import Month
from core.services.portal.usage import COLOURS
from core.services.web.language import LANGUAGES
from money.nanos import from_wire
from tests.core.company import NOW, Company, written
from tests.core.identity import Identity, form_token, running
from tests.core.pages import LOOKS, check_looks, opened, picture, size
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import NANOS, PASSWORD, Record, Superuser
from tests.e2e.browser import chromium

LAST_MONTH = Month.now().first - timedelta(days=1)
BUDGET = "/people/budget?user="
MODELS = {"large-model": 60_000_000, "small-model": 4_000_000, "embedding": 125}
"""What a request costs, in nanos."""


@pytest.fixture(scope="module")
def portal(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Identity]:
    """With tenants whose people are only those of this module."""
    with running(pocketbase, superuser, tmp_path_factory.mktemp("portal")) as portal:
        yield portal


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def acme(portal: Identity) -> Company:
    """A company where a lot is used."""
    company = Company(portal, portal.acme)
    for user in (company.admin["email"], company.account):
        company.budget(user, 50 * NANOS)
    events = [
        company.event(user, cost * (day % 7), model=model, ended_at=written(NOW.replace(day=day)))
        for user in (company.admin["email"], company.account)
        for day in range(1, NOW.day + 1)
        for model, cost in MODELS.items()
    ]
    company.log(events)
    return company


@pytest.fixture(scope="module")
def other(portal: Identity) -> Company:
    return Company(portal, portal.other)


@pytest.fixture
def ben(acme: Company) -> Record:
    """Somebody with a budget, of which nothing is used yet."""
    ben = acme.person("ben")
    acme.budget(ben["email"], 10 * NANOS)
    return ben


def sign_in(page: Page, person: Record) -> None:
    page.goto("/")
    page.locator("#email").fill(person["email"])
    page.locator("#password").fill(PASSWORD)
    page.locator("main button").click()
    page.locator("h1 + .card").wait_for()
    page.wait_for_load_state()


def rows(page: Page, heading: str) -> list[str]:
    """Lines of the table in the section with a heading."""
    section = page.locator("section").filter(has=page.get_by_role("heading", name=heading))
    return [" ".join(row.inner_text().split()) for row in section.locator("tbody tr").all()]


def people_of(company: Company) -> list[Record]:
    return company.superuser.list("users", "tenant = {id}", id=company.tenant["id"])


def plain(text: str) -> str:
    """With spaces that a test can be written with."""
    return re.sub(r"[\s\u202f]+", " ", text)


# --- A person


def test_a_person_sees_what_is_left_and_what_was_used(
    browser: Browser, acme: Company, ben: Record
) -> None:
    acme.use(ben["email"], 2_500_000_000, ended_at=f"{NOW:%Y-%m}-01 00:00:00.000Z")
    acme.use(ben["email"], 125, model="embedding", status="failure", estimated=True)
    acme.use(ben["email"], 7 * NANOS, ended_at=f"{LAST_MONTH} 23:59:59.999Z")
    options = {"locale": "en-GB", "java_script_enabled": False}
    with opened(browser, acme.portal.url, **options) as page:
        sign_in(page, ben)
        main = plain(page.locator("main").inner_text())

        assert "€7.50 left of €10.00" in main
        assert "€2.50 used (25%). It starts anew on" in main
        assert "Cost €2.5000 Requests 2 Tokens in 2,400 Tokens out 680" in main
        assert rows(page, "Latest requests")[0].endswith(
            "failed estimated 1,200 340 1.2 s < €0.0001"
        )
        assert rows(page, f"{NOW:%B} {NOW.year}")[:2] == [
            "large-model 1 1,200 340 > 99% €2.5000",
            "embedding 1 1,200 340 < 1% < €0.0001",
        ]
        chart = page.get_by_role("img", name="Bar chart of the cost of each day")
        assert chart.evaluate("img => img.complete && img.naturalWidth") > 0
        assert acme.account not in main

        page.get_by_label("Month").select_option(f"{LAST_MONTH:%B} {LAST_MONTH.year}")
        page.get_by_role("button", name="Show").click()
        expect(page).to_have_url(re.compile(f"month={LAST_MONTH:%Y-%m}$"))
        assert len(rows(page, "Latest requests")) == 1
        assert "Cost €7.0000 Requests 1" in plain(page.locator("main").inner_text())


def test_it_is_all_in_german(browser: Browser, acme: Company, ben: Record) -> None:
    acme.use(ben["email"], 1_234_500_000)
    with opened(browser, acme.portal.url, locale="de-AT") as page:
        sign_in(page, ben)
        main = plain(page.locator("main").inner_text())

    assert "8,77 € übrig von 10,00 €" in main
    assert "1,23 € verbraucht (12 %). Am 1." in main
    assert "Tokens ein 1.200" in main
    assert "1,2 s 1,2345 €" in main


@pytest.mark.parametrize(
    ("amount", "period", "used", "said"),
    [
        (10 * NANOS, "month", 8 * NANOS, "almost used up"),
        (10 * NANOS, "month", 10 * NANOS, "used up. The chat answers again from"),
        (10 * NANOS, "never", 11 * NANOS, "used up. The chat answers again as soon as"),
        (0, "never", 0, "€0.000000 left of €0.00"),
        (5 * NANOS, "never", 0, "It does not start anew by itself."),
        (500_000, "month", 125_000, "€0.000375 left of €0.0005"),
        (10 * NANOS, "month", 9_999_999_999, "< €0.01 left of €10.00"),
    ],
)
def test_a_budget_is_said_in_words(
    acme: Company, amount: int, period: str, used: int, said: str
) -> None:
    person = acme.person("cy")
    acme.budget(person["email"], amount, period)
    if used:
        acme.use(person["email"], used)
    page = acme.at(person).get("/").text
    assert said in plain(page).replace("&lt;", "<").replace("<strong>", "").replace("</strong>", "")


def test_whoever_has_nothing_yet_is_told_what_that_means(acme: Company, other: Company) -> None:
    visitor = acme.at(acme.person("dee"))
    page = visitor.get("/").text
    assert "You have no budget yet. The chat does not answer you until" in page
    assert "You used nothing in" in page
    assert "<table" not in page
    assert ET.fromstring(visitor.get("/chart.svg").content).tag.endswith("svg")
    assert read_table(visitor.get("/usage.csv")) == []

    default = {"default_amount": 2_500_000_000, "default_period": "month"}
    other.superuser.update("tenants", other.tenant, **default)
    page = other.at(other.person("dee"), "de").get("/").text
    assert "Mit Ihrer ersten Frage im Chat erhalten Sie ein Budget von 2,50\xa0€ im Monat." in page
    assert "Noch kein Budget" not in other.at(other.admin, "de").get("/people").text


def test_a_name_with_a_quote_is_a_name(acme: Company) -> None:
    person = acme.person("o'neil")
    acme.superuser.update("users", person, name="<b>O'Neil</b>")
    acme.budget(person["email"], 3 * NANOS)
    acme.use(person["email"], NANOS, model="<script>alert(1)</script>")
    page = acme.at(person).get("/").text
    assert "€2.0000" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "&lt;b&gt;O&#39;Neil&lt;/b&gt;" in acme.at(acme.admin).get("/people").text


def test_there_are_no_other_months(acme: Company, ben: Record) -> None:
    visitor = acme.at(ben)
    for month in (str(Month.now().next), "2026-13", "2026-1", "x", "1999-12", "\u0662026-11"):
        for path in ("/", "/chart.svg", "/usage.csv"):
            assert visitor.get(path, month=month).status_code == 404, month
    assert visitor.get("/", month="2020-01").status_code == 200


def test_a_page_names_the_currency_and_the_rate_of_the_dollar(
    tmp_path: Path, pocketbase: PocketBaseProcess, superuser: Superuser, acme: Company
) -> None:
    assert "Amounts are in EUR." in plain(acme.at(acme.admin).get("/people").text)
    rate = {"rate": "0.8612", "as_of": "2026-11-20"}
    with running(pocketbase, superuser, tmp_path, usd_rate=rate) as portal:
        company = Company(portal, portal.acme)
        for path in ("/", "/people"):
            assert (
                "Amounts are in EUR. Prices in US dollars were converted at 0.8612 EUR a dollar,"
                " as of November 20, 2026." in plain(company.at(company.admin).get(path).text)
            )
            assert "zu 0,8612 EUR je Dollar umgerechnet, Stand 20. November 2026." in plain(
                company.at(company.admin, "de").get(path).text
            )


def test_both_models_are_named_when_another_one_answered(acme: Company, ben: Record) -> None:
    acme.use(ben["email"], NANOS, model="large", model_used="large")
    acme.use(ben["email"], 2 * NANOS, model="large", model_used="small", over_reserved=5)
    acme.use(ben["email"], 3 * NANOS, model="large")
    visitor = acme.at(ben)
    page = plain(visitor.get("/").text)
    assert "large → small" in page
    assert page.count("large → small") == 3  # by model, by day, and as a request
    assert "€4.0000" in page
    found = [
        (row["model"], row["model_used"], row["cost"], row["over_reserved"])
        for row in read_table(visitor.get("/usage.csv"))
    ]
    assert sorted(found) == [
        ("large", "large", "1", "0"),
        ("large", "large", "3", "0"),
        ("large", "small", "2", "0.000000005"),
    ]
    people = plain(acme.at(acme.admin).get("/people").text)
    assert "large → small" in people


def test_whoever_is_gone_keeps_a_name_in_the_numbers(acme: Company) -> None:
    person = acme.person("gone")
    acme.use(person["email"], NANOS)
    acme.superuser.delete("users", person)
    admin = acme.at(acme.admin)
    page = admin.get("/people").text
    assert person["email"] in page
    assert person["email"] in admin.get("/people/usage.csv").text


# --- An admin


def test_an_admin_sees_the_tenant_and_raises_a_budget(
    browser: Browser, acme: Company, ben: Record
) -> None:
    acme.use(ben["email"], 10 * NANOS)
    with opened(browser, acme.portal.url, locale="de", java_script_enabled=False) as page:
        sign_in(page, acme.admin)
        page.get_by_role("link", name="Personen und Budgets").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(acme.tenant["name"])
        assert f"{ben['name']} {ben['email']} 1 10,00 € 10,00 € im Monat 10,00 € 0,00 €" in plain(
            "\n".join(rows(page, "Personen und Budgets"))
        )

        page.get_by_role("link", name=f"Budget von {ben['name']} ändern").click()
        expect(page.get_by_label("Betrag")).to_have_value("10,00")
        page.get_by_label("Betrag").fill("zwölf")
        page.get_by_role("button", name="Speichern").click()
        expect(page.get_by_label("Betrag")).to_have_value("zwölf")
        expect(page.get_by_label("Betrag")).to_have_accessible_description(
            "Schreiben Sie einen Betrag in Ziffern, etwa 12,50; der größte ist 8.999.999."
        )
        page.get_by_label("Betrag").fill("12,50")
        page.get_by_label("nie").check()
        page.get_by_role("button", name="Speichern").click()

        expect(page.get_by_role("status")).to_have_text(
            f"{ben['name']} hat jetzt ein Budget von 12,50\xa0€."
        )
        assert acme.budgets()[ben["email"]] == (12_500_000_000, "never")
        page.reload()  # and sends no form again
        assert f"saved={ben['id']}" in page.url
    assert "€2.50</strong>" in acme.at(ben).get("/").text


def test_an_admin_gives_somebody_their_first_budget(acme: Company) -> None:
    new = acme.person("new")
    admin = acme.at(acme.admin)
    page = BUDGET + new["id"]
    assert "No budget yet" in admin.get(page).text
    answer = admin.post(page, page, amount="€1,234.000000001", period="month")
    assert answer.headers["location"] == f"/people?saved={new['id']}"
    assert acme.budgets()[new["email"]] == (1_234_000_000_001, "month")
    assert 'value="1234.000000001"' in admin.get(page).text


@pytest.mark.parametrize(
    ("language", "amount"),
    [
        *(("en", amount) for amount in ("12,50", "1.234,00", "9,000,000", "8999999.1")),
        *(("de", amount) for amount in ("12.50", "1,234.00", "9.000.000", "0,0000000001")),
        *(
            ("en", amount)
            for amount in (
                "",
                " ",
                "-1",
                "+1",
                "1e3",
                "1_0",
                "NaN",
                "Infinity",
                "0x1",
                "\u0661\u0662",
                "1;2",
            )
        ),
    ],
)
def test_what_is_no_amount_changes_nothing(acme: Company, language: str, amount: str) -> None:
    page = BUDGET + quote(acme.account)
    admin = acme.at(acme.admin, language)
    answer = admin.post(page, page, amount=amount, period="month")
    assert answer.status_code == 422
    assert 'aria-describedby="amount-problem"' in answer.text
    assert f'value="{amount}"' in answer.text
    assert acme.budgets()[acme.account] == (50 * NANOS, "month")


@pytest.mark.parametrize("fields", [{}, {"period": "week"}, {"period": ""}])
def test_what_is_no_period_changes_nothing(acme: Company, fields: Mapping[str, str]) -> None:
    page = BUDGET + quote(acme.account)
    answer = acme.at(acme.admin).post(page, page, amount="7", **fields)
    assert answer.status_code == 422
    assert "Choose whether the budget starts anew." in answer.text
    assert acme.budgets()[acme.account] == (50 * NANOS, "month")


def test_two_admins_at_once_leave_one_budget(acme: Company) -> None:
    new, admins = acme.person("new"), [acme.at(acme.admin) for _ in range(8)]
    page = BUDGET + new["id"]
    forms = [form_token(admin.get(page)) for admin in admins]

    def save(number: int) -> httpx.Response:
        form = {"form_token": forms[number], "amount": str(number + 1), "period": "month"}
        return admins[number].http.post(page, data=form)

    with ThreadPoolExecutor(len(admins)) as pool:
        assert {answer.status_code for answer in pool.map(save, range(len(admins)))} == {303}
    assert acme.budgets()[new["email"]][0] in range(NANOS, 9 * NANOS, NANOS)


@pytest.mark.parametrize("language", LANGUAGES)
@given(st.integers(min_value=0, max_value=LARGEST_BUDGET))
def test_an_amount_is_read_as_it_is_written(language: str, nanos: int) -> None:
    say = Formats(language, "EUR")
    assert say.amount(say.exact(nanos)) == nanos
    assert say.amount(say.in_full(nanos)) == nanos


# --- What is not there


@pytest.mark.parametrize("path", ["/", "/people", "/chart.svg", "/usage.csv", "/people?month=x"])
def test_whoever_is_not_signed_in_is_led_to_the_login_and_back(acme: Company, path: str) -> None:
    answer = acme.portal.visitor().get(path)
    assert answer.status_code == 303
    assert unquote(answer.headers["location"]) == f"/login?next={path}"


def test_only_admins_have_the_pages_of_a_tenant(acme: Company, ben: Record) -> None:
    visitor = acme.at(ben)
    page = BUDGET + ben["id"]
    assert "/people" not in visitor.get("/").text
    for path in ("/people", "/people/chart.svg", "/people/usage.csv", page):
        assert visitor.get(path).status_code == 404
    assert visitor.post(page, "/", amount="999", period="month").status_code == 404
    assert acme.budgets()[ben["email"]] == (10 * NANOS, "month")


@pytest.mark.parametrize(
    "user", ["{ben}", "nobody@example.com", "", "' || '' = '", "x\\", "\\' || 1=1 || user='", "{x}"]
)
def test_nothing_can_be_done_to_other_tenants_people(
    acme: Company, other: Company, ben: Record, user: str
) -> None:
    before = acme.budgets(), other.budgets()
    user = user.replace("{ben}", ben["id"])
    admin, page = other.at(other.admin), BUDGET + quote(user)
    [budget] = acme.superuser.list("budgets", "user = {user}", user=ben["id"])
    forged = {"tenant": acme.tenant["id"], "user": ben["id"], "id": budget["id"]}
    assert admin.get(page).status_code == 404
    assert admin.post(page, "/", amount="999", period="month", **forged).status_code == 404
    own = BUDGET + other.admin["id"]
    admin.post(own, own, amount="1", period="never", **forged)
    assert acme.budgets() == before[0]
    assert other.budgets() == {other.admin["email"]: (NANOS, "never")}

    query = {"tenant": acme.tenant["id"], "user": ben["id"], "saved": ben["id"]}
    for path in ("/", "/people", "/usage.csv", "/people/usage.csv", "/people/chart.svg"):
        page_text = admin.get(path, **query).text
        assert ben["email"] not in page_text
        assert "large-model" not in page_text


def test_pocketbase_itself_decides_who_sees_and_does_what(
    pocketbase: PocketBaseProcess, acme: Company, ben: Record
) -> None:
    """As if every page were open to everybody."""
    month = Month.now()
    acme.use(ben["email"], 42)
    person = Person(
        id=ben["id"],
        email=ben["email"],
        name=ben["name"],
        role="admin",  # which he is not
        tenant=acme.tenant["slug"],
        session="",
        signed_in_at=0,
    )

    async def try_all() -> None:
        async with PocketBase(pocketbase.url, pocketbase.password) as client:
            data = await PortalData.of(client, person)
            assert (await data.tenant_usage(month)).parts == {}
            assert await data.usage_by_user(month) == {}
            assert set(await data.balances()) == {ben["id"]}
            assert set(await data.contacts()) == {ben["id"]}
            logged = [record["user"] async for part in data.log(month, None) for record in part]
            assert logged == [ben["id"]]
            for user in (acme.account, "somebody-new"):
                with pytest.raises((NotFoundError, RefusedError)):
                    await data.set_budget(user, NANOS, "month")
            with pytest.raises((NotFoundError, RefusedError)):
                await data.set_budget(ben["id"], 99 * NANOS, "month")

    with ThreadPoolExecutor(1) as pool:  # in this thread runs the browser's loop
        pool.submit(asyncio.run, try_all()).result()
    assert acme.budgets()[ben["email"]] == (10 * NANOS, "month")


def test_a_form_from_elsewhere_changes_nothing(acme: Company) -> None:
    admin, page = acme.at(acme.admin), BUDGET + quote(acme.account)
    form = {"amount": "1", "period": "month"}
    assert admin.http.post(page, data=form).status_code == 403
    stranger = form_token(acme.at(acme.admin).get(page))
    assert admin.http.post(page, data=form | {"form_token": stranger}).status_code == 403
    theirs = form | {"form_token": form_token(admin.get(page))}
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert admin.http.post(page, data=theirs, headers=headers).status_code == 403
    assert acme.budgets()[acme.account] == (50 * NANOS, "month")


# --- Downloads


def read_table(answer: httpx.Response, language: str = "en") -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    delimiter = ";" if language == "de" else ","
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))


def as_logged(row: Mapping[str, str], language: str = "en") -> Record:
    """What a row of a table says, but for the tenant."""
    cost = row["cost"].replace(",", ".") if language == "de" else row["cost"]
    assert row["currency"] == "EUR"
    return {
        "request_id": row["request_id"],
        "user": row["user"],
        "model": row["model"],
        "tokens_input": int(row["tokens_input"]),
        "tokens_output": int(row["tokens_output"]),
        "cost": from_wire(Decimal(cost)),
        "response_time": int(row["response_time_ms"]),
        "ended_at": written(datetime.fromisoformat(row["ended_at"])),
        "status": row["status"],
        "estimated": row["estimated"] == "true",
    }


def without_tenant(events: Sequence[Record]) -> list[Record]:
    return [{name: value for name, value in event.items() if name != "tenant"} for event in events]


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_download_is_what_was_logged(acme: Company, ben: Record, language: str) -> None:
    costs = (0, 1, 125, 999_999_999, NANOS, 8_999_999_999_999_999)
    texts = ("a;b,c \"d\"\n'e'", "Größe", "<b>", "1,5", "large-model", "x")
    events = [
        acme.event(
            ben["email"],
            cost,
            model=model,
            estimated=cost == 1,
            status="failure" if cost == 0 else "success",
            ended_at=written(NOW.replace(day=1, hour=place, microsecond=1000)),
        )
        for place, (cost, model) in enumerate(zip(costs, texts, strict=True))
    ]
    acme.log(events)
    acme.use(ben["email"], 1, ended_at=f"{LAST_MONTH} 23:59:59.999Z")
    answer = acme.at(ben, language).get("/usage.csv")
    found = [as_logged(row, language) for row in read_table(answer, language)]
    assert found == without_tenant(events)
    assert f'filename="usage-{NOW:%Y-%m}.csv"' in answer.headers["content-disposition"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_spreadsheet_finds_no_formula(acme: Company, ben: Record, first: str) -> None:
    acme.use(ben["email"], 1, model=f'{first}HYPERLINK("http://example.com")')
    [row] = read_table(acme.at(ben).get("/usage.csv"))
    assert row["model"] == f'\'{first}HYPERLINK("http://example.com")'


def test_a_long_download_is_complete(other: Company) -> None:
    """Several parts, with many requests that ended at the same moment."""
    month = LAST_MONTH.replace(day=1)
    people = [other.person("eve")["email"] for _ in range(3)]
    events = [
        other.event(user, number, ended_at=f"{month} 10:00:{number // 500:02}.000Z")
        for user in people
        for number in range(900)
    ]
    for start in range(0, len(events), 300):
        other.log(events[start : start + 300])
    admin = other.at(other.admin)
    answer = admin.get("/people/usage.csv", month=f"{month:%Y-%m}")
    found = [as_logged(row) for row in read_table(answer)]
    assert len(found) == len(events)
    assert {row["request_id"] for row in found} == {event["request_id"] for event in events}
    assert sum(row["cost"] for row in found) == sum(event["cost"] for event in events)
    ids = {person["email"]: person["id"] for person in people_of(other)}
    order = [(ids[row["user"]], row["ended_at"]) for row in found]
    assert order == sorted(order)
    assert admin.get("/usage.csv", month=f"{month:%Y-%m}").text.count("\n") == 1


# --- The chart


def test_the_chart_is_a_picture_and_nothing_else(acme: Company) -> None:
    answer = acme.at(acme.admin, "de").get("/people/chart.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    root = ET.fromstring(answer.content)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "defs", "style", "title", "g", "rect", "path", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or "href" in name}
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "0,00\xa0€" in texts


@pytest.mark.parametrize("count", [1, COLOURS, COLOURS + 3])
def test_all_models_are_in_the_chart(acme: Company, count: int) -> None:
    """Those that cost least share a colour."""
    person = acme.person("many")
    for number in range(count):
        acme.use(person["email"], NANOS + number, model=f"model-{number}")
    visitor = acme.at(person)
    root = ET.fromstring(visitor.get("/chart.svg").content)
    series = {
        element.attrib["class"]
        for element in root.iter()
        if "series" in element.get("class", "") and element.findall(".//*[@class]")
    }
    assert len(series) == min(count, COLOURS)
    page = visitor.get("/").text
    assert len(re.findall(r'class="mark color-\d"', page)) == count
    assert f"color-{COLOURS}" not in page


# --- How it looks


@pytest.fixture(scope="module")
def example(portal: Identity) -> Company:
    """A company as it might be, for whoever looks at the pages."""
    company, superuser, chance = Company(portal, portal.far), portal.superuser, random.Random(7)
    superuser.update("tenants", company.tenant, name="Acme")
    ada = {"name": "Ada Admin", "email": "ada@acme.example"}
    company.admin = superuser.update("users", company.admin, **ada)
    for name in ("ben example", "carla conti", "dev patel"):
        superuser.user(company.tenant, name, email=f"{name.split()[0]}@acme.example")
    amounts = {"ada@acme.example": 10, "ben@acme.example": 10, "carla@acme.example": 25}
    for user, amount in amounts.items():
        company.budget(user, amount * NANOS)
    company.budget("api@acme", 100 * NANOS, "never")
    days = [NOW.replace(day=day, hour=0, minute=0) for day in range(1, NOW.day + 1)]
    models = {"claude-sonnet": 300_000, "gpt": 200_000, "gpt-mini": 12_000, "embedding": 400}
    for day in days:
        if day.weekday() > 4 and day.day != NOW.day:
            continue
        for user in (*amounts, *amounts, "api@acme"):
            model, nanos = chance.choice(list(models.items()))
            tokens_in, tokens_out = chance.randrange(200, 9000), chance.randrange(50, 2000)
            company.use(
                user,
                (tokens_in // 5 + tokens_out) * nanos,
                model=model,
                tokens_input=tokens_in,
                tokens_output=tokens_out,
                response_time=chance.randrange(400, 9000),
                ended_at=written(min(day + timedelta(hours=24 * chance.random()), NOW)),
            )
    return company


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]} {look[1]} {look[2]}")
def test_everybody_can_use_the_pages(
    browser: Browser, example: Company, look: tuple[str, str, int]
) -> None:
    language, scheme, width = look
    [ben] = [person for person in people_of(example) if person["email"].startswith("ben")]
    user = ben["id"]
    options = {"locale": language, "color_scheme": scheme, "viewport": size(width)}
    with opened(browser, example.portal.url, **options) as page:

        def check(path: str, name: str = "") -> None:
            page.goto(path)
            page.wait_for_load_state("networkidle")
            if name and look == ("en", "light", 1280):
                picture(page, name, full_page=True)
            for summary in page.locator("main summary").all():
                summary.click()
            check_looks(page, language, width)

        sign_in(page, example.admin)
        check("/", "portal.png")
        check("/?month=2020-01")
        check(f"/people?saved={quote(user)}", "portal-admin.png")
        page.goto(BUDGET + quote(user))
        page.locator("#amount").fill("x")
        page.locator("main form button").click()
        page.locator("#amount-problem").wait_for()
        check_looks(page, language, width)


def test_colours_can_be_told_from_the_ground_day_and_night(browser: Browser, acme: Company) -> None:
    """WCAG 2.2: 3:1 for what is drawn, 4.5:1 for what is read."""
    for scheme in ("light", "dark"):
        with opened(browser, acme.portal.url, color_scheme=scheme) as page:
            sign_in(page, acme.admin)
            colours = page.evaluate(
                """() => {
                  const of = (element, name) => getComputedStyle(element)[name];
                  const value = name => getComputedStyle(document.documentElement)
                    .getPropertyValue(name);
                  const paint = colour => {
                    document.body.style.color = colour;
                    return of(document.body, 'color');
                  };
                  return {
                    ground: of(document.querySelector('.card'), 'backgroundColor'),
                    bars: [0, 1, 2, 3, 4, 5, 6].map(n => paint(value(`--series-${n}`))),
                    meters: ['good', 'low', 'spent'].map(name => paint(value(`--${name}`))),
                    axis: paint(value('--axis')),
                  };
                }"""
            )
        ground = colours["ground"]
        assert len(set(colours["bars"])) == COLOURS
        assert min(contrast(colour, ground) for colour in colours["bars"]) >= 3
        assert min(contrast(colour, ground) for colour in colours["meters"]) >= 3
        assert contrast(colours["axis"], ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """As WCAG has it, of two `rgb(…)`."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


# --- When PocketBase is away


def test_without_pocketbase_it_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("away")
    with (
        PocketBaseProcess(folder=folder) as pocketbase,
        Superuser(pocketbase.url, pocketbase.password) as superuser,
        running(pocketbase, superuser, folder) as portal,
    ):
        company = Company(portal, portal.acme)
        visitor = company.at(company.admin, "de")
        pocketbase.kill()
        for path in ("/", "/people", "/usage.csv", "/chart.svg"):
            answer = visitor.get(path)
            assert answer.status_code == 503
            assert "Dieser Dienst erreicht gerade seine Daten nicht." in answer.text
        pocketbase.start()
        assert visitor.get("/people").status_code == 200
