"""A client of PocketBase, as the superuser of our services, or as somebody for whom it acts."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeAlias

import aiohttp

from core.services.settings import SUPERUSER

Record: TypeAlias = dict[str, Any]
Records: TypeAlias = list[Record]

_SECONDS = 10
_LONG_SECONDS = 600  # for what reads or writes the whole database
_PAGE = 1000  # records; PocketBase has no longer pages

# It writes one after the other anyway, and has 15 runtimes ready for its hooks: whoever of two
# services asks for more makes it build one for each request, which takes longer than to wait.
_AT_ONCE = 7


class PocketBaseError(Exception):
    """It did not do what it was asked for."""


class AwayError(PocketBaseError):
    """It did not answer, or has trouble of its own: the same may work later."""


class NotFoundError(PocketBaseError):
    """There is no such record, or not for the one who asks."""


class UnverifiedError(PocketBaseError):
    """Nobody has verified that the person's e-mail is theirs."""


class RefusedError(PocketBaseError):
    """It does not do that.

    Attributes:
        status: of the answer.
        fields: what is wrong with which field, by PocketBase's codes.
    """

    def __init__(self, status: int, message: str, fields: Mapping[str, str]) -> None:
        details = ", ".join(f"{name} {code}" for name, code in fields.items())
        super().__init__(f"{message} ({details})" if details else message)
        self.status = status
        self.fields = fields

    @property
    def is_taken(self) -> bool:
        """Whether there is such a record already."""
        return "validation_not_unique" in self.fields.values()


