"""A server of this process, for tests of what stands in front of an application."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    @contextmanager
    def running(self) -> Iterator[int]:
        """Run in a thread of its own; gives the port."""
        thread = threading.Thread(target=self.run)
        thread.start()
        while not self.started:
            time.sleep(0.01)
        try:
            yield self.servers[0].sockets[0].getsockname()[1]
        finally:
            self.should_exit = True
            thread.join()
