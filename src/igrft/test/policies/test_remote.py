# SPDX-License-Identifier: Apache-2.0
"""A policy over the network: the same chunks, its health, and every way in which it may be gone or not fit."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.method.temperature import TemperatureConfig
from igrft.policies import network, wire
from igrft.policies.network import PolicyService
from igrft.policies.protocol import Policy, PolicyError
from igrft.policies.remote import RemoteAgent, RemoteConfig
from igrft.policies.serving import Agent, committed
from igrft.types import Observation

TOKEN = 'a-token-of-the-operator'
EXPECT = {'action_dim': 7, 'proprio_dim': 17, 'cameras': ('front', 'wrist'), 'step_dt': 0.1}


@pytest.fixture
def agent(make_policy: Callable[..., Policy]) -> Agent:
    return Agent(make_policy(), checkpoint='first')


class Served:
    """A service in a thread; `close` ends it, `start` begins it anew on the same port."""

    def __init__(self, agents: dict[str, Agent], first: str | None, token: str = '') -> None:
        self.agents, self.token = agents, token
        self.port = 0
        self.start(first)

    def _load(self, name: str) -> Agent:
        if name not in self.agents:
            raise ValueError(f'checkpoint {name} is not on this machine')
        return self.agents[name]

    def start(self, first: str | None) -> None:
        known = lambda given: given == self.token  # noqa: E731
        agent = self.agents[first] if first else None
        self.service = PolicyService(self._load, '127.0.0.1', self.port, known, agent)
        self.port = self.service.port
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()

    def close(self) -> None:
        self.service.close()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def config(self, **more: Any) -> RemoteConfig:
        return RemoteConfig(url=f'ws://127.0.0.1:{self.port}', token=self.token, **{'timeout': 10.0, **more})


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(*arguments: Any, **more: Any) -> Served:
        running.append(Served(*arguments, **more))
        return running[-1]

    yield start
    for one in running:
        one.close()


def test_a_remote_chunk_is_the_local_one(agent: Agent, observation: Observation, serve: Callable[..., Served]) -> None:
    remote = RemoteAgent(serve({'first': agent}, 'first').config(), EXPECT)
    assert remote.checkpoint == 'first' and remote.spec == agent.spec
    (chunk,) = remote.act([observation], [torch.Generator().manual_seed(4)], 0.7)
    seed = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(4)))
    (local,) = agent.act([observation], [torch.Generator().manual_seed(seed)], 0.7)
    np.testing.assert_array_equal(chunk.actions, local.actions)
    # without a critic NaN, which is unlike itself
    known = {'inference_time': 0.0, 'value': 0.0, 'interaction_probability': 0.0, 'disagreement': 0.0}
    assert replace(chunk, actions=local.actions, **known) == replace(local, **known)
    assert np.isnan(chunk.value), 'no critic yet'
    # The temperature's constants are the robot's.
    cold = RemoteAgent(remote._config, EXPECT, '', TemperatureConfig(sigma_base=0.25, sigma_min=0.0))
    assert cold.act([observation])[0].temperature == pytest.approx(0.25)
    cold.close()
    # What runs meanwhile is continued there as here.
    meanwhile = committed(replace(local, stamp=observation.stamp - 0.2), observation.stamp, 0.25, 5.0)
    (after,) = remote.act([observation], [torch.Generator().manual_seed(4)], 0.7, meanwhile)
    np.testing.assert_allclose(after.actions[:3], local.actions[2:5], atol=1e-6)
    remote.close()


def test_health_and_token(agent: Agent, serve: Callable[..., Served]) -> None:
    served = serve({'first': agent}, 'first', token=TOKEN)
    url = f'http://127.0.0.1:{served.port}/healthz'
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10)
    assert refused.value.code == 401
    request = urllib.request.Request(url, headers={'Authorization': f'Bearer {TOKEN}'})
    with urllib.request.urlopen(request, timeout=10) as answer:
        health = json.load(answer)
    assert (health['checkpoint'], health['policy'], health['served']) == ('first', 'compact_flow', 0)
    page = urllib.request.Request(url, headers={'Authorization': f'Bearer {TOKEN}', 'Origin': 'http://a.page'})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(page, timeout=10)
    assert refused.value.code == 403
    with pytest.raises(PolicyError, match=r'cannot be reached: .*401'):
        RemoteAgent(replace(served.config(), token='not-the-token'), EXPECT)
    RemoteAgent(served.config(), EXPECT).close()


def test_what_does_not_fit_is_refused_by_name(
    agent: Agent, serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve({'first': agent}, 'first')
    with pytest.raises(PolicyError, match=r'policy server ws://.*: its policy has action_dim 7, here 14 is needed'):
        RemoteAgent(served.config(), {**EXPECT, 'action_dim': 14})
    with pytest.raises(PolicyError, match='checkpoint second is not on this machine'):
        RemoteAgent(served.config(), EXPECT, 'second')
    monkeypatch.setattr(network, '__version__', '9.0.0')
    with pytest.raises(PolicyError, match=r'it runs igrft 9.0.0, here .* runs; install the same'):
        RemoteAgent(served.config(), EXPECT)
    monkeypatch.undo()
    monkeypatch.setattr(network.wire, 'PROTOCOL', 99)
    with monkeypatch.context() as patch:
        patch.setattr('igrft.policies.remote.wire', type('Wire', (), {**vars(wire), 'PROTOCOL': 1}))
        with pytest.raises(PolicyError, match='it speaks protocol 99, here 1 is spoken'):
            RemoteAgent(served.config(), EXPECT)


def test_a_server_without_a_checkpoint_says_so_and_loads_one(agent: Agent, serve: Callable[..., Served]) -> None:
    served = serve({'first': agent}, None)
    with pytest.raises(urllib.error.HTTPError) as unwell:
        urllib.request.urlopen(f'http://127.0.0.1:{served.port}/healthz', timeout=10)
    assert unwell.value.code == 503
    with pytest.raises(PolicyError, match='it serves no checkpoint yet'):
        RemoteAgent(served.config(), EXPECT)
    remote = RemoteAgent(served.config(), EXPECT, 'first')
    assert remote.checkpoint == 'first'
    remote.close()


def test_a_lost_server_is_an_error_and_a_new_one_is_found(
    agent: Agent, observation: Observation, serve: Callable[..., Served]
) -> None:
    served = serve({'first': agent}, 'first')
    remote = RemoteAgent(served.config(), EXPECT)
    remote.act([observation])
    served.close()
    with pytest.raises(PolicyError, match=r'the connection is lost .*the arm holds'):
        remote.act([observation])
    with pytest.raises(PolicyError, match=r'cannot be reached: .*igrft policies serve'):
        remote.act([observation])
    served.start('first')
    assert remote.act([observation])[0].checkpoint == 'first'
    remote.close()


def test_an_answer_that_does_not_come_is_given_up(
    agent: Agent, observation: Observation, serve: Callable[..., Served]
) -> None:
    answer = threading.Event()

    class Slow(Agent):
        def act(self, *arguments: Any) -> Any:
            answer.wait(30)
            return super().act(*arguments)

    served = serve({'slow': Slow(agent.policy, checkpoint='slow')}, 'slow')
    remote = RemoteAgent(served.config(), EXPECT)
    object.__setattr__(remote._config, 'timeout', 0.05)
    try:
        with pytest.raises(PolicyError, match=r'no answer within 0.05 s'):
            remote.act([observation])
    finally:
        answer.set()
        remote.close()


def test_a_bad_message_is_answered_and_the_connection_goes_on(
    agent: Agent, observation: Observation, serve: Callable[..., Served]
) -> None:
    remote = RemoteAgent(serve({'first': agent}, 'first').config(), EXPECT)
    with pytest.raises(PolicyError, match=r'proprio has shape \[3\]'):
        remote.act([replace(observation, proprio=np.zeros(3, np.float32))])
    assert remote._connection is not None
    for rubbish in (b'', b'\xff' * 40, wire.pack('dance'), wire.pack('act', seed=1), 'words'):
        remote._connection.send(rubbish)
        with pytest.raises(wire.WireError):
            wire.unpack(remote._connection.recv(10), 'chunk')
    assert remote.act([observation])[0].checkpoint == 'first'
    remote.close()


def test_a_port_in_use_is_named(agent: Agent, serve: Callable[..., Served]) -> None:
    served = serve({'first': agent}, 'first')
    with pytest.raises(OSError, match=rf'127.0.0.1:{served.port}: cannot listen there: .*--port {served.port + 1}'):
        PolicyService(lambda name: agent, '127.0.0.1', served.port, lambda given: True)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_a_refusal(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(data, 'act', 'load')


def test_addresses_are_judged() -> None:
    with pytest.raises(ValueError, match='begins with ws://'):
        RemoteConfig(url='http://gpu:8765')
    with pytest.raises(PolicyError, match='server_token_file: /none: No such file'):
        RemoteConfig.read('ws://gpu:8765', '/none', 2.0)
