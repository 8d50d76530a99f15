"""First passwords are changed at the first login, and people change theirs whenever they like."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from core.services.identity.throttle import ACCOUNT_ATTEMPTS
from tests.core.identity import Identity, Visitor, form_token
from tests.core.pages import LOOKS, check_looks, opened, size
from tests.core.superuser import PASSWORD, Record
from tests.e2e.browser import chromium

NEW = "five blue horses sing"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def new(identity: Identity) -> Record:
    """Somebody who has the password that the operator gave them."""
    return identity.person(identity.acme, must_change_password=True)


@pytest.fixture
def ben(identity: Identity) -> Record:
    return identity.person(identity.acme)


def choose(visitor: Visitor, page: str, **fields: str) -> int:
    given = {"new_password": NEW, "again": NEW} | fields
    return visitor.post(page, page, **given).status_code


def test_a_first_password_opens_nothing_but_the_page_where_it_is_changed(
    identity: Identity, new: Record
) -> None:
    acme = identity.acme
    with identity.visitor() as visitor:
        wanted = acme.authorize_url(state="s")
        login = visitor.get(wanted).headers["location"]
        page = visitor.sign_in(new["email"], login).headers["location"]
        assert page.startswith("/password?next=%2Fauthorize%3F")

        assert not visitor.is_signed_in(acme)
        for path in ("/", "/people", "/usage.csv", wanted):
            assert "/login?" in visitor.get(path).headers["location"]
        assert visitor.post("/sign-out-everywhere", page).headers["location"] == "/login"

        answer = visitor.post(page, page, new_password=NEW, again=NEW)
        assert answer.status_code == 303
        back = visitor.get(answer.headers["location"]).headers["location"]
        assert back.startswith(f"{acme.redirect_uri}?code=")
        assert visitor.get("/").status_code == 200
    with identity.visitor() as visitor:
        assert visitor.try_password(new["email"]).status_code == 401
        assert visitor.try_password(new["email"], NEW).headers["location"] == "/"


def test_a_page_to_choose_on_is_nobody_s_after_a_while(identity: Identity, new: Record) -> None:
    with identity.visitor() as visitor:
        page = visitor.sign_in(new["email"]).headers["location"]
        [session] = identity.superuser.list("sessions", "user = {id}", id=new["id"])
        earlier = session["signed_in_at"] - 601
        identity.superuser.update("sessions", session, signed_in_at=earlier)
        assert visitor.get(page).headers["location"] == "/login?next=%2F"
        form = {"form_token": form_token(visitor.get("/login")), "new_password": NEW, "again": NEW}
        assert visitor.http.post(page, data=form).status_code == 303
    assert identity.visitor().try_password(new["email"]).status_code == 303


def test_a_session_ends_when_a_password_must_be_changed(identity: Identity, ben: Record) -> None:
    with identity.visitor() as visitor:
        visitor.sign_in(ben["email"])
        identity.superuser.update("users", ben, must_change_password=True)
        assert visitor.get("/").status_code == 303
        assert not visitor.is_signed_in(identity.acme)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"new_password": "x" * 11, "again": "x" * 11}, 422, "at least 12 characters"),
        ({"new_password": "ü" * 36, "again": "ü" * 36}, 422, "too long"),
        ({"again": "five blue horses swim"}, 422, "not the same"),
        ({"new_password": PASSWORD, "again": PASSWORD}, 422, "is the old one"),
        ({"password": "wrong"}, 401, "current password is wrong"),
        ({"password": ""}, 401, "current password is wrong"),
    ],
    ids=str,
)
def test_what_is_no_good_password_changes_nothing(
    identity: Identity, ben: Record, fields: dict[str, str], status: int, said: str
) -> None:
    with identity.visitor() as visitor:
        visitor.sign_in(ben["email"])
        form = {"password": PASSWORD, "new_password": NEW, "again": NEW} | fields
        answer = visitor.post("/password", "/password", **form)
        assert (answer.status_code, said in answer.text) == (status, True)
        assert not any(f'value="{value}"' in answer.text for value in form.values() if value)
        assert visitor.get("/").status_code == 200
    assert identity.visitor().try_password(ben["email"]).status_code == 303


def test_the_first_password_is_no_new_one(identity: Identity, new: Record) -> None:
    with identity.visitor() as visitor:
        page = visitor.sign_in(new["email"]).headers["location"]
        answer = visitor.post(page, page, new_password=PASSWORD, again=PASSWORD)
        assert "is the old one" in answer.text
        # Many tries to choose are no failed logins.
        for _ in range(ACCOUNT_ATTEMPTS * 2):
            assert choose(visitor, page, again="other") == 422
        assert choose(visitor, page) == 303


def test_a_changed_password_ends_all_other_sessions(identity: Identity, ben: Record) -> None:
    with identity.visitor() as visitor, identity.visitor() as other:
        for each in (visitor, other):
            each.sign_in(ben["email"])
        answer = visitor.post("/password", "/password", password=PASSWORD, new_password=NEW,
                              again=NEW)  # fmt: skip
        assert (answer.status_code, "Your password is changed" in answer.text) == (200, True)
        assert visitor.get("/").status_code == 200
        assert other.get("/").status_code == 303
    assert identity.visitor().try_password(ben["email"]).status_code == 401


def test_a_changed_password_signs_out_of_the_chat(identity: Identity) -> None:
    ben = identity.person(identity.far)
    with identity.visitor() as visitor:
        visitor.sign_in(ben["email"])
        visitor.post("/password", "/password", password=PASSWORD, new_password=NEW, again=NEW)
    assert ben["id"] in {claims["sub"] for claims in identity.far.logouts}


def test_the_current_password_cannot_be_guessed(identity: Identity, ben: Record) -> None:
    with identity.visitor() as visitor:
        visitor.sign_in(ben["email"])
        codes = [choose(visitor, "/password", password="wrong") for _ in range(8)]
        assert codes == [401] * ACCOUNT_ATTEMPTS + [429] * (8 - ACCOUNT_ATTEMPTS)
        assert choose(visitor, "/password", password=PASSWORD) == 429


def test_a_form_from_elsewhere_changes_no_password(identity: Identity, ben: Record) -> None:
    form = {"password": PASSWORD, "new_password": NEW, "again": NEW}
    with identity.visitor() as visitor, identity.at(identity.acme) as stranger:
        visitor.sign_in(ben["email"])
        assert visitor.http.post("/password", data=form).status_code == 403
        form["form_token"] = form_token(stranger.get("/password"))
        assert visitor.http.post("/password", data=form).status_code == 403
        assert stranger.get("/password").status_code == 200
    with identity.visitor() as nobody:
        assert nobody.get("/password").headers["location"] == "/login?next=%2Fpassword"
    assert identity.visitor().try_password(ben["email"]).status_code == 303


def test_a_first_login_leads_back_to_the_chat(
    browser: Browser, identity: Identity, new: Record
) -> None:
    chat = identity.acme
    with opened(browser, identity.url, chat.url, java_script_enabled=False) as page:
        page.goto(f"{chat.url}/login")
        page.locator("#email").fill(new["email"])
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        for field in ("#new_password", "#again"):
            page.locator(field).fill(NEW)
        page.locator("main button").click()
        expect(page.locator("body")).to_contain_text(f"Welcome, {new['email']}!")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]} {look[1]} {look[2]}")
def test_everybody_can_use_the_page(
    browser: Browser, identity: Identity, new: Record, look: tuple[str, str, int]
) -> None:
    language, scheme, width = look
    words = {
        "en": ("Choose your own password", "Save password", "Current password"),
        "de": ("Eigenes Passwort wählen", "Passwort speichern", "Bisheriges Passwort"),
    }[language]
    options = {"locale": language, "color_scheme": scheme, "viewport": size(width)}
    with opened(browser, identity.url, **options) as page:
        page.goto("/login")
        page.locator("#email").fill(new["email"])
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(words[0])
        check_looks(page, language, width)

        page.locator("#new_password").fill("short")
        page.locator("#again").fill("short")
        page.get_by_role("button", name=words[1]).click()
        expect(page.locator("#new_password")).to_be_focused()
        check_looks(page, language, width)

        page.locator("#new_password").fill(NEW)
        page.locator("#again").fill(NEW)
        page.get_by_role("button", name=words[1]).click()
        page.locator("nav").wait_for()
        page.goto("/password")
        expect(page.get_by_label(words[2])).to_be_visible()
        check_looks(page, language, width)

        page.get_by_label(words[2]).fill(NEW)
        page.locator("#new_password").fill(NEW + "!")
        page.locator("#again").fill(NEW + "!")
        page.get_by_role("button", name=words[1]).click()
        page.get_by_role("status").wait_for()
        check_looks(page, language, width)