class PocketBase:
    """A client; close it by leaving its context.

    Whatever takes a `token` asks as the person whose token it is, and else as superuser. All raise
    a `PocketBaseError` of one of the kinds above.
    """

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._password = password
        self._token = ""
        self._logging_in = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def check_health(self) -> None:
        """Raise unless it answers, and us."""
        await self.list("tenants", per_page=1)

    async def list(
        self,
        collection: str,
        filter_: str = "",
        values: Mapping[str, str] = MappingProxyType({}),
        *,
        sort: str = "",
        expand: str = "",
        page: int = 1,
        per_page: int = _PAGE,
        token: str | None = None,
    ) -> Records:
        """Records of a page; `{name}` in the filter stands for the value of that name.

        Whatever is in the values, they stay values: PocketBase binds them. For anybody but
        superusers it does not, so that they are quoted.
        """
        bound = {f"value_{name}": value for name, value in values.items()} if token is None else {}
        names = {
            name: f"@request.query.value_{name}" if token is None else _quoted(value)
            for name, value in values.items()
        }
        question = {
            "filter": filter_.format_map(names),
            "sort": sort,
            "expand": expand,
            "page": str(page),
            "perPage": str(per_page),
            "skipTotal": "1",
        }
        answer = await self._ask("GET", _records(collection), token, params=question | bound)
        return list(answer["items"])

    async def list_all(
        self,
        collection: str,
        filter_: str = "",
        values: Mapping[str, str] = MappingProxyType({}),
        *,
        token: str | None = None,
    ) -> Records:
        """The records of all pages."""
        found: Records = []
        for page in itertools.count(1):
            part = await self.list(
                collection, filter_, values, sort="id", page=page, per_page=_PAGE, token=token
            )
            found += part
            if len(part) < _PAGE:
                break
        return found

    async def find(
        self,
        collection: str,
        filter_: str = "",
        values: Mapping[str, str] = MappingProxyType({}),
        *,
        expand: str = "",
        token: str | None = None,
    ) -> Record | None:
        """The one record that a filter is about, if it is there."""
        found = await self.list(collection, filter_, values, expand=expand, per_page=1, token=token)
        return found[0] if found else None

    async def find_by_key(self, collection: str, key: Mapping[str, str]) -> Record | None:
        """The one record whose fields have the values of a key, if it is there."""
        filter_ = " && ".join(f"{name} = {{{name}}}" for name in key)
        return await self.find(collection, filter_, key)

    async def create(
        self, collection: str, fields: Mapping[str, object], *, token: str | None = None
    ) -> Record:
        """Make a record, and return it as it is."""
        return await self._record("POST", _records(collection), token, json=fields)

    async def update(
        self, collection: str, id_: str, fields: Mapping[str, object], *, token: str | None = None
    ) -> Record:
        """Change fields of a record, and return it as it is."""
        return await self._record("PATCH", _records(collection, id_), token, json=fields)

    async def find_or_create(
        self, collection: str, key: Mapping[str, str], fields: Mapping[str, object]
    ) -> Record:
        """The one record with a key, made now if there is none; many may want it at once."""
        if found := await self.find_by_key(collection, key):
            return found
        try:
            return await self.create(collection, {**key, **fields})
        except RefusedError as error:
            found = await self.find_by_key(collection, key) if error.is_taken else None
            if found is None:
                raise
            return found

    async def put(
        self, collection: str, key: Mapping[str, str], fields: Mapping[str, object]
    ) -> Record:
        """The one record with a key, made or changed so that it has these fields."""
        record = await self.find_or_create(collection, key, fields)
        if all(record.get(name) == value for name, value in fields.items()):
            return record
        return await self.update(collection, record["id"], fields)

    async def delete(self, collection: str, id_: str) -> None:
        """Take a record away; of many who do so at once, one gets no `NotFoundError`."""
        await self._ask("DELETE", _records(collection, id_), None)

    async def check_password(self, email: str, password: str) -> Record | None:
        """The person whose e-mail and password these are, if they are anybody's.

        It is asked as superuser, so that people do not share one address's limit of attempts; for
        superusers PocketBase does not look at the rule that a person must be verified.

        Raises:
            UnverifiedError: the person is not.
        """
        path = "/api/collections/users/auth-with-password"
        given = {"identity": email, "password": password}
        try:
            person = dict((await self._ask("POST", path, None, json=given))["record"])
        except RefusedError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            return None
        if not person["verified"]:
            raise UnverifiedError("The person is not verified.")
        return person

    async def impersonate(self, user: str, seconds: int) -> str:
        """A token of a person by their id, which ends after a while."""
        path = f"/api/collections/users/impersonate/{user}"
        answer = await self._ask("POST", path, None, json={"duration": seconds})
        return str(answer["token"])

    async def post(self, path: str, body: bytes) -> Any:
        """The answer of one of our hooks to JSON."""
        return await self._ask("POST", path, None, data=body)

    async def call(self, path: str, fields: Mapping[str, str]) -> Any:
        """The answer of one of our hooks, however long it takes."""
        timeout = aiohttp.ClientTimeout(total=_LONG_SECONDS)
        return await self._ask("POST", path, None, json=fields, timeout=timeout)

    async def back_up(self, name: str) -> None:
        """Make a backup, a file of that name."""
        await self.call("/api/backups", {"name": name})

    async def _record(self, method: str, path: str, token: str | None, **options: Any) -> Record:
        return dict(await self._ask(method, path, token, **options))

    async def _ask(self, method: str, path: str, token: str | None, **options: Any) -> Any:
        if token is not None:
            return await self._send(method, path, token, **options)
        used = self._token or await self._log_in_after("")
        try:
            return await self._send(method, path, used, **options)
        except RefusedError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            return await self._send(method, path, await self._log_in_after(used), **options)

    async def _log_in_after(self, used: str) -> str:
        """A token that is not the one that was used; of many who need it, one logs in."""
        async with self._logging_in:
            if self._token == used:
                path = "/api/collections/_superusers/auth-with-password"
                given = {"identity": SUPERUSER, "password": self._password}
                try:
                    self._token = str((await self._send("POST", path, json=given))["token"])
                except RefusedError as error:
                    raise AwayError(f"PocketBase does not know us: {error}") from None
            return self._token

    async def _send(self, method: str, path: str, token: str = "", **options: Any) -> Any:
        self._session = self._session or aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            connector=aiohttp.TCPConnector(limit=_AT_ONCE),
        )
        headers = {"Authorization": token} if token else {}
        try:
            async with self._session.request(
                method, self._url + path, headers=headers, **options
            ) as response:
                return _understood(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AwayError(f"PocketBase does not answer: {type(error).__name__}") from None


def _records(collection: str, id_: str = "") -> str:
    return f"/api/collections/{collection}/records" + (f"/{id_}" if id_ else "")


def _quoted(value: str) -> str:
    """A value as it is written in a filter: nothing but a quote is escaped there."""
    if value.endswith("\\"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a filter cannot say a \\ at the end", {})
    return "'" + value.replace("'", "\\'") + "'"


def _understood(status: int, body: bytes) -> Any:
    if status == HTTPStatus.NO_CONTENT:
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        raise AwayError("PocketBase's answer is not JSON") from None
    if status < HTTPStatus.BAD_REQUEST:
        return answer
    message = str(answer.get("message"))
    if status == HTTPStatus.NOT_FOUND:
        raise NotFoundError(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AwayError(message)
    fields = {name: str(problem["code"]) for name, problem in answer.get("data", {}).items()}
    raise RefusedError(status, message, fields)
