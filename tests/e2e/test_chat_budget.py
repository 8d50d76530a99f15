"""What a person sees of a budget at the chat, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Person, chromium
from tests.e2e.money import Money, cost
from tests.e2e.waiting import until
from tests.e2e.webui import Login

pytestmark = pytest.mark.usefixtures("on_one_way")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def login() -> Login:
    return Login.new()


@pytest.fixture
def person(browser: Browser, money: Money, login: Login) -> Iterator[Person]:
    """Somebody who has just signed up, and whom the Billing API does not know."""
    visitor = Person.at(browser, money.running.chat)
    visitor.sign_up(**vars(login))
    yield visitor
    visitor.page.context.close()


def test_a_person_spends_a_budget_and_gets_another(
    person: Person, money: Money, login: Login
) -> None:
    budget = money.billing.user(money.running.slug, login.email)
    money.providers.deployment("paid").set(prompt_tokens=100, completion_tokens=200)
    budget.budget("0.0005")  # as much as that answer costs
    person.choose("paid")
    person.ask("How much is left?")
    person.sees("answer from paid")
    until(lambda: spent(money, login) == cost(100, 200))
    person.ask("And now?")
    person.sees("Your budget of 0.0005")
    person.picture("budget.png")
    budget.budget("1")
    person.choose("paid")
    person.ask("And with a larger budget?")
    person.sees("answer from paid")


def test_somebody_unknown_is_told_so(person: Person, login: Login) -> None:
    person.choose("paid")
    person.ask("Do you know me?")
    person.sees(f"{login.email} is not known to the billing.")


def spent(money: Money, login: Login) -> int:
    events = money.billing.events(money.running.slug)
    return sum(event.cost for event in events if event.user == login.email)
