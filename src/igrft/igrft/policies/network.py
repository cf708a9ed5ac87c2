# SPDX-License-Identifier: Apache-2.0
"""The policy as a server on a GPU machine: WebSocket messages of :mod:`.wire`, and ``GET /healthz``."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import torch
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from igrft import __version__
from igrft.config import as_dict
from igrft.policies import wire
from igrft.policies.server import blank_observation
from igrft.policies.serving import Agent


class PolicyService:
    """Serves one agent to any number of clients, one inference at a time.

    Args:
        load: from a checkpoint's id to an agent; raises ValueError with a text for the client.
        host: address to listen on.
        port: 0 takes a free one.
        knows_token: whether what a client presents is the token.
        agent: to begin with.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        load: Callable[[str], Agent],
        host: str,
        port: int,
        knows_token: Callable[[str], bool],
        agent: Agent | None = None,
    ) -> None:
        self._load = load
        self._knows_token = knows_token
        self._agent = agent
        self._busy = threading.Lock()
        self._loading = threading.Lock()
        self.served = 0
        """Chunks since start."""
        try:
            self._server = serve(
                self._converse,
                host,
                port,
                process_request=self._admit,
                max_size=wire.MAX_SIZE,
                compression=None,
                # A robot that is gone is noticed, and its thread ends.
                ping_interval=5.0,
                ping_timeout=5.0,
            )
        except OSError as error:
            hint = f'; choose another port, e.g. --port {port + 1}' if error.errno == errno.EADDRINUSE else ''
            raise OSError(f'{host}:{port}: cannot listen there: {error.strerror}{hint}') from error
        self.port = int(self._server.socket.getsockname()[1])

    def run(self) -> None:
        """Answer until :meth:`close` is called from another thread or a signal handler."""
        self._server.serve_forever()

    def close(self) -> None:
        """End :meth:`run`."""
        self._server.shutdown()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who does not know the token, answer /healthz, let the rest through to the WebSocket."""
        scheme, _, given = request.headers.get('Authorization', '').partition(' ')
        if not self._knows_token(given if scheme.lower() == 'bearer' else ''):
            return connection.respond(HTTPStatus.UNAUTHORIZED, 'the token is missing or wrong\n')
        if request.headers.get('Origin') is not None:
            return connection.respond(HTTPStatus.FORBIDDEN, 'no web page has business here\n')
        if request.path == '/healthz':
            status = HTTPStatus.OK if self._agent is not None else HTTPStatus.SERVICE_UNAVAILABLE
            about = {key: value for key, value in self._about().items() if key != 'spec'}
            return connection.respond(status, json.dumps(about | {'served': self.served}) + '\n')
        return None

    def _about(self) -> dict[str, Any]:
        agent = self._agent
        return {
            'protocol': wire.PROTOCOL,
            'version': __version__,
            'checkpoint': agent.checkpoint if agent else '',
            'policy': agent.policy.name if agent else '',
            'spec': as_dict(agent.spec) if agent else {},
        }

    def _converse(self, connection: ServerConnection) -> None:
        try:
            connection.send(wire.pack('hello', **self._about()))
            for data in connection:
                try:
                    answer = self._answer(data)
                except ValueError as error:
                    answer = wire.pack('error', text=str(error))
                connection.send(answer)
        except ConnectionClosed:
            return

    def _answer(self, data: bytes | str) -> bytes:
        values, arrays = wire.unpack(data, 'act', 'load')
        if values['kind'] == 'load':
            with self._loading:
                self._swap(str(values.get('checkpoint', '')))
            return wire.pack('hello', **self._about())
        if self._agent is None:
            raise ValueError('it serves no checkpoint yet')
        observation, seed, temperature, meanwhile, constants = wire.unpack_act(values, arrays)
        with self._busy:
            generator = torch.Generator().manual_seed(seed)
            agent = replace(self._agent, temperature=constants)
            chunk = agent.act([observation], [generator], temperature, meanwhile)[0]
            self.served += 1
        return wire.pack_chunk(chunk)

    def _swap(self, name: str) -> None:
        if self._agent is not None and name in ('', self._agent.checkpoint):
            return
        agent = self._load(name)
        # Warmed up beside the one that still serves: the first inference takes the longest.
        agent.act([blank_observation(agent.spec)], [torch.Generator()])
        self._agent = agent
