"""Makes the first admin as at the first start: `python3 -m chat.first_admin`.

It changes the database alone, because it is needed when nobody can log in. It has what the chat's
own process has.
"""

import os
import time
from uuid import uuid4

import bcrypt
import psycopg

_FIND = 'SELECT id FROM "user" WHERE email = %(email)s'

# Without a second factor, which may be what is lost, and with all sessions at their end.
_MAKE = (
    """
    INSERT INTO "user" (id, email, name, role, profile_image_url, created_at, updated_at,
        last_active_at)
    VALUES (%(id)s, %(email)s, %(name)s, 'admin', '/user.png', %(now)s, %(now)s, %(now)s)
    ON CONFLICT (id) DO UPDATE SET role = 'admin'
    """,
    """
    INSERT INTO auth (id, email, password, active, session_stamp)
    VALUES (%(id)s, %(email)s, %(password)s, true, %(stamp)s)
    ON CONFLICT (id) DO UPDATE SET password = excluded.password, active = true, mfa = NULL,
        session_stamp = excluded.session_stamp
    """,
)


def main() -> None:
    """Let the first admin log in with the password that the stack exports."""
    password = os.environ["WEBUI_ADMIN_PASSWORD"].encode()
    values = {
        "email": os.environ["WEBUI_ADMIN_EMAIL"].lower(),
        "name": os.environ["WEBUI_ADMIN_NAME"],
        "password": bcrypt.hashpw(password, bcrypt.gensalt()).decode(),
        "stamp": str(uuid4()),
        "now": int(time.time()),
    }
    url = os.environ["DATABASE_URL"].replace("postgresql+psycopg:", "postgresql:", 1)
    with psycopg.connect(url) as database:
        found = database.execute(_FIND, values).fetchone()
        values["id"] = found[0] if found else str(uuid4())
        for statement in _MAKE:
            database.execute(statement, values)
    print(f"{values['email']} is an admin again, with the password that the stack exports.")


if __name__ == "__main__":
    main()
