# SPDX-License-Identifier: Apache-2.0
"""A policy on another machine, in the place of an :class:`igrft.policies.serving.Agent`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from igrft import __version__
from igrft.config import ConfigError, parse
from igrft.method.temperature import TemperatureConfig
from igrft.policies import wire
from igrft.policies.protocol import PolicyError, PolicySpec
from igrft.policies.real_time_chunking import Committed
from igrft.types import ActionChunk, Observation


@dataclass(frozen=True, kw_only=True)
class RemoteConfig:
    """Where the server is.

    Attributes:
        url: ws://host:port, or wss:// behind a proxy that encrypts.
        token: what the server printed when it listens beyond its own machine.
        timeout: [s] for a chunk, and for a connection.
        load_timeout: [s] for loading a checkpoint.
    """

    url: str
    token: str = ''
    timeout: float = 2.0
    load_timeout: float = 300.0

    def __post_init__(self) -> None:
        if not self.url.startswith(('ws://', 'wss://')):
            raise ValueError(f"the policy server's address begins with ws:// or wss://, not '{self.url}'")
        if min(self.timeout, self.load_timeout) <= 0:
            raise ValueError('timeouts must be positive [s]')

    @classmethod
    def read(cls, url: str, token_file: str, timeout: float) -> RemoteConfig:
        """With the token in a file, '' for none.

        Raises:
            PolicyError: the file cannot be read.
            ValueError: no address.
        """
        try:
            token = Path(token_file).expanduser().read_text(encoding='utf-8').strip() if token_file else ''
        except OSError as error:
            raise PolicyError(f'server_token_file: {token_file}: {error.strerror}') from error
        return cls(url=url, token=token, timeout=timeout)


def check(hello: dict[str, Any], expect: dict[str, Any]) -> PolicySpec:
    """The spec of what a server serves.

    Args:
        hello: its greeting.
        expect: what the robot needs: any of action_dim, proprio_dim, cameras, step_dt.

    Raises:
        PolicyError: another protocol or version, or a policy for another robot; names the field.
    """
    if hello.get('protocol') != wire.PROTOCOL:
        raise PolicyError(f'it speaks protocol {hello.get("protocol")}, here {wire.PROTOCOL} is spoken; update igrft')
    if str(hello.get('version')).split('.')[:2] != __version__.split('.')[:2]:
        raise PolicyError(f'it runs igrft {hello.get("version")}, here {__version__} runs; install the same')
    if not hello.get('checkpoint'):
        raise PolicyError('it serves no checkpoint yet')
    try:
        spec = parse(hello.get('spec', {}), PolicySpec, 'its spec')
    except ConfigError as error:
        raise PolicyError(str(error)) from error
    for name, wanted in expect.items():
        if getattr(spec, name) != wanted:
            raise PolicyError(f'its policy has {name} {getattr(spec, name)!r}, here {wanted!r} is needed')
    return spec


class RemoteAgent:
    """Asks a server for chunks over one connection, and connects again after a failure.

    Attributes:
        checkpoint: id of what the server serves. spec: what that was made for.
    """

    def __init__(
        self,
        config: RemoteConfig,
        expect: dict[str, Any],
        checkpoint: str = '',
        temperature: TemperatureConfig | None = None,
    ) -> None:
        """Connect, and have the server load a checkpoint.

        Args:
            config: where.
            expect: what the robot needs, see :func:`check`.
            checkpoint: its id; '' takes what the server serves.
            temperature: constants of 𝒯(s), the robot's.

        Raises:
            PolicyError: it cannot be reached, refuses, or serves something that does not fit.
        """
        self._config = config
        self._expect = expect
        self._temperature = temperature or TemperatureConfig()
        self._connection: ClientConnection | None = None
        self.checkpoint = checkpoint
        self.spec = self._greet()

    def act(
        self,
        observations: Sequence[Observation],
        generators: Sequence[torch.Generator] | None = None,
        fixed_temperature: float | None = None,
        committed: Committed | None = None,
    ) -> list[ActionChunk]:
        """One chunk an observation, see :meth:`igrft.policies.serving.Agent.act`.

        Raises:
            PolicyError: no answer in time, or the connection is lost; the next call connects again.
        """
        chunks = []
        for index, observation in enumerate(observations):
            generator = generators[index] if generators else None
            seed = int(torch.randint(2**62, (1,), generator=generator))
            request = wire.pack_act(observation, seed, fixed_temperature, committed, self._temperature)
            if self._connection is None:
                self.spec = self._greet()
            chunks.append(wire.unpack_chunk(*self._ask(request, self._config.timeout, 'chunk')))
        return chunks

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _greet(self) -> PolicySpec:
        config = self._config
        headers = {'Authorization': f'Bearer {config.token}'} if config.token else {}
        try:
            self._connection = connect(
                config.url,
                additional_headers=headers,
                open_timeout=config.timeout,
                close_timeout=0.2,
                max_size=wire.MAX_SIZE,
                compression=None,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise PolicyError(
                f'policy server {config.url}: cannot be reached: {error}; start it there with `igrft policies serve`'
            ) from error
        try:
            hello = self._receive(config.timeout, 'hello')[0]
            if self.checkpoint and hello.get('checkpoint') != self.checkpoint:
                hello = self._ask(wire.pack('load', checkpoint=self.checkpoint), config.load_timeout, 'hello')[0]
            spec = check(hello, self._expect)
        except PolicyError as error:
            self.close()
            raise PolicyError(
                str(error) if config.url in str(error) else f'policy server {config.url}: {error}'
            ) from error
        self.checkpoint = str(hello['checkpoint'])
        return spec

    def _ask(self, request: bytes, timeout: float, kind: str) -> tuple[dict[str, Any], Any]:
        assert self._connection is not None
        try:
            self._connection.send(request)
        except (OSError, ConnectionClosed) as error:
            raise self._lost(error) from error
        return self._receive(timeout, kind)

    def _receive(self, timeout: float, kind: str) -> tuple[dict[str, Any], Any]:
        assert self._connection is not None
        try:
            return wire.unpack(self._connection.recv(timeout), kind)
        except TimeoutError as error:
            self.close()
            raise PolicyError(f'policy server {self._config.url}: no answer within {timeout:g} s') from error
        except (OSError, ConnectionClosed) as error:
            raise self._lost(error) from error
        except wire.WireError as error:
            raise PolicyError(f'policy server {self._config.url}: {error}') from error

    def _lost(self, error: Exception) -> PolicyError:
        self.close()
        return PolicyError(f'policy server {self._config.url}: the connection is lost ({error}); the arm holds')
