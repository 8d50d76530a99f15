"""What is said about a container that could not be made."""

from unittest.mock import Mock

import pytest
from docker.errors import APIError
from requests import HTTPError

from components.docker import recovery
from components.docker.recovery import LeftoverError, NotReadyError, explanation, make_ready
from components.labels import TENANT

# Nothing listens on a port that only a privileged program could have.
NO_HOST = "tcp://127.0.0.1:1"
INPUTS = {"name": "acme-litellm", "ports": [{"ip": "127.0.0.1", "external": 4002}]}


@pytest.mark.parametrize("cause", [
    "Bind for 127.0.0.1:4002 failed: port is already allocated",
    "failed to bind host port for 127.0.0.1:4002: address already in use",
])  # fmt: skip
def test_a_taken_port_is_told_where_to_change_it(cause: str) -> None:
    assert explanation(NO_HOST, INPUTS, [cause, "an older error"]) == (
        "acme-litellm: 127.0.0.1:4002 of the Docker host is taken: stop what uses it,"
        " or choose another port in the stack's file"
    )


def test_an_address_of_another_host_is_told_where_to_change_it() -> None:
    cause = "listen tcp4 127.0.0.1:4002: bind: cannot assign requested address"
    assert explanation(NO_HOST, INPUTS, [cause]) == (
        "acme-litellm: the Docker host has no such address as in 127.0.0.1:4002: `bind` in the"
        " stack's file, or a core's `hostGateway`, must be one of its own"
    )


@pytest.mark.parametrize("errors", [[], ["container is unhealthy"]])
def test_a_host_that_does_not_answer_is_no_second_error(errors: list[str]) -> None:
    told = explanation(NO_HOST, INPUTS, errors)
    assert told.startswith("acme-litellm did not become ready. Its last lines:\n(none: ")


def test_an_engine_that_refuses_to_limit_a_container_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Mock()
    container = client.containers.get.return_value
    container.client.api.post.return_value = refusal()
    container.attrs = {"RestartCount": 0, "State": {"ExitCode": 0}}
    container.name, container.logs.return_value = "acme-litellm", b"the last line"
    monkeypatch.setattr(recovery, "shared", lambda _: client)
    monkeypatch.setattr(recovery, "_POLL_SECONDS", 0)
    with pytest.raises(NotReadyError, match=r"become ready.*\nthe last line"):
        make_ready(NO_HOST, "acme-litellm", seconds=1, processes=64)


def test_a_limit_that_a_crash_loop_refuses_is_set_a_moment_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Mock()
    container = client.containers.get.return_value
    container.health = "healthy"
    container.attrs = {"RestartCount": 0, "State": {}}
    container.client.api.post.side_effect = [refusal(), Mock(ok=True)]
    monkeypatch.setattr(recovery, "shared", lambda _: client)
    make_ready(NO_HOST, "acme-litellm", seconds=1, processes=64)
    assert container.client.api.post.call_count == 2


def refusal() -> Mock:
    """The engine's answer about a container whose process has just ended."""
    return Mock(ok=False, raise_for_status=Mock(side_effect=HTTPError("500")))


def test_a_network_that_is_in_use_is_nobodys_leftover(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Mock(attrs={"Labels": {TENANT: "acme"}})
    network.name = "acme-data"
    network.remove.side_effect = APIError("network acme-data has active endpoints")
    client = Mock()
    client.networks.list.return_value = [network]
    monkeypatch.setattr(recovery, "shared", lambda _: client)
    with pytest.raises(LeftoverError) as raised:
        recovery.remove_leftover(NO_HOST, "acme", "network", {"name": "acme-data"})
    assert str(raised.value) == (
        "acme-data is in use by containers that are not of this stack: another one has the slug"
        " 'acme', too, or the state of this one was lost"
    )
