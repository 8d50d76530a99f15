"""Keys of tenants: a new one, and the one before it until the tenant came with the new one."""

import hashlib
import hmac
from collections.abc import Mapping

from core.services.pocketbase import PocketBase


def is_same(given: str, right: str) -> bool:
    """Whether a secret is the right one; none is never."""
    return bool(right) and hmac.compare_digest(given.encode(), right.encode())


class Credentials:
    """The keys of one kind, of all tenants.

    Args:
        field: of the record of a tenant, where the newest key that came is remembered.
        newest: by tenant.
        previous: by tenant, where there is one that may still count.
    """

    def __init__(self, field: str, newest: Mapping[str, str], previous: Mapping[str, str]) -> None:
        self._field = field
        self._newest = newest
        self._previous = previous
        self._came: set[str] = set()

    async def tenant_of(self, pocketbase: PocketBase, given: str) -> str | None:
        """The slug of the tenant whose key it is."""
        # All of them, however early one fits: the time tells nothing.
        newest = [slug for slug, right in self._newest.items() if is_same(given, right)]
        previous = [slug for slug, right in self._previous.items() if is_same(given, right)]
        for slug in newest:
            await self._remember(pocketbase, slug)
            return slug
        for slug in previous:
            return None if await self._has_come(pocketbase, slug) else slug
        return None

    async def _remember(self, pocketbase: PocketBase, slug: str) -> None:
        if slug in self._previous and not await self._has_come(pocketbase, slug):
            tenant = await pocketbase.find_by_key("tenants", {"slug": slug})
            if tenant:
                fields = {self._field: self._fingerprint(slug)}
                await pocketbase.update("tenants", tenant["id"], fields)

    async def _has_come(self, pocketbase: PocketBase, slug: str) -> bool:
        """Whether the tenant has used its newest key before, to whichever process."""
        if slug not in self._came:
            tenant = await pocketbase.find_by_key("tenants", {"slug": slug})
            if tenant and tenant[self._field] == self._fingerprint(slug):
                self._came.add(slug)
        return slug in self._came

    def _fingerprint(self, slug: str) -> str:
        return hashlib.sha256(self._newest[slug].encode()).hexdigest()
