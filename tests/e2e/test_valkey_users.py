"""Each part's user in Valkey does what the part needs, and nothing else."""

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from components.services import litellm, openwebui, redis_exporter
from components.services.redis import PUBLIC_USERS
from images.catalog import load_catalog
from tests.e2e.project import free_ports
from tests.e2e.waiting import until

USERS = {
    user.name: user.rules
    for module in (litellm, openwebui, redis_exporter)
    for user in module.VALKEY_USERS
}
PASSWORDS = {user: secrets.token_hex(16) for user in USERS}

MAY: dict[str, list[tuple[str, ...]]] = {
    "litellm": [
        ("SET", "litellm:answer", "1", "EX", "60"),
        ("GET", "litellm:answer"),
        ("INCRBYFLOAT", "litellm:count", "1"),
        ("MGET", "litellm:a", "litellm:b"),
        ("EVAL", "return redis.call('INCR', KEYS[1])", "1", "litellm:window"),
        ("EVAL", "return redis.call('TIME')", "0"),
        ("PING",),
    ],
    "ledger": [
        ("HINCRBY", "money:budget:ann", "spent", "1"),
        ("XADD", "money:outbox", "*", "id", "1"),
        ("FUNCTION", "LOAD", "REPLACE", "#!lua name=ledger\nredis.register_function('f', function()"
         " return redis.call('GET', 'money:generation') end)"),
        ("FCALL", "f", "0"),
        ("PING",),
    ],
    "openwebui": [
        ("SELECT", "1"),
        ("SET", "open-webui:auth:token:1:revoked", "1", "EX", "60"),
        ("HSET", "open-webui:session_pool", "a", "b"),
        ("PUBLISH", "socketio", "x"),
        ("PUBLISH", "open-webui:tasks:commands", "x"),
        ("EVAL", "return redis.call('GET', KEYS[1])", "1", "open-webui:lock"),
    ],
    "redis-exporter": [
        ("PING",),
        ("INFO", "all"),
        ("CLIENT", "SETNAME", "redis_exporter"),
        ("LATENCY", "LATEST"),
        ("LATENCY", "HISTOGRAM"),
        ("SLOWLOG", "LEN"),
    ],
    "health": [("PING",)],
}  # fmt: skip

