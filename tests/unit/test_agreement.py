"""What the files of a tenant and its core say of each other must fit."""

from pathlib import Path

import pytest

from cli.agreement import disagreements
from cli.environment import ROOT

TENANT = """\
slug: acme
name: Acme
openwebui:
  port: 3002
litellm:
  port: 4002
billing:
  url: http://billing-api:3000
login:
  issuer: http://identity-core:8090
"""
CORE = """\
name: Example
currency: EUR
tenants:
  - slug: acme
    name: Acme
    chat_url: http://127.0.0.1:3002
"""
GPT = "litellm:\n  port: 4002\n  models: [{name: gpt, deployments: [{model: openai/gpt-5}]}]"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tenant and its core, which fit."""
    for name in ("tenants", "core"):
        (tmp_path / name).mkdir()
    write(tmp_path, "tenants/acme.yaml", TENANT)
    write(tmp_path, "core/prod.yaml", CORE)
    return tmp_path


def write(checkout: Path, name: str, text: str) -> None:
    (checkout / name).write_text(text, encoding="utf-8")


def change(checkout: Path, name: str, old: str, new: str) -> None:
    text = (checkout / name).read_text(encoding="utf-8")
    assert old in text
    write(checkout, name, text.replace(old, new, 1))


def test_the_repository_s_own_files_fit() -> None:
    assert disagreements(ROOT) == []


def test_files_that_fit(checkout: Path) -> None:
    assert disagreements(checkout) == []


@pytest.mark.parametrize(("file", "old", "new", "sentence"), [
    ("tenants/acme.yaml", "3002", "3003",
     'core/prod.yaml:6: tenants.0.chat_url = "http://127.0.0.1:3002/": people open the chat at'
     " http://127.0.0.1:3003, says tenants/acme.yaml"),
    ("tenants/acme.yaml", "name: Acme", "name: Acme\ndomain: chat.acme.example",
     'core/prod.yaml:6: tenants.0.chat_url = "http://127.0.0.1:3002/": people open the chat at'
     " https://chat.acme.example, says tenants/acme.yaml"),
    ("core/prod.yaml", "http:", "https:",
     'core/prod.yaml:6: tenants.0.chat_url = "https://127.0.0.1:3002/": people open the chat at'
     " http://127.0.0.1:3002, says tenants/acme.yaml"),
    ("core/prod.yaml", "slug: acme", "slug: other",
     'tenants/acme.yaml:1: slug = "acme": core/prod.yaml must have it under `tenants`, since'
     " `login` or `billing` leads there"),
    ("core/prod.yaml", "currency", "identity: {port: 8092}\ncurrency",
     'tenants/acme.yaml:10: login.issuer = "http://identity-core:8090/": port 8092, which'
     " core/prod.yaml says"),
    ("tenants/acme.yaml", "billing-api:3000", "billing-api:3005",
     'tenants/acme.yaml:8: billing.url = "http://billing-api:3005/": port 3000, which'
     " core/prod.yaml says"),
    ("tenants/acme.yaml", "login:", "  currency: USD\nlogin:",
     'tenants/acme.yaml:9: billing.currency = "USD": EUR, in which core/prod.yaml counts'),
    ("tenants/acme.yaml", "litellm:\n  port: 4002", GPT,
     'tenants/acme.yaml:7: litellm.models.0.deployments.0.model = "openai/gpt-5": its price is'
     " known in US dollars, and core/prod.yaml counts EUR: `usd_rate` there or under `billing`, or"
     " a `price`"),
])  # fmt: skip
def test_what_does_not_fit_is_told_where_it_has_to_be_changed(
    checkout: Path, file: str, old: str, new: str, sentence: str
) -> None:
    change(checkout, file, old, new)
    assert list(map(str, disagreements(checkout))) == [sentence]


@pytest.mark.parametrize("text", [
    GPT.replace("gpt-5", "gpt-5, price: {input_per_million: 1, output_per_million: 2}"),
    f"{GPT}\nbilling: {{usd_rate: {{rate: '0.86', as_of: 2026-11-20}}}}",
])  # fmt: skip
def test_a_price_in_the_core_s_currency_fits(checkout: Path, text: str) -> None:
    write(checkout, "tenants/acme.yaml", TENANT.partition("litellm:")[0] + text)
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/prod}")
    assert disagreements(checkout) == []


def test_the_config_of_the_stack_says_whose_core_it_is(checkout: Path) -> None:
    write(checkout, "core/second.yaml", CORE.replace("acme", "other").replace(
        "tenants:", "slug: core-second\nidentity: {port: 8093}\nbilling: {port: 3005}\ntenants:"
    ))  # fmt: skip
    assert disagreements(checkout) == []
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/second}")
    [problem] = disagreements(checkout)
    assert str(problem).startswith('tenants/acme.yaml:1: slug = "acme": core/second.yaml must have')
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/elsewhere}")
    assert disagreements(checkout) == []


def test_a_core_on_another_host_is_not_reached_by_a_name_without_a_dot(checkout: Path) -> None:
    write(checkout, "core/Pulumi.prod.yaml",
          "config: {cloudfreedom-core:dockerHost: 'ssh://root@there.example.com'}")  # fmt: skip
    assert disagreements(checkout) == [], "it is another's core, then"
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/prod}")
    issuer, url = disagreements(checkout)
    assert str(issuer).endswith(
        "this name leads to the tenant's own Docker host, and core/prod.yaml is on"
        " ssh://root@there.example.com: an address that leads there"
    )
    assert (issuer.field, url.field) == ("login.issuer", "billing.url")


@pytest.mark.parametrize(("old", "new"), [
    ("http://identity-core:8090", "http://keycloak:8080/realms/acme"),
    ("http://identity-core:8090", "http://[fd00::7]:8080"),
    ("http://billing-api:3000", "http://budgets:3005\n  currency: CHF"),
])  # fmt: skip
def test_a_service_of_the_tenant_s_own_on_the_docker_host_is_not_the_core_s(
    checkout: Path, old: str, new: str
) -> None:
    change(checkout, "tenants/acme.yaml", old, new)
    assert disagreements(checkout) == []
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/prod}")
    assert disagreements(checkout) == []


def test_a_core_that_is_asked_elsewhere_says_the_currency(checkout: Path) -> None:
    write(checkout, "Pulumi.acme.yaml", "config: {cloudfreedom:core: organization/x/prod}")
    public = "https://billing.example.com\n  currency: CHF"
    change(checkout, "tenants/acme.yaml", "http://billing-api:3000", public)
    assert [problem.field for problem in disagreements(checkout)] == ["billing.currency"]


def test_a_rate_beside_a_core_that_counts_dollars_is_told(checkout: Path) -> None:
    change(checkout, "core/prod.yaml", "EUR", "USD")
    rate = "  usd_rate: {rate: '0.86', as_of: 2026-11-20}\nlogin:"
    change(checkout, "tenants/acme.yaml", "login:", rate)
    assert list(map(str, disagreements(checkout))) == [
        "tenants/acme.yaml:9: billing.usd_rate: none: core/prod.yaml counts USD already"
    ]


@pytest.mark.parametrize("gateway", ["abc", "''", "172.17.0.1/16", "[172.17.0.1]"])
def test_a_gateway_that_is_no_address_is_no_traceback(checkout: Path, gateway: str) -> None:
    config = f"config: {{cloudfreedom-core:hostGateway: {gateway}}}"
    write(checkout, "core/Pulumi.prod.yaml", config)
    assert disagreements(checkout) == []


@pytest.mark.parametrize(("file", "old", "new", "places"), [
    ("tenants/acme.yaml", "4002", "8090",
     ["core/prod.yaml:1: identity.port = 8090: already used by tenants/acme",
      "tenants/acme.yaml:6: litellm.port = 8090: already used by core/prod"]),
    ("tenants/acme.yaml", "name: Acme", "name: Acme\nbind: 172.17.0.1",
     ['core/prod.yaml:6: tenants.0.chat_url = "http://127.0.0.1:3002/": people open']),
])  # fmt: skip
def test_a_port_belongs_to_a_core_or_a_tenant(
    checkout: Path, file: str, old: str, new: str, places: list[str]
) -> None:
    change(checkout, file, old, new)
    found = sorted(map(str, disagreements(checkout)))
    assert all(p.startswith(place) for p, place in zip(found, places, strict=True)), found


def test_a_port_of_the_bridge_is_another_than_that_of_the_loopback(checkout: Path) -> None:
    """The core's Billing API is on the bridge's address only."""
    change(checkout, "tenants/acme.yaml", "4002", "3000")
    assert disagreements(checkout) == []
    change(
        checkout,
        "tenants/acme.yaml",
        "name: Acme",
        "name: Acme\nbind: 0.0.0.0\ndomain: chat.example",
    )
    found = [str(problem) for problem in disagreements(checkout) if "on this host" in str(problem)]
    assert [problem.partition(":")[0] for problem in found] == [
        "core/prod.yaml",
        "tenants/acme.yaml",
    ]


def test_two_cores_of_one_host_have_ports_of_their_own(checkout: Path) -> None:
    second = "slug: core-second\nname: Second\nidentity: {port: 3000}\nbilling: {port: 8090}\n"
    write(checkout, "core/second.yaml", second)
    found = sorted({str(problem).partition(" =")[0] for problem in disagreements(checkout)})
    assert found == [
        "core/prod.yaml:1: billing.port",
        "core/prod.yaml:1: identity.port",
        "core/second.yaml:3: identity.port",
        "core/second.yaml:4: billing.port",
    ]


def test_broken_files_are_told_by_others(checkout: Path) -> None:
    change(checkout, "tenants/acme.yaml", "3002", "3003")
    write(checkout, "tenants/broken.yaml", "slug: [")
    write(checkout, "core/broken.yaml", "slug: core-broken\n")
    assert len(disagreements(checkout)) == 1
