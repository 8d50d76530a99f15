"""What is said about a container that could not be made."""

import pytest

from components.recovery import explanation

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
        " or choose another port in the tenant's file"
    )


@pytest.mark.parametrize("errors", [[], ["container is unhealthy"]])
def test_a_host_that_does_not_answer_is_no_second_error(errors: list[str]) -> None:
    told = explanation(NO_HOST, INPUTS, errors)
    assert told.startswith("acme-litellm did not become ready. Its last lines:\n(none: ")
