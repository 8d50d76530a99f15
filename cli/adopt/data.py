"""The data of the template's chat, which become those of a tenant that is up."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from docker.models.containers import Container
from docker.types import Mount

from backup.plan import Source
from cli.adopt.template import Template
from cli.container_files import pack
from cli.restore.exchange import Exchange, Manifest
from cli.restore.helper import Helper
from cli.restore.one_off import ENVIRONMENT, backup_image
from cli.restore.recovery import program_of, reading
from cli.running import RunningStack, environment_of
from images.catalog import ImageSource
from schema.errors import UserError

_OLD = "/old"
_CHAT = "openwebui"
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"

# Connections, tools and functions run code or lead elsewhere; the tenant's file says how people log
# in.
_CLEAN = """
DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['app', 'automation', 'automation_run', 'channel_webhook', 'config',
      'function', 'function_history', 'oauth_session', 'tool', 'tool_history'] LOOP
    IF to_regclass(name) IS NOT NULL THEN EXECUTE format('DELETE FROM %I', name); END IF;
  END LOOP;
END $$
"""

_SOURCES = (
    Source(service="postgres", kind="databases", databases=[_CHAT], on_restore={_CHAT: _CLEAN}),
    Source(service=_CHAT, kind="files"),
)


@dataclass(frozen=True, kw_only=True)
class OldData:
    """The data of a deployment of the template.

    Attributes:
        template: the deployment, on the Docker host of the tenant.
        stack: the tenant that they go to.
        images: source of the image that reads them.
        report: tells whoever waits.
    """

    template: Template
    stack: RunningStack
    images: ImageSource
    report: Callable[[str], None]

    def move(self) -> Manifest:
        """Copy the data into the tenant; the old ones are only read.

        Returns:
            Counts, and the names of the old settings.

        Raises:
            UserError: it did not work; old and new data are as they were.
        """
        self._check_rest()
        self._check_new()
        exchange = self._exchange
        moved = exchange.replace(lambda: self._fetch(exchange.helper))
        exchange.forget()
        return moved

    def _fetch(self, helper: Helper) -> Manifest:
        fetched: Manifest = json.loads(helper.run("adopt", self.template.database))
        return fetched

    def _check_rest(self) -> None:
        """See that nobody writes into the old chat meanwhile."""
        for service in (_CHAT, "litellm"):
            if found := self._running(service):
                raise UserError(f"{found[0].name} of the template runs: stop it first")

    def _check_new(self) -> None:
        question = "SELECT count(*) FROM chat"
        command = ["psql", "-XqAt", "-d", _CHAT, "-c", question]
        if self.stack.execute(self.stack.existing("postgres"), command).strip() != "0":
            raise UserError(
                f"{self.stack.slug} has chats already, and they would go: adopt into a new tenant"
            )

    @property
    def _exchange(self) -> Exchange:
        postgres = self._old_postgres
        return Exchange(
            stack=self.stack,
            sources=_SOURCES,
            helper=Helper(
                stack=self.stack,
                services=[source.service for source in _SOURCES],
                image=backup_image(self.stack.client, self.images),
                archives={"/": pack(program_of(reading("")))},
                mounts=[_mount(self.template.chat_volume)],
                network=f"container:{postgres.id}",
                environment=[*ENVIRONMENT, *_login(postgres)],
            ),
            report=self.report,
            foreign=True,
        )

    @property
    def _old_postgres(self) -> Container:
        found = self._running("postgres")
        if not found:
            raise UserError(
                f"no container of the service postgres of the project {self.template.project} runs"
                f" on {self.stack.address}: start it, for its data are read through it"
            )
        return found[0]

    def _running(self, service: str) -> list[Container]:
        labels = [f"{_PROJECT}={self.template.project}", f"{_SERVICE}={service}"]
        return self.stack.client.containers.list(filters={"label": labels})


def _mount(volume: str) -> Mount:
    if volume.startswith("/"):
        return Mount(_OLD, volume, type="bind", read_only=True)
    return Mount(_OLD, volume, read_only=True)


def _login(postgres: Container) -> list[str]:
    """Variables of PostgreSQL's clients inside the old network, as its image was given them."""
    given = environment_of(postgres)
    user = given.get("POSTGRES_USER", "postgres")
    password = given.get("POSTGRES_PASSWORD", "")
    return ["PGHOST=127.0.0.1", f"PGUSER={user}", f"PGPASSWORD={password}"]
