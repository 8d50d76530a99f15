"""What stands in the way on a Docker host is said before anything is changed there."""

import errno
import socket
from typing import Any

import pytest

from components.docker.preflight import (
    Claims,
    DockerHostError,
    Survey,
    check_move,
    check_new_volume,
    no_answer,
    obstacles,
    preflight,
)
from components.labels import MARK, TENANT
from tests.engine import stand_in

HOST = "tcp://two.example.com"
CLAIMS = Claims(
    slug="acme",
    containers=["acme-postgres", "acme-litellm"],
    networks=["acme-data", "acme-apps"],
    volumes=["acme-postgres", "acme-redis"],
    ports=[("127.0.0.1", 3002), ("127.0.0.1", 4002)],
)
OURS = {"Labels": {TENANT: "acme"}}


def published(port: int, address: str = "127.0.0.1", owner: str = "") -> dict[str, Any]:
    ports = [{"IP": address, "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}]
    return {"Ports": ports, "Labels": {TENANT: owner}}


def told(**found: Any) -> list[str]:
    pools = found.pop("pools", [{"Base": "10.0.0.0/8", "Size": 24}])
    return list(obstacles(Survey(HOST, pools=pools, **found), CLAIMS))


def test_an_empty_host_and_a_running_stack_are_fine() -> None:
    assert told() == []
    assert (
        told(
            containers={"acme-postgres": OURS, "acme-litellm": published(4002, owner="acme")},
            networks={"acme-data": OURS, "acme-apps": OURS},
            volumes={"acme-postgres": OURS},
            pools=[],
        )
        == []
    )


@pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
def test_what_is_somebody_elses_is_named(kind: str) -> None:
    name = getattr(CLAIMS, kind)[0]
    nobodys: list[dict[str, str] | None] = [] if kind == "volumes" else [None, {}]
    for labels in (*nobodys, {TENANT: "other"}):
        [problem] = told(**{kind: {name: {"Labels": labels}}})
        assert f"has a {kind[:-1]} {name} that is not this stack's" in problem
        assert f"docker {kind[:-1]} inspect {name}" in problem


@pytest.mark.parametrize("labels", [None, {}])
def test_data_that_was_copied_by_hand_may_be_the_stacks(labels: dict[str, str] | None) -> None:
    copied = {"acme-postgres": {"Labels": labels}}
    assert told(volumes=copied) == []
    with pytest.raises(DockerHostError) as raised:
        check_new_volume(Survey(HOST, volumes=copied), "acme", "acme-postgres", {MARK: "new"})
    words = str(raised.value)
    assert "data of acme (acme-postgres) that is not in the state" in words
    assert words.endswith("`docker volume rm acme-postgres`")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", ""])
def test_a_port_of_another_container_is_taken(address: str) -> None:
    problems = told(containers={"web": published(3002, address), "db": published(5432)})
    assert problems == [
        "127.0.0.1:3002 of the Docker host is taken by the container web: stop what uses it,"
        " or choose another port in the stack's file"
    ]


def test_the_same_port_of_another_address_is_free() -> None:
    assert told(containers={"web": published(3002, "10.0.0.1")}) == []
    assert told(containers={"web": published(3002, "::")}) == [], "of the other family"


def test_the_same_port_of_another_protocol_is_free() -> None:
    web = published(3002)
    web["Ports"][0]["Type"] = "udp"
    assert told(containers={"web": web}) == []


def test_two_parts_may_swap_their_ports() -> None:
    assert told(containers={"acme-openwebui": published(4002, owner="acme")}) == []


def test_the_machines_own_ports_are_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        claims = Claims(
            slug="acme", containers=[], networks=[], volumes=[],
            ports=[("127.0.0.1", port), ("203.0.113.1", port)],
        )  # fmt: skip
        taken, elsewhere = obstacles(Survey("unix:///run/docker.sock", here=True), claims)
    assert taken.startswith(f"127.0.0.1:{port} of the Docker host is taken: stop")
    assert elsewhere.startswith(f"the Docker host has no such address as in 203.0.113.1:{port}")
    [problem] = obstacles(Survey("unix:///run/docker.sock", here=True), claims)
    assert problem == elsewhere, "the port is free again"
    assert list(obstacles(Survey("unix:///run/docker.sock"), claims)) == [], "of another machine"


def test_each_family_has_ports_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        claims = Claims(slug="acme", containers=[], networks=[], volumes=[], ports=[("::", port)])
        assert list(obstacles(Survey("unix:///run/docker.sock", here=True), claims)) == []


def test_a_kernel_without_ipv6_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(family: int) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, f"no family {family}")

    monkeypatch.setattr(socket, "socket", refuse)
    claims = Claims(slug="acme", containers=[], networks=[], volumes=[], ports=[("::1", 3002)])
    assert list(obstacles(Survey("unix:///run/docker.sock", here=True), claims)) == []


def network(subnet: str) -> dict[str, Any]:
    return {"Labels": {}, "IPAM": {"Config": [{"Subnet": subnet}]}}


@pytest.mark.parametrize(("networks", "free"), [(29, 2), (30, 1), (31, 0)])
def test_used_up_addresses_are_told_before_the_last_tenant(networks: int, free: int) -> None:
    from components.docker.preflight import _DEFAULT_POOLS  # noqa: PLC0415

    subnets = [f"172.{second}.0.0/16" for second in range(17, 32)]
    subnets += [f"192.168.{third}.0/20" for third in range(0, 256, 16)]
    there = {subnet: network(subnet) for subnet in subnets[:networks]}
    problems = told(networks=there, pools=_DEFAULT_POOLS)
    if free >= 2:
        assert problems == []
    else:
        [problem] = problems
        assert f"has addresses for {free} more networks, and acme needs 2" in problem


def test_networks_that_are_there_need_no_addresses() -> None:
    there = {"acme-data": OURS, "acme-apps": OURS, "full": network("10.0.0.0/8")}
    assert told(networks=there) == []
    del there["acme-apps"]
    assert "acme needs 1" in told(networks=there)[0]


def test_a_pool_may_be_written_with_the_address_of_a_host() -> None:
    assert told(pools=[{"Base": "10.10.0.1/16", "Size": 24}]) == []


def test_all_problems_come_at_once() -> None:
    problems = told(
        containers={"acme-postgres": {}, "web": published(3002), "api": published(4002)},
        networks={"full": network("10.0.0.0/8")},
    )
    assert len(problems) == 4


FULL = Survey(HOST, volumes=dict.fromkeys(CLAIMS.volumes, OURS))


def test_data_of_another_state_is_refused_with_both_ways_out() -> None:
    with pytest.raises(DockerHostError) as raised:
        check_new_volume(FULL, "acme", "acme-postgres", {MARK: "new"})
    words = str(raised.value)
    assert "data of acme (acme-postgres acme-redis) that is not in the state" in words
    assert "pulumi stack import" in words
    assert "docker volume rm acme-postgres acme-redis" in words


def test_data_of_an_up_that_was_killed_is_its_own() -> None:
    labels = {**OURS["Labels"], MARK: "one"}
    found = Survey(HOST, volumes={"acme-redis": {"Labels": labels}})
    check_new_volume(found, "acme", "acme-redis", {MARK: "one"})
    check_new_volume(found, "acme", "acme-postgres", {MARK: "one"})
    with pytest.raises(DockerHostError):
        check_new_volume(found, "acme", "acme-redis", {MARK: "two"})


def test_another_host_needs_the_data() -> None:
    check_move(FULL, CLAIMS, "unix:///var/run/docker.sock")
    with pytest.raises(DockerHostError) as raised:
        check_move(Survey(HOST), CLAIMS, "ssh://one.example.com")
    words = str(raised.value)
    assert "acme is on ssh://one.example.com" in words
    assert "(acme-postgres, acme-redis) is not on tcp://two.example.com" in words
    assert "pulumi config set dockerHost ssh://one.example.com" in words


@pytest.mark.parametrize(("cause", "way_out"), [
    ("Host key verification failed.", "run `ssh -p 2222 deploy@two.example` once"),
    ("Connection refused", "compare host and port"),
    ("ssh: Could not resolve hostname two", "compare host and port"),
    ("deploy@two: Permission denied (publickey).", "load the private one into ssh-agent"),
    ("sh: 1: docker: not found", "the Docker CLI is not installed there"),
    ("permission denied while trying to connect to the Docker daemon", "group `docker`"),
    ("client version 1.44 is too new.", "25 or newer"),
    ("anything else", "pulumi config set dockerHost"),
])  # fmt: skip
def test_why_a_host_does_not_answer_over_ssh(cause: str, way_out: str) -> None:
    words = no_answer("ssh://deploy@two.example:2222", f"a banner\n{cause}")
    assert words.startswith(
        f"no Docker engine answers at ssh://deploy@two.example:2222 ({cause}): "
    )
    assert way_out in words


@pytest.mark.parametrize("address", ["unix:///var/run/docker.sock", "tcp://two.example.com:2375"])
@pytest.mark.parametrize(("cause", "way_out"), [
    ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "group `docker`"),
    ("client version 1.44 is too new.", "25 or newer"),
    ("Connection refused", "start it, or set another with `pulumi config set dockerHost`"),
])  # fmt: skip
def test_why_a_host_does_not_answer_at_a_socket(address: str, cause: str, way_out: str) -> None:
    assert way_out in no_answer(address, cause)


def test_an_engine_is_asked_for_all_of_it() -> None:
    containers = [
        {"Names": ["/acme-litellm"], "Labels": {}, "Ports": []},
        {"Names": None, "Id": "0123", "Labels": None, "Ports": None},
    ]
    pools = [{"Base": "fd00::/48", "Size": 64}, {"Base": "10.1.0.0/23", "Size": 24}]
    answers = {
        "containers/json": containers,
        "networks": [{"Name": "one", **network("10.1.0.0/24")}],
        "volumes": {"Volumes": None},
        "info": {"DefaultAddressPools": pools},
    }
    with stand_in(answers) as address, pytest.raises(DockerHostError) as raised:
        preflight(address, CLAIMS)
    foreign, pool = str(raised.value).splitlines()
    assert "container acme-litellm" in foreign
    assert "addresses for 1 more networks, and acme needs 2" in pool


def test_a_host_where_nothing_listens() -> None:
    with pytest.raises(DockerHostError) as raised:
        preflight("tcp://127.0.0.1:1", CLAIMS)
    assert str(raised.value) == (
        "no Docker engine answers at tcp://127.0.0.1:1 (Connection refused): start it,"
        " or set another with `pulumi config set dockerHost`"
    )
