# SPDX-License-Identifier: Apache-2.0
"""The web server in a thread of its own, beside whatever the main thread does."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading

import uvicorn

from igrft.console.access import Access, is_loopback
from igrft.console.app import create_app
from igrft.console.bridge import Bridge
from igrft.console.recordings import Recordings
from igrft.console.records import Records
from igrft.devices.mapping import TeleopMapper

GRACE = 1
"""[s] in which open connections may end."""


class AddressError(OSError):
    """The address cannot be listened on; the text says what to do."""


class ConsoleServer:
    """Listens from the moment it is made, so that a port in use is known at start; answers after :meth:`start`.

    Args:
        bridge: the robot's side.
        recordings: the recorded episodes.
        records: what the trainer left on disk.
        pad: how the on-screen pad drives the arm, None: not at all.
        host: address to listen on.
        port: 0 takes a free one.
        token: what browsers must know; '' makes one where the address is not loopback.

    Raises:
        AddressError: the port is in use, or the address is not this machine's.
        ValueError: the token is too short.
    """

    def __init__(
        self,
        bridge: Bridge,
        recordings: Recordings,
        records: Records,
        pad: TeleopMapper | None = None,
        host: str = '127.0.0.1',
        port: int = 8080,
        token: str = '',
    ) -> None:
        self._socket = _listen(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        try:
            self.access = Access.for_address(host, self.port, token)
        except ValueError:
            self._socket.close()
            raise
        config = uvicorn.Config(
            create_app(bridge, self.access, recordings, records, pad),
            log_level='warning',
            access_log=False,
            lifespan='off',
            # A browser whose network is gone stops costing pictures after some seconds.
            ws_ping_interval=5.0,
            ws_ping_timeout=5.0,
            ws_max_size=1024,
            timeout_graceful_shutdown=GRACE,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name='console', daemon=True)

    @property
    def url(self) -> str:
        """What to open, with the token where one is needed."""
        host = socket.gethostname() if self.host in ('0.0.0.0', '::') else self.host
        host = f'[{host}]' if ':' in host else host
        query = f'?token={self.access.token}' if self.access.token else ''
        return f'http://{host}:{self.port}/{query}'

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach it."""
        return not is_loopback(self.host)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End all connections and the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=GRACE + 2.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise AddressError(f"host '{host}': {error.strerror}; use one of this machine, e.g. 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = (
                f'port {port} on {host} is in use, perhaps by another console; choose another: port:={port + 1} '
                f'(of a launch file: console_port:={port + 1})'
            )
        else:
            text = f'{host}:{port}: {error.strerror}; choose another host or port'
        raise AddressError(text) from error
    return listener
