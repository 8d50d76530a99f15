"""The gateway stays among the connections, where the tenant's file lets admins add others."""

from typing import Any

_URLS, _KEYS = "openai.api_base_urls", "openai.api_keys"


def with_gateway(
    urls: list[str], keys: list[str], gateway: str, key: str
) -> tuple[list[str], list[str]]:
    """Addresses and keys with the gateway's, whose key may have been replaced."""
    known = dict(zip(urls, [*keys, *[""] * len(urls)], strict=False)) | {gateway: key}
    return list(known), list(known.values())


async def keep_gateway(settings: Any) -> None:
    """Put the gateway's address and key among those that an admin stored."""
    [gateway], [key] = settings.default_value(_URLS), settings.default_value(_KEYS)
    urls, keys = with_gateway(
        await settings.get(_URLS, []), await settings.get(_KEYS, []), gateway, key
    )
    await settings.upsert({_URLS: urls, _KEYS: keys})
