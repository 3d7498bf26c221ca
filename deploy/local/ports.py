"""Free ports on the loopback address."""

import os
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

HOST = "127.0.0.1"
# Below the range from which systems pick the near end of outgoing connections: a client's own port cannot take ours between choice and use.
FIRST_PORT = 20_000
LAST_PORT = 32_000
TRIES_MAX = 200
ATTEMPTS_MAX = 3

Started = TypeVar("Started")

# Nothing may listen yet where a port was given out a moment ago; a second process sent there would be taken for the first.
given_out: set[int] = set()


class PortTaken(RuntimeError):
    """Somebody else listens on the port that was chosen or asked for."""


def choose_port(variable: str) -> int:
    """The port that the environment asks for in `variable`, or a free one."""
    if wanted := os.environ.get(variable):
        if not is_free(int(wanted)):
            raise PortTaken(f"{variable}={wanted} is in use. End the program that listens there, or choose another port.")
        return int(wanted)
    for _ in range(TRIES_MAX):
        port = random.randint(FIRST_PORT, LAST_PORT)  # noqa: S311  a port is no secret
        if port not in given_out and is_free(port):
            given_out.add(port)
            return port
    raise PortTaken(f"No free port found in {TRIES_MAX} tries between {FIRST_PORT} and {LAST_PORT}.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


async def retry_when_taken(attempt: Callable[[], Awaitable[Started]]) -> Started:
    """Run an attempt that chooses a port and starts to listen on it; a port taken in between is chosen anew."""
    for _ in range(ATTEMPTS_MAX - 1):
        with suppress(PortTaken):
            return await attempt()
    return await attempt()
