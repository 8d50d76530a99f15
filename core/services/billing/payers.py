"""Payers: the key under which PocketBase keeps somebody's budget and usage."""

import re
from dataclasses import dataclass

from core.services.pocketbase import PocketBase

_ID = re.compile(r"[a-z0-9]{15}")


@dataclass(frozen=True)
class Payer:
    """A person, or an account or program that is nobody's.

    Attributes:
        key: the person's id, which is also the subject of their logins, or the account's name.
        email: the person's, if the tenant has such a person now.
        is_gone: whether it had one who was taken away.
    """

    key: str
    email: str = ""
    is_gone: bool = False

    @property
    def emails(self) -> dict[str, str]:
        """The person's by their key; nothing if it is nobody's."""
        return {self.key: self.email} if self.email else {}


async def find(pocketbase: PocketBase, tenant: str, user: str, *, subject: str = "") -> Payer:
    """The payer that an e-mail, a subject or a name stands for at this moment.

    A subject wins, for an address may be somebody else's by now. One that is not known here, such
    as another provider's, says nothing.

    Args:
        pocketbase: where people are.
        tenant: its slug.
        user: an e-mail, a subject or a name, in small letters.
        subject: a subject, if there is one.
    """
    found = await pocketbase.list(
        "users",
        "tenant.slug = {tenant} && (id = {subject} || id = {user} || email = {user})",
        {"tenant": tenant, "user": user, "subject": subject},
    )
    people = {person["id"]: person["email"] for person in found}
    for key in (subject, user):
        if key in people:
            return Payer(key, people[key])
        if await _is_gone(pocketbase, tenant, key):
            return Payer(key, is_gone=True)
    return next((Payer(*person) for person in people.items()), Payer(user))


async def _is_gone(pocketbase: PocketBase, tenant: str, key: str) -> bool:
    if not _ID.fullmatch(key):
        return False
    question = "tenant.slug = {tenant} && person = {key}"
    values = {"tenant": tenant, "key": key}
    return await pocketbase.find("former_emails", question, values) is not None