NOBODY_MAY: list[tuple[str, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "default", "on", "nopass", "allkeys", "allcommands"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("SAVE",),
    ("REPLICAOF", "example.com", "6379"),
    ("MODULE", "LIST"),
    ("FUNCTION", "DELETE", "ledger"),
    ("FUNCTION", "FLUSH"),
    ("SWAPDB", "0", "1"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("SORT", "litellm:x", "BY", "money:*"),
    ("RANDOMKEY",),
    ("DBSIZE",),
    ("SUBSCRIBE", "other"),
    ("PUBLISH", "other", "x"),
]

OWN = {"litellm": "litellm:a", "ledger": "money:totals", "openwebui": "open-webui:a"}


LIBRARY = (
    "#!lua name=ledger\nredis.register_function('both', function()"
    " redis.call('SET', 'money:one', '1') redis.call('SET', 'money:two', '2') end)"
)


@pytest.fixture(scope="module")
def port(valkey: tuple[Container, str, int]) -> tuple[str, int]:
    return valkey[1:]


@pytest.fixture(scope="module")
def valkey(engine: DockerClient, bridge: str) -> Iterator[tuple[Container, str, int]]:
    [port] = free_ports(1, address=bridge)
    lines = [
        f"user {user} on >{PASSWORDS[user]} resetchannels {rules}" for user, rules in USERS.items()
    ]
    config = "\n".join([PUBLIC_USERS, *lines, f"port {port}", "bind * -::*"])
    config += "\ndir /tmp\nappendonly yes\nappendfsync always"
    container = engine.containers.run(
        load_catalog("built").running["redis"].reference,
        ["sh", "-c", 'printf "%s" "$0" >/tmp/conf && exec valkey-server /tmp/conf', config],
        ports={f"{port}/tcp": (bridge, port)},
        user="65534:65534",
        detach=True,
    )
    try:
        until(lambda: _answers(bridge, port), seconds=20)
        yield container, bridge, port
    finally:
        container.remove(force=True)


def _answers(host: str, port: int) -> bool:
    try:
        return bool(Redis(host=host, port=port, username="health", password="").ping())
    except RedisError:
        return False


@pytest.fixture(params=MAY)
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def redis(port: tuple[str, int], user: str) -> Iterator[Any]:
    host, number = port
    with Redis(host=host, port=number, username=user, password=PASSWORDS.get(user, "")) as client:
        yield client


def test_a_user_does_what_its_part_needs(redis: Any, user: str) -> None:
    for command in MAY[user]:
        redis.execute_command(*command)


def test_nobody_reaches_settings_other_parts_or_everything(redis: Any) -> None:
    assert [command for command in NOBODY_MAY if not is_refused(redis, command)] == []


@pytest.mark.parametrize("owner", OWN)
def test_no_user_reads_or_writes_the_keys_of_another(redis: Any, user: str, owner: str) -> None:
    key = OWN[owner]
    commands = [("HGET", key, "a"), ("HSET", key, "a", "1"), ("XRANGE", key, "-", "+")]
    if user == owner:
        redis.execute_command("HSET", key, "a", "1")
        return
    if user in ("litellm", "openwebui"):
        script = f"return redis.call('HSET', '{key}', 'a', '1')"
        commands.append(("EVAL", script, "0"))
        commands.append(("COPY", OWN[user], key))
        commands.append(("RENAME", key, OWN[user]))
    assert [command for command in commands if not is_refused(redis, command)] == []


def is_refused(redis: Any, command: tuple[str, ...]) -> bool:
    """Whether the rules of the user forbid a command."""
    try:
        redis.execute_command(*command)
    except NoPermissionError:
        return True
    except ResponseError as error:  # a script tells of its command
        return "ACL" in str(error) or "permission" in str(error)
    return False


@pytest.mark.parametrize("login", [
    {}, {"password": ""}, {"username": "default", "password": ""},
    {"username": "litellm", "password": PASSWORDS["openwebui"]},
])  # fmt: skip
def test_nobody_gets_in_without_a_password_of_their_own(
    port: tuple[str, int], login: dict[str, str]
) -> None:
    host, number = port
    with Redis(host=host, port=number, **login) as client, pytest.raises(AuthenticationError):  # type: ignore[arg-type]
        client.ping()


ANSWER_SECONDS = 3600


@pytest.mark.parametrize(("more", "survive"), [(ANSWER_SECONDS + 1, True), (0, False)])
def test_marks_of_ended_logins_outlive_cached_answers(
    engine: DockerClient, bridge: str, more: int, survive: bool
) -> None:
    """As `chat/sessions.py` writes them, and, for comparison, as Open WebUI does."""
    [port] = free_ports(1, address=bridge)
    container = engine.containers.run(
        load_catalog("built").running["redis"].reference,
        ["valkey-server", "--port", str(port), "--protected-mode", "no", "--save", "",
         "--maxmemory", "16mb", "--maxmemory-policy", "volatile-ttl"],
        ports={f"{port}/tcp": (bridge, port)},
        user="65534:65534",
        detach=True,
    )  # fmt: skip
    try:
        answers: Any = Redis(host=bridge, port=port)
        marks: Any = Redis(host=bridge, port=port, db=1)
        until(partial(_pings, answers), seconds=20)
        for number in range(200):
            left = 10 + number * 10  # seconds until the token ends by itself
            marks.set(f"open-webui:auth:token:{number}:revoked", "1", ex=left + more)
        for number in range(4000):
            answers.set(f"litellm:{number}", "x" * 10_000, ex=ANSWER_SECONDS - number % 1000)
        assert answers.info("stats")["evicted_keys"] > 1000
        assert (marks.dbsize() == 200) == survive
    finally:
        container.remove(force=True)


def _pings(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def test_what_a_function_wrote_outlives_a_kill(valkey: tuple[Container, str, int]) -> None:
    container, host, port = valkey

    def ledger() -> Any:
        return Redis(host=host, port=port, username="ledger", password=PASSWORDS["ledger"])

    with ledger() as redis:
        redis.execute_command("FUNCTION", "LOAD", "REPLACE", LIBRARY)
        redis.fcall("both", 0)
    container.kill()
    container.start()
    until(lambda: _answers(host, port), seconds=20)
    with ledger() as redis:
        assert [redis.get(name) for name in ("money:one", "money:two")] == [b"1", b"2"]


@pytest.mark.parametrize(("name", "password"), [
    (None, None), (None, "anything"), ("default", None), ("default", ""), ("default", "anything"),
])  # fmt: skip
def test_nobody_is_the_default_user(
    port: tuple[str, int], name: str | None, password: str | None
) -> None:
    host, number = port
    with (
        Redis(host=host, port=number, username=name, password=password) as redis,
        pytest.raises(AuthenticationError),
    ):
        redis.ping()
