# SPDX-License-Identifier: Apache-2.0
"""An agent at work, and the threads around it."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from igrft.method.critic import Critic, CriticConfig
from igrft.method.temperature import TemperatureConfig
from igrft.policies.protocol import Policy, PolicyError
from igrft.policies.server import PolicyServer, Swap
from igrft.policies.serving import Agent
from igrft.types import ActionChunk, Observation

WAIT = 30.0
"""[s] after which a test gives up on a thread; none takes nearly as long."""


@pytest.fixture
def agent(make_policy: Callable[..., Policy]) -> Agent:
    policy = make_policy()
    critic = Critic(policy.critic_dim, CriticConfig(hidden=8))
    return Agent(policy, critic, TemperatureConfig(sigma_base=0.9, alpha=0.8, sigma_min=0.1), 'first')


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_chunk_tells_what_it_was_made_from(agent: Agent, observation: Observation) -> None:
    (chunk,) = agent.act([observation], [seeded()])
    assert chunk.stamp == observation.stamp and chunk.checkpoint == 'first' and chunk.dt == 0.1
    assert 0 < chunk.interaction_probability < 1 and np.isfinite(chunk.value)
    assert chunk.temperature == pytest.approx(0.9 * (1 - 0.8 * chunk.interaction_probability) + 0.1, rel=1e-5)
    assert agent.act([observation], [seeded()], 0.3)[0].temperature == pytest.approx(0.3)


def test_without_a_critic_value_and_interaction_are_unknown(agent: Agent, observation: Observation) -> None:
    (chunk,) = replace(agent, critic=None).act([observation], [seeded()])
    assert np.isnan(chunk.value) and np.isnan(chunk.interaction_probability)
    assert chunk.temperature == pytest.approx(1.0)


def test_observations_in_a_batch_do_not_disturb_each_other(agent: Agent, observation: Observation) -> None:
    other = replace(observation, proprio=observation.proprio + 1)
    both = agent.act([observation, other], [seeded(1), seeded(2)])
    alone = agent.act([other], [seeded(2)])
    np.testing.assert_allclose(both[1].actions, alone[0].actions, atol=1e-5)


def test_what_does_not_fit_is_refused_by_name(agent: Agent, observation: Observation) -> None:
    with pytest.raises(PolicyError, match="no image of camera 'wrist'"):
        agent.act([replace(observation, images={'front': observation.images['front']})])
    with pytest.raises(PolicyError, match=r'proprio has shape \[3\], the policy takes \[17\]'):
        agent.act([replace(observation, proprio=np.zeros(3, np.float32))])
    gray = {name: image[..., 0] for name, image in observation.images.items()}
    with pytest.raises(PolicyError, match="camera 'front': expected an RGB image"):
        agent.act([replace(observation, images=gray)])


class Bench:
    """A server whose callbacks end in queues, and whose checkpoints are agents by name."""

    def __init__(self, agents: dict[str, Agent]) -> None:
        self.chunks: queue.Queue[ActionChunk] = queue.Queue()
        self.errors: queue.Queue[str] = queue.Queue()
        self.swaps: queue.Queue[Swap] = queue.Queue()
        self.agents = agents
        self.server = PolicyServer(self._load, self.chunks.put, self.errors.put, self.swaps.put)

    def _load(self, path: Path) -> Agent:
        if path.name not in self.agents:
            raise ValueError(f'{path}: not a checkpoint')
        return self.agents[path.name]

    def load(self, name: str) -> Swap:
        self.server.load(Path(name))
        return self.swaps.get(timeout=WAIT)

    def chunk(self, observation: Observation) -> ActionChunk:
        self.server.submit(observation)
        return self.chunks.get(timeout=WAIT)


def test_episodes_of_one_seed_repeat_and_checkpoints_swap(agent: Agent, observation: Observation) -> None:
    second = replace(agent, checkpoint='second')
    bench = Bench({'first': agent, 'second': second})
    try:
        assert bench.load('first') == Swap(Path('first'), 'first', '')
        runs = []
        for _ in range(2):
            bench.server.seed(5)
            runs.append([bench.chunk(observation).actions for _ in range(3)])
        np.testing.assert_array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0][0], runs[0][1])

        refused = bench.load('nonsense')
        assert refused.problem == 'nonsense: not a checkpoint' and bench.server.checkpoint == 'first'
        assert bench.chunk(observation).checkpoint == 'first'
        assert bench.load('second').id == 'second'
        assert bench.chunk(observation).checkpoint == 'second'
    finally:
        bench.server.close()


def test_a_first_checkpoint_that_is_not_there_yet_is_tried_again(agent: Agent) -> None:
    swaps: queue.Queue[Swap] = queue.Queue()
    tries = iter((ValueError('not reachable'), ValueError('not reachable'), agent))

    def load(path: Path) -> Agent:
        found = next(tries)
        if isinstance(found, ValueError):
            raise found
        return found

    server = PolicyServer(load, lambda chunk: None, lambda text: None, swaps.put, retry=0.001)
    try:
        server.load(Path('first'))
        problems = [swaps.get(timeout=WAIT).problem for _ in range(3)]
        assert problems == ['not reachable', 'not reachable', ''] and server.checkpoint == 'first'
    finally:
        server.close()


def test_a_bad_observation_is_told_and_the_server_lives(agent: Agent, observation: Observation) -> None:
    bench = Bench({'first': agent})
    try:
        bench.load('first')
        bench.server.submit(replace(observation, proprio=np.zeros(3, np.float32)))
        assert 'proprio has shape' in bench.errors.get(timeout=WAIT)
        assert bench.chunk(observation).checkpoint == 'first'
    finally:
        bench.server.close()


def test_whatever_an_agent_raises_the_server_lives(agent: Agent, observation: Observation) -> None:
    class Full(Agent):
        def act(self, observations, *arguments):
            if observations[0].stamp:
                raise RuntimeError('CUDA out of memory')
            return super().act(observations, *arguments)

    full = Full(agent.policy, agent.critic, agent.temperature, 'full')
    bench = Bench({'first': agent, 'full': full})
    try:
        assert bench.load('full').id == 'full'
        bench.server.submit(replace(observation, stamp=1.0))
        assert bench.errors.get(timeout=WAIT) == 'RuntimeError: CUDA out of memory'
        assert bench.chunk(replace(observation, stamp=0.0)).checkpoint == 'full'
        bench.agents['broken'] = None
        assert 'AttributeError' in bench.load('broken').problem and bench.server.checkpoint == 'full'
        assert bench.load('first').id == 'first'
    finally:
        bench.server.close()


def test_actions_that_are_not_finite_are_never_given(agent: Agent, observation: Observation) -> None:
    agent.policy.normalisation.action_mean.fill_(float('nan'))
    bench = Bench({'first': agent})
    try:
        bench.load('first')
        bench.server.submit(observation)
        assert 'not finite' in bench.errors.get(timeout=WAIT)
        assert bench.chunks.empty()
    finally:
        bench.server.close()
