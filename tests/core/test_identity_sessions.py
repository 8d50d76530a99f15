"""How a session begins, goes on and ends, and what nobody can do to somebody else's."""

import time

import httpx
import pytest

from tests.core.identity import Identity, Visitor, form_token, running
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import PASSWORD, Record, Superuser


@pytest.fixture
def ann(identity: Identity) -> Record:
    return identity.person(identity.acme)


@pytest.fixture
def visitor(identity: Identity, ann: Record) -> Visitor:
    """Ann, who has signed in."""
    visitor = identity.visitor()
    visitor.sign_in(ann["email"])
    return visitor


def cookies(answer: httpx.Response) -> dict[str, set[str]]:
    """The attributes of each cookie that an answer sets."""
    found = {}
    for header in answer.headers.get_list("set-cookie"):
        pair, *attributes = header.split("; ")
        found[pair.partition("=")[0]] = {attribute.lower() for attribute in attributes}
    return found


# --- Cookies


def test_cookies_are_for_us_alone(identity: Identity, ann: Record) -> None:
    visitor = identity.visitor()
    page = visitor.get("/login")
    answer = visitor.sign_in(ann["email"])
    expected = {"httponly", "path=/", "samesite=lax"}  # gone with the browser, of this host alone
    assert cookies(page) == {"core_visitor": expected}
    assert cookies(answer) == {"core_session": expected}


