"""What was used, on its way to PocketBase."""

from core.services.billing.contract import EVENTS, ApiError, Event
from core.services.pocketbase import AwayError, PocketBase, RefusedError


async def log(pocketbase: PocketBase, given: Event | list[Event]) -> dict[str, object]:
    """Log what was not logged before, and say what can not be.

    Raises:
        ApiError: the person of a single event is not known.
    """
    events = given if isinstance(given, list) else [given]
    try:
        # The hook in core/pocketbase/hooks/usage.pb.js.
        body = EVENTS.dump_json(events, by_alias=True)
        refused = set((await pocketbase.post("/api/core/log-usage", body))["refused"])
    except RefusedError as error:
        # The events follow the contract, so something else is wrong, and they wait for its end.
        raise AwayError(f"PocketBase does not log: {error}") from None
    if refused and isinstance(given, Event):
        raise ApiError(404, _unknown(given))
    unknown = [event for event in events if event.request_id in refused]
    return {
        "refused": [
            {"request_id": event.request_id, "message": _unknown(event)} for event in unknown
        ]
    }


def _unknown(event: Event) -> str:
    return f"{event.user_id} is not known to the billing."
