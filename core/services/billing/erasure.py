"""Erases a tenant: `python3 -m core.services.billing.erasure SLUG`, inside the Billing API."""

import asyncio
import sys

from core.services.billing.owners import erase_tenant
from core.services.pocketbase import PocketBase, PocketBaseError
from core.services.settings import billing_secrets, settings


async def _erase(slug: str) -> str:
    async with PocketBase(settings().pocketbase_url, billing_secrets().pocketbase_password) as each:
        tenant = await each.find_by_key("tenants", {"slug": slug})
        if tenant is None:
            return f"Nothing of {slug} is there."
        erased = await erase_tenant(each, tenant)
    return "Erased: " + ", ".join(f"{count} {name}" for name, count in erased.items())


def main(slug: str) -> None:
    """Erase a tenant with its people, budgets and usage."""
    try:
        print(asyncio.run(_erase(slug)))
    except PocketBaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
