# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint's folder to what acts: its policy on this machine, or on a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from igrft.method.temperature import TemperatureConfig
from igrft.policies.protocol import device_named
from igrft.policies.serving import Actor, Agent
from igrft.training import checkpoint as checkpoints


@dataclass(frozen=True, kw_only=True)
class AgentSource:
    """Loads checkpoints for one robot.

    Attributes:
        spec: what the robot needs, see :func:`igrft.training.checkpoint.load`.
        temperature: constants of 𝒯(s).
        draws: whose spread a chunk tells, see :class:`.Agent`.
        device: what a policy here computes on.
        server: ws://host:port of a policy server; '' computes here.
        token_file: file with the server's token, '' for none.
        timeout: [s] in which the server must answer.
    """

    spec: dict[str, Any]
    temperature: TemperatureConfig = TemperatureConfig()
    draws: int = 0
    device: str = 'cpu'
    server: str = ''
    token_file: str = ''
    timeout: float = 2.0

    @classmethod
    def of(cls, spec: dict[str, Any], parameters: Any) -> AgentSource:
        """From the parameters of ``policy_node``."""
        p = parameters
        return cls(
            spec=spec,
            temperature=TemperatureConfig(sigma_base=p.sigma_base, alpha=p.alpha, sigma_min=p.sigma_min),
            draws=p.disagreement_draws,
            device=p.device,
            server=p.server,
            token_file=p.server_token_file,
            timeout=p.server_timeout,
        )

    def __call__(self, path: Path) -> Actor:
        """The agent of a checkpoint folder; of a server, the one of that folder's name, or what it serves for ''.

        Raises:
            CheckpointError, PolicyError: why not.
        """
        if self.server:
            from igrft.policies.remote import RemoteAgent, RemoteConfig

            config = RemoteConfig.read(self.server, self.token_file, self.timeout)
            return RemoteAgent(config, self.spec, path.name, self.temperature)
        found = checkpoints.load(path, self.spec)
        policy = found.policy.to(device_named(self.device))
        return Agent(policy, found.critic, self.temperature, found.id, self.draws)
