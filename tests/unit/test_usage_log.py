"""That single events share transactions of PocketBase, and nothing else."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.services.billing.contract import ApiError, Event
from core.services.billing.usage import UsageLog
from core.services.pocketbase import AwayError, PocketBase, RefusedError


class FakePocketBase(PocketBase):
    """It knows everybody but Eve, and refuses whatever has the model `bad` in it."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.written: list[list[str]] = []
        self.away = False

    async def post(self, path: str, body: bytes) -> Any:
        assert path == "/api/core/log-usage"
        events = json.loads(body)
        self.written.append([event["request_id"] for event in events])
        await asyncio.sleep(0.01)
        if self.away:
            raise AwayError("PocketBase does not answer")
        if any(event["model"] == "bad" for event in events):
            raise RefusedError(400, "no", {})
        return {"refused": [event["request_id"] for event in events if event["user"] == "eve"]}


def event(number: int, user: str = "ann", model: str = "m") -> Event:
    return Event(
        tenant_id="blue",
        user_id=user,
        model=model,
        request_id=str(number),
        tokens_input=4,
        tokens_output=3,
        cost_total="1",
        response_time=250,
        ended_at="2026-01-02T03:04:05.678Z",
        status="success",
        estimated=False,
    )


def run(work: Callable[[UsageLog, FakePocketBase], Awaitable[None]]) -> None:
    async def with_log() -> None:
        pocketbase = FakePocketBase()
        await work(UsageLog(pocketbase), pocketbase)

    asyncio.run(with_log())


def answers(log: UsageLog, *events: Event | list[Event]) -> Awaitable[list[Any]]:
    return asyncio.gather(*(log.add(each) for each in events), return_exceptions=True)


def test_what_comes_during_a_transaction_shares_the_next() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        first = asyncio.create_task(log.add(event(0)))
        await asyncio.sleep(0.005)
        assert await answers(log, *map(event, range(1, 9))) == [{"refused": []}] * 8
        assert await first == {"refused": []}
        assert pocketbase.written == [["0"], list("12345678")]

    run(work)


def test_each_is_told_of_its_own_person() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        ann, eve = await answers(log, event(1), event(2, "eve"))
        assert ann == {"refused": []}
        assert isinstance(eve, ApiError)
        assert (eve.status, str(eve)) == (404, "eve is not known to the billing.")
        assert pocketbase.written == [["1", "2"]]

    run(work)


def test_one_that_cannot_be_logged_keeps_no_other_from_it() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        good, bad = await answers(log, event(1), event(2, model="bad"))
        assert good == {"refused": []}
        assert isinstance(bad, AwayError)
        assert pocketbase.written == [["1", "2"], ["1"], ["2"]]

    run(work)


def test_a_list_is_a_transaction_of_its_own() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        await answers(log, [event(1), event(2)], event(3), [event(4)])
        assert sorted(pocketbase.written) == [["1", "2"], ["3"], ["4"]]

    run(work)


def test_whoever_gives_up_waiting_takes_nothing_from_the_others() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        impatient = asyncio.create_task(log.add(event(1)))
        patient = asyncio.create_task(log.add(event(2)))
        await asyncio.sleep(0.005)
        impatient.cancel()
        assert await patient == {"refused": []}
        assert pocketbase.written == [["1", "2"]]

    run(work)


def test_after_a_failure_it_goes_on() -> None:
    async def work(log: UsageLog, pocketbase: FakePocketBase) -> None:
        pocketbase.away = True
        with pytest.raises(AwayError):
            await log.add(event(1))
        pocketbase.away = False
        assert await log.add(event(1)) == {"refused": []}

    run(work)
