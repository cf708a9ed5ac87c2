# SPDX-License-Identifier: Apache-2.0
"""Inference beside whatever must never wait for it: one thread acts, another loads the next checkpoint.

A new agent is loaded and warmed up while the old one serves, and takes over between two inferences.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from igrft.policies.protocol import PolicySpec
from igrft.policies.real_time_chunking import Committed
from igrft.policies.serving import Actor
from igrft.types import ActionChunk, Observation

Loader = Callable[[Path], Actor]
"""Reads a checkpoint folder; raises ValueError with a text for the user where it cannot."""


@dataclass(frozen=True, slots=True)
class Swap:
    """What came of loading a checkpoint.

    Attributes:
        path: its folder. id: '' where it was refused. problem: why, '' where it was not.
    """

    path: Path
    id: str
    problem: str


def blank_observation(spec: PolicySpec, instruction: str = '') -> Observation:
    """A black picture and zeros, to warm up on."""
    image = np.zeros((spec.image_size, spec.image_size, 3), np.uint8)
    return Observation(0.0, dict.fromkeys(spec.cameras, image), np.zeros(spec.proprio_dim, np.float32), instruction)


def _told(error: Exception) -> str:
    """Errors with a text for the user say it; of others the type tells where to look."""
    return str(error) if isinstance(error, ValueError | OSError) else f'{type(error).__name__}: {error}'


class PolicyServer:
    """Threads around an :class:`igrft.policies.serving.Agent`, or a remote one.

    ``on_chunk``, ``on_error`` and ``on_swap`` are called from the server's threads.
    """

    def __init__(
        self,
        load: Loader,
        on_chunk: Callable[[ActionChunk], None],
        on_error: Callable[[str], None],
        on_swap: Callable[[Swap], None],
        retry: float | None = None,
    ) -> None:
        """Start the threads.

        Args:
            load: of a checkpoint.
            on_chunk: told of every chunk.
            on_error: told why there is none.
            on_swap: told what came of loading.
            retry: [s] after which a first checkpoint that could not be loaded is tried again; None does not.
        """
        self._retry = retry
        self._load = load
        self._on_chunk = on_chunk
        self._on_error = on_error
        self._on_swap = on_swap
        self._wake = threading.Condition()
        self._stopping = False
        self._agent: Actor | None = None
        self._next: Actor | None = None
        self._observation: tuple[Observation, float | None, Committed | None] | None = None
        self._seed: int | None = None
        self._to_load: list[tuple[Path, Callable[[Swap], None] | None]] = []
        self._threads = [
            threading.Thread(target=self._serve, name='inference', daemon=True),
            threading.Thread(target=self._keep_loading, name='checkpoint loader', daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def checkpoint(self) -> str:
        """Id of the checkpoint that serves now, or is about to; '' without one."""
        agent = self._next or self._agent
        return agent.checkpoint if agent else ''

    def seed(self, seed: int) -> None:
        """Begin an episode: the noise of its chunks depends on ``seed`` alone. Drops an unanswered observation."""
        with self._wake:
            self._seed, self._observation = seed, None
            self._wake.notify_all()

    def submit(
        self,
        observation: Observation,
        fixed_temperature: float | None = None,
        committed: Committed | None = None,
    ) -> None:
        """Ask for a chunk (see :meth:`Actor.act`). An older observation that was not begun on is forgotten."""
        with self._wake:
            self._observation = observation, fixed_temperature, committed
            self._wake.notify_all()

    def load(self, path: Path, done: Callable[[Swap], None] | None = None) -> None:
        """Load a checkpoint in the background; ``done`` and then ``on_swap`` hear of it."""
        with self._wake:
            self._to_load.append((path, done))
            self._wake.notify_all()

    def close(self) -> None:
        """End both threads."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(10.0)
        for agent in (self._agent, self._next):
            if agent is not None:
                agent.close()

    def _serve(self) -> None:
        generator = torch.Generator()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._seed is not None or self._ready())
                if self._stopping:
                    return
                if self._seed is not None:
                    generator.manual_seed(self._seed)
                    self._seed = None
                    continue
                if self._next is not None:
                    if self._agent is not None:
                        self._agent.close()
                    self._agent, self._next = self._next, None
                agent, job = self._agent, self._observation
                self._observation = None
            assert agent is not None and job is not None
            try:
                chunk = agent.act([job[0]], [generator], job[1], job[2])[0]
            except Exception as error:  # noqa: BLE001 (a GPU out of memory, a defect of a policy: the next request is served)
                self._on_error(_told(error))
                continue
            if np.isfinite(chunk.actions).all():
                self._on_chunk(chunk)
            else:
                self._on_error(f'checkpoint {agent.checkpoint} gave actions that are not finite; nothing was published')

    def _ready(self) -> bool:
        return self._observation is not None and (self._agent is not None or self._next is not None)

    def _keep_loading(self) -> None:
        failed: Path | None = None
        while True:
            with self._wake:
                news = lambda: self._stopping or bool(self._to_load)  # noqa: E731
                asked = self._wake.wait_for(news, None if failed is None else self._retry)
                if self._stopping:
                    return
                path, done = self._to_load.pop(0) if asked else (failed, None)
            assert path is not None
            swap = self._try(path)
            failed = path if swap.problem and self._retry is not None and not self.checkpoint else None
            if done is not None:
                done(swap)
            self._on_swap(swap)

    def _try(self, path: Path) -> Swap:
        try:
            agent = self._load(path)
            agent.act([blank_observation(agent.spec)], [torch.Generator()])
        except Exception as error:  # noqa: BLE001 (whatever a checkpoint does, the one that serves goes on)
            return Swap(path, '', _told(error))
        with self._wake:
            self._next = agent
            self._wake.notify_all()
        return Swap(path, agent.checkpoint, '')