def test_on_https_cookies_are_safe_from_the_rest_of_the_domain(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("https")
    address = {"public_url": "https://login.example.com"}
    with running(pocketbase, superuser, folder, **address) as identity:
        ann = identity.person(identity.acme)
        headers = {"host": "login.example.com"}
        page = httpx.get(f"{identity.url}/login", headers=headers)
        assert cookies(page) == {
            "__Host-core_visitor": {"httponly", "path=/", "samesite=lax", "secure"}
        }
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        form = {"form_token": form_token(page), "email": ann["email"], "password": PASSWORD}
        headers["cookie"] = page.headers["set-cookie"].partition(";")[0]
        answer = httpx.post(f"{identity.url}/login", data=form, headers=headers)
        assert cookies(answer) == {
            "__Host-core_session": {"httponly", "path=/", "samesite=lax", "secure"}
        }


def test_a_session_of_somebody_elses_making_is_not_taken_over(
    identity: Identity, ann: Record
) -> None:
    attacker, victim = identity.visitor(), identity.visitor()
    given = "a-token-that-the-attacker-knows"
    for visitor in (attacker, victim):
        visitor.http.cookies.set("core_session", given, domain="127.0.0.1")
    victim.sign_in(ann["email"])
    assert victim.http.cookies["core_session"] != given
    assert victim.is_signed_in(identity.acme)
    assert not attacker.is_signed_in(identity.acme)


def test_a_new_login_ends_the_session_before(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    old = visitor.http.cookies["core_session"]
    visitor.sign_in(ann["email"])
    assert visitor.http.cookies["core_session"] != old
    thief = identity.visitor()
    thief.http.cookies.set("core_session", old, domain="127.0.0.1")
    assert not thief.is_signed_in(identity.acme)


# --- How long


def test_a_session_lasts_as_long_as_it_is_used(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    [session] = sessions(identity, ann)
    assert 3590 <= session["expires_at"] - time.time() <= 3600
    identity.superuser.update("sessions", session, expires_at=int(time.time()) + 5)
    assert visitor.is_signed_in(identity.acme)
    [session] = sessions(identity, ann)
    assert session["expires_at"] - time.time() > 3590
    identity.superuser.update("sessions", session, expires_at=int(time.time()))
    assert not visitor.is_signed_in(identity.acme)


def test_what_an_application_does_is_no_use_of_the_session(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    identity.acme.log_in(visitor.callback(identity.acme))
    [session] = sessions(identity, ann)
    soon = int(time.time()) + 60
    identity.superuser.update("sessions", session, expires_at=soon)
    assert userinfo(identity).status_code == 200
    [session] = sessions(identity, ann)
    assert session["expires_at"] == soon


@pytest.mark.parametrize(
    "change",
    [{"verified": False}, {"password": "another password"}, {"email": "other@x.example"}, None],
)
def test_whoever_may_not_any_more_is_signed_out(
    identity: Identity, ann: Record, visitor: Visitor, change: Record | None
) -> None:
    identity.acme.log_in(visitor.callback(identity.acme))
    assert userinfo(identity).status_code == 200
    if change is None:
        identity.superuser.delete("users", ann)
    else:
        again = {"passwordConfirm": change["password"]} if "password" in change else {}
        identity.superuser.update("users", ann, **change, **again)
    assert not visitor.is_signed_in(identity.acme)
    assert userinfo(identity).status_code == 401


def test_another_name_or_role_ends_no_session(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    identity.superuser.update("users", ann, name="Ann Other", role="admin")
    assert visitor.is_signed_in(identity.acme)


# --- Forms that are not ours


def test_a_form_needs_what_only_our_pages_know(identity: Identity, visitor: Visitor) -> None:
    other = form_token(identity.visitor().get("/login"))
    for path in ("/login", "/sign-out", "/sign-out-everywhere", "/end-session"):
        for token in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": other}):
            answer = visitor.http.post(path, data=token)
            assert answer.status_code == 403
            assert "too old" in answer.text
    assert visitor.is_signed_in(identity.acme)


def test_a_form_needs_the_cookie_of_its_page(identity: Identity, ann: Record) -> None:
    token = form_token(identity.visitor().get("/login"))
    form = {"form_token": token, "email": ann["email"], "password": PASSWORD}
    for visitor in (identity.visitor(), identity.at(identity.acme)):
        answer = visitor.http.post("/login", data=form)
        assert answer.status_code == 403
        assert "core_session" not in cookies(answer)


def test_a_form_of_before_the_login_is_not_taken_after_it(identity: Identity, ann: Record) -> None:
    visitor = identity.visitor()
    token = form_token(visitor.get("/login"))
    visitor.sign_in(ann["email"])
    assert visitor.http.post("/sign-out", data={"form_token": token}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_that_is_sent_from_elsewhere_is_refused(visitor: Visitor, site: str) -> None:
    form = {"form_token": form_token(visitor.get("/login"))}
    answer = visitor.http.post("/sign-out", data=form, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403


def test_nothing_is_done_by_a_link(identity: Identity, visitor: Visitor) -> None:
    for path in ("/sign-out", "/sign-out-everywhere"):
        assert visitor.get(path).status_code == 405
    assert visitor.is_signed_in(identity.acme)


@pytest.mark.parametrize(("size", "status"), [(10_000, 400), (1_000_000, 413)])
def test_a_form_is_not_read_for_ever(identity: Identity, size: int, status: int) -> None:
    visitor = identity.visitor()
    token = form_token(visitor.get("/login"))
    answer = visitor.http.post("/login", data={"form_token": token, "email": "x" * size})
    assert answer.status_code == status
    assert len(answer.content) < 5000


# --- Where a login leads to

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/%0d%0aLocation: https://evil.example".replace("%0d%0a", "\r\n"),
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "@evil.example",
    "https:evil.example",
    "/ü",
    "",
]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_login_leads_to_nobody_else(identity: Identity, ann: Record, elsewhere: str) -> None:
    visitor = identity.visitor()
    page = str(httpx.URL("/login", params={"next": elsewhere}))
    assert "evil" not in visitor.get(page).headers["content-security-policy"]
    assert visitor.sign_in(ann["email"], page).headers["location"] == "/"


@pytest.mark.parametrize("next_", ["/", "/usage?month=2026-11", "/authorize?x=%2F%2Fy", "/a//b"])
def test_a_login_leads_to_where_the_person_wanted(
    identity: Identity, ann: Record, next_: str
) -> None:
    page = str(httpx.URL("/login", params={"next": next_}))
    assert identity.visitor().sign_in(ann["email"], page).headers["location"] == next_


def test_a_path_that_looks_like_a_host_stays_ours(identity: Identity, ann: Record) -> None:
    page = "/login?next=/.evil.example"
    location = identity.visitor().sign_in(ann["email"], page).headers["location"]
    assert httpx.URL(identity.url).join(location).host == "127.0.0.1"


def test_a_form_may_lead_to_the_application_that_it_is_for_and_nowhere_else(
    identity: Identity,
) -> None:
    visitor = identity.visitor()
    policy = visitor.get("/login").headers["content-security-policy"]
    assert policy.endswith("form-action 'self'")
    page = visitor.get(identity.acme.authorize_url()).headers["location"]
    policy = visitor.get(page).headers["content-security-policy"]
    assert policy.endswith(f"form-action 'self' {identity.acme.url}")


# --- Headers


def test_headers_say_what_a_browser_must_not_do(identity: Identity, visitor: Visitor) -> None:
    answers = [
        visitor.get("/login"),
        visitor.get("/nothing"),
        visitor.get("/end-session"),
        visitor.get("/authorize"),
        visitor.get(identity.acme.authorize_url()),
        visitor.get("/static/style.css"),
        visitor.get("/jwks.json"),
        visitor.http.post("/token"),
    ]
    for answer in answers:
        headers = answer.headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        is_kept = answer.request.url.path.startswith("/static")
        assert headers["cache-control"] == ("no-cache" if is_kept else "no-store")


# --- Signing out


def test_signing_out_ends_this_browsers_session_only(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    elsewhere = identity.visitor()
    elsewhere.sign_in(ann["email"])
    token = visitor.http.cookies["core_session"]
    answer = visitor.post("/sign-out")
    assert answer.status_code == 200
    assert "You are signed out" in answer.text
    assert "core_session" not in visitor.http.cookies
    visitor.http.cookies.set("core_session", token, domain="127.0.0.1")
    assert not visitor.is_signed_in(identity.acme)
    assert elsewhere.is_signed_in(identity.acme)


def test_an_application_signs_out_as_open_webui_does(identity: Identity, visitor: Visitor) -> None:
    identity.acme.log_in(visitor.callback(identity.acme))
    endpoint = identity.acme.configuration()["end_session_endpoint"]
    # Open WebUI writes it like this, without encoding anything.
    answer = visitor.http.get(
        f"{endpoint}?id_token_hint={identity.acme.tokens[-1]['id_token']}"
        f"&post_logout_redirect_uri={identity.acme.signed_out_uri}"
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == identity.acme.signed_out_uri
    assert not visitor.is_signed_in(identity.acme)
    assert userinfo(identity).status_code == 401


def test_an_application_may_sign_out_without_an_address(
    identity: Identity, visitor: Visitor
) -> None:
    answer = end_session(visitor, hint(identity, visitor))
    assert answer.status_code == 200
    assert "You are signed out" in answer.text
    assert not visitor.is_signed_in(identity.acme)


def test_a_browser_that_has_lost_its_cookie_can_sign_out(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    token = hint(identity, visitor)
    assert "You are signed out" in end_session(identity.visitor(), token).text
    assert sessions(identity, ann) == []


def test_a_token_of_yesterday_still_signs_out(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    """It proves for whom it was; how old it is does not matter."""
    token = hint(identity, visitor)
    answer = end_session(visitor, token, state="&a=b")
    assert answer.status_code == 200
    again = identity.visitor()
    again.sign_in(ann["email"])
    answer = end_session(
        again, token, post_logout_redirect_uri=identity.acme.signed_out_uri, state="&a=b"
    )
    assert httpx.URL(answer.headers["location"]).params["state"] == "&a=b"
    assert not again.is_signed_in(identity.acme)


@pytest.mark.parametrize(
    "bad",
    [
        "https://evil.example",
        "{auth}/",
        "{auth}?x=1",
        "{auth}@evil.example",
        "{auth}.evil.example",
        "{chat}",
        "{chat}/",
        "//evil.example/auth",
        "{other}",
        "",
    ],
)
def test_nobody_who_signed_out_is_sent_elsewhere(
    identity: Identity, visitor: Visitor, bad: str
) -> None:
    address = bad.format(
        auth=identity.acme.signed_out_uri,
        chat=identity.acme.url,
        other=identity.other.signed_out_uri,
    )
    answer = end_session(visitor, hint(identity, visitor), post_logout_redirect_uri=address)
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "evil" not in answer.text


@pytest.mark.parametrize("kind", ["none", "garbage", "access token", "changed", "other client"])
def test_whoever_may_have_been_sent_here_by_anybody_is_asked(
    identity: Identity, visitor: Visitor, kind: str
) -> None:
    right = hint(identity, visitor)
    head, claims, signature = right.split(".")
    bad = {
        "none": {},
        "garbage": {"id_token_hint": "None"},
        "access token": {"id_token_hint": identity.acme.tokens[-1]["access_token"]},
        "changed": {"id_token_hint": f"{head}.{claims}x.{signature}"},
        "other client": {"id_token_hint": right, "client_id": identity.other.slug},
    }[kind]
    address = {"post_logout_redirect_uri": identity.acme.signed_out_uri}
    page = visitor.get("/end-session", **bad, **address)
    assert page.status_code == 200
    assert "Sign out?" in page.text
    assert visitor.is_signed_in(identity.acme)

    answer = visitor.http.post(page.url, data={"form_token": form_token(page)})
    assert answer.headers["location"] == identity.acme.signed_out_uri
    assert not visitor.is_signed_in(identity.acme)


def test_nobody_can_be_signed_out_with_somebody_elses_token(
    identity: Identity, visitor: Visitor
) -> None:
    attacker = identity.at(identity.acme)
    page = end_session(visitor, hint(identity, attacker))
    assert "Sign out?" in page.text
    assert visitor.is_signed_in(identity.acme)


# --- Signing out everywhere


@pytest.fixture
def far_ann(identity: Identity) -> Record:
    """Somebody whose tenant's chat can be told."""
    identity.far.logouts.clear()
    identity.far._keys = None
    return identity.person(identity.far)


def test_signing_out_everywhere_ends_every_session_and_tells_the_chat(
    identity: Identity, far_ann: Record
) -> None:
    visitors = [identity.visitor() for _ in range(3)]
    for visitor in visitors:
        visitor.sign_in(far_ann["email"])
    bystander = identity.at(identity.far)
    identity.far.log_in(visitors[0].callback(identity.far))

    answer = visitors[0].post("/sign-out-everywhere")

    assert "out of every browser" in answer.text
    assert "could not be told" not in answer.text
    assert not any(visitor.is_signed_in(identity.far) for visitor in visitors)
    assert bystander.is_signed_in(identity.far)
    assert sessions(identity, far_ann) == []
    [logout] = identity.far.logouts
    assert logout["sub"] == far_ann["id"]
    assert logout["exp"] - logout["iat"] == 120
    token = {"Authorization": f"Bearer {identity.far.tokens[-1]['access_token']}"}
    assert httpx.get(f"{identity.url}/userinfo", headers=token).status_code == 401


def test_a_chat_that_is_not_in_reach_is_spoken_of(
    identity: Identity, ann: Record, visitor: Visitor
) -> None:
    answer = visitor.post("/sign-out-everywhere")
    assert f"The chat of {identity.acme.tenant.name} could not be told" in answer.text
    assert identity.acme.logouts == []
    assert sessions(identity, ann) == []


def test_a_chat_that_is_away_keeps_nobody_signed_in(identity: Identity, far_ann: Record) -> None:
    visitor = identity.visitor()
    visitor.sign_in(far_ann["email"])
    identity.far.__exit__()
    try:
        answer = visitor.post("/sign-out-everywhere")
    finally:
        identity.far.__enter__()
    assert "could not be told" in answer.text
    assert sessions(identity, far_ann) == []


def test_whoever_is_not_signed_in_is_sent_to_the_login(identity: Identity) -> None:
    answer = identity.visitor().post("/sign-out-everywhere")
    assert answer.headers["location"] == "/login"


# --- When PocketBase is away


def test_it_says_when_pocketbase_is_away_and_goes_on_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("away")
    with (
        PocketBaseProcess(folder=folder) as pocketbase,
        Superuser(pocketbase.url, pocketbase.password) as superuser,
        running(pocketbase, superuser, folder) as identity,
    ):
        visitor = identity.at(identity.acme)
        callback = visitor.callback(identity.acme)
        authorize_url = identity.acme.authorize_url()
        pocketbase.kill()
        assert visitor.get("/health").status_code == 503
        page = visitor.get(authorize_url)
        assert page.status_code == 503
        assert "cannot reach its data" in page.text
        keys = visitor.get("/jwks.json")
        assert keys.status_code == 503
        assert keys.json() == {"error": "temporarily_unavailable"}
        pocketbase.start()
        assert visitor.get("/health").status_code == 200
        assert identity.acme.log_in(callback)["email"]
        assert visitor.is_signed_in(identity.acme)


# --- Helpers


def sessions(identity: Identity, person: Record) -> list[Record]:
    return identity.superuser.list("sessions", "user = {user}", user=person["id"])


def userinfo(identity: Identity) -> httpx.Response:
    headers = {"Authorization": f"Bearer {identity.acme.tokens[-1]['access_token']}"}
    return httpx.get(f"{identity.url}/userinfo", headers=headers)


def hint(identity: Identity, visitor: Visitor) -> str:
    identity.acme.log_in(visitor.callback(identity.acme))
    return str(identity.acme.tokens[-1]["id_token"])


def end_session(visitor: Visitor, token: str, **query: str) -> httpx.Response:
    return visitor.get("/end-session", id_token_hint=token, **query)
