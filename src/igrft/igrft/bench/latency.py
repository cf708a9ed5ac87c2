# SPDX-License-Identifier: Apache-2.0
"""What slow inference does to the arm: three executors on the same runs, with the latency injected.

The policy is the exact flow to a mixture of two ways round an obstacle, left and right, so no training decides the
result; which way is open to choose as long as the tool is near the middle. Executors, safety filter and temperature are
those of the robot; time is simulated at the control rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from igrft.config import LimitsConfig
from igrft.control.chunks import ChunkConfig, ChunkExecutor
from igrft.control.safety import SafetyFilter
from igrft.policies.flow import FlowPolicy
from igrft.policies.normalisation import Normalisation
from igrft.policies.protocol import Inputs, PolicySpec
from igrft.policies.serving import Agent, committed
from igrft.types import ActionChunk, Float32, Observation

Float64 = npt.NDArray[np.float64]

SPEC = PolicySpec(action_dim=7, proprio_dim=3, cameras=('front',), image_size=1, horizon=16, step_dt=0.1)
CONTROL_DT = 0.02
"""[s]"""
FORWARD = 0.1
"""[m/s]"""
SIDEWAYS = 0.15
"""[m/s] amplitude of the way round"""
PERIOD = 4.0
"""[s] of the way round"""
SPREAD = 0.07
"""[standard deviations of the action] of either way"""
DECIDED = 0.01
"""[m] off the middle at which the other way is e times less probable"""
EXECUTORS = ('synchronous', 'asynchronous', 'real-time chunking')
"""Waits for each chunk; goes on with the running chunk and blends; and also draws the new one to continue it."""


class TwoWays(FlowPolicy):
    """The exact flow to ½ N(left, SPREAD²) + ½ N(right, SPREAD²). Proprioception: x, y [m] and the time [s]."""

    name = 'two_ways'
    caches_features = False

    def __init__(self) -> None:
        super().__init__()
        self.spec, self.feature_dim = SPEC, 1
        self.normalisation = Normalisation(SPEC.proprio_dim, SPEC.action_dim)
        self.normalisation.action_mean[0] = FORWARD
        self.normalisation.action_scale[:6] = SIDEWAYS / 2**0.5

    def config_dict(self) -> dict[str, Any]:
        return {}

    def prepare(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Both ways [B, 2, H, A], normalised, and the logarithms of their probabilities [B, 2]."""
        y, time = inputs.proprio[:, 1], inputs.proprio[:, 2]
        steps = time[:, None] + SPEC.step_dt * torch.arange(SPEC.horizon)
        ways = torch.zeros(len(inputs), 2, SPEC.horizon, SPEC.action_dim)
        ways[..., 0] = FORWARD
        for index, side in enumerate((-1.0, 1.0)):
            ways[:, index, :, 1] = side * SIDEWAYS * torch.sin(2 * torch.pi / PERIOD * steps)
        odds = torch.stack([-y, y], -1) / (2 * DECIDED)
        return self.normalisation.actions(ways), odds.log_softmax(-1)

    def velocity(self, noisy: Tensor, tau: Tensor, context: tuple[Tensor, Tensor]) -> Tensor:
        ways, log_odds = context
        t = tau[:, None, None, None]
        variance = (1 - t).square() + (SPREAD * t).square()
        off = noisy[:, None] - t * ways
        share = (log_odds - (off.square() / (2 * variance)).sum((-1, -2))).softmax(-1)[..., None, None]
        action = ways + t * SPREAD**2 / variance * off
        noise = (1 - t) / variance * off
        return (share * (action - noise)).sum(1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one executor.

    Attributes:
        stalled: share of the ticks after the first chunk in which nothing is commanded.
        step: largest change of the commanded velocity from tick to tick, in units of what the rate limit lets through.
        lag: mean age of the observation behind a command [s].
        forward: distance covered, as a share of what the policy asks for.
        limited: share of the ticks after the first that the safety filter changed.
    """

    stalled: float
    step: float
    lag: float
    forward: float
    limited: float


class Synchronous:
    """The baseline: stand, compute, execute the first steps of the chunk from its beginning, stand again."""

    def __init__(self, replan_steps: int) -> None:
        self._steps = replan_steps
        self._chunk: ActionChunk | None = None
        self._since = 0.0
        self._asked = False

    latency = 0.0
    running: float | None = None

    def request(self, now: float) -> bool:
        due = self._chunk is None or now - self._since >= self._steps * self._chunk.dt - 1e-6
        if self._asked or not due:
            return False
        self._chunk, self._asked = None, True
        return True

    def offer(self, chunk: ActionChunk, now: float) -> str:
        self._chunk, self._since, self._asked = chunk, now, False
        return ''

    def action(self, now: float) -> Float32 | None:
        if self._chunk is None:
            return None
        action: Float32 = self._chunk.actions[int((now - self._since + 1e-6) / self._chunk.dt)]
        return action


class Asynchronous(ChunkExecutor):
    """The robot's own executor."""

    def action(self, now: float) -> Float32 | None:
        step = self.step(now)
        return None if step is None else step.action


def run(executor: str, latency: float, seconds: float, seed: int, limits: LimitsConfig, guidance: float = 10.0) -> Run:
    """Drive one run; every answer comes ``latency`` · U(0.9, 1.1) after its request."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    agent = Agent(TwoWays())
    driver: Synchronous | Asynchronous = Synchronous(replan_steps=2)
    if executor != 'synchronous':
        driver = Asynchronous(
            ChunkConfig(action_dim=7, step_dt=SPEC.step_dt, replan_steps=2, blend_time=0.1, prefetch=True)
        )
    safety = SafetyFilter(replace(limits, workspace_min=(-9.0, -9.0, -9.0), workspace_max=(9.0, 9.0, 9.0)))
    image = np.zeros((1, 1, 3), np.uint8)
    position, drawn = np.zeros(3), None
    answer: tuple[float, ActionChunk] | None = None
    last: Float64 = np.zeros(3)
    steps, lags, stalled, started, limited = [0.0], [], 0, 0, 0
    newest: ActionChunk | None = None
    for tick in range(round(seconds / CONTROL_DT)):
        now = tick * CONTROL_DT
        if answer is not None and now >= answer[0] - 1e-9:
            if not driver.offer(answer[1], now):
                newest = answer[1]
            answer = None
        if driver.request(now):
            seen = Observation(now, {'front': image}, np.array([position[0], position[1], now], np.float32), '')
            meanwhile = None
            if executor == 'real-time chunking' and driver.running is not None:
                meanwhile = committed(newest, now, driver.latency, guidance)
            drawn = agent.act([seen], [generator], 1.0, meanwhile)[0]
            answer = now + latency * rng.uniform(0.9, 1.1), drawn
        action = driver.action(now)
        wanted = np.zeros(3) if action is None else action[:3].astype(np.float64)
        if newest is not None:
            started += 1
            stalled += action is None
            steps.append(float(np.linalg.norm(wanted - last)))
            if action is not None:
                lags.append(now - newest.stamp)
        last = wanted
        whole = np.zeros(7, np.float32)
        whole[:3] = wanted
        sent = safety.filter(whole, position, CONTROL_DT).action
        # The very first command starts from rest, whoever gives it.
        limited += started > 1 and bool(np.abs(sent - whole).max() > 1e-5)
        position = position + CONTROL_DT * sent[:3].astype(np.float64)
    allowed = limits.linear_acceleration * CONTROL_DT
    ideal = FORWARD * started * CONTROL_DT
    return Run(
        stalled / started, max(steps[2:]) / allowed, float(np.mean(lags)), position[0] / ideal, limited / started
    )


def interval(values: Sequence[float], statistic: Callable[[Float64], float] = np.mean, draws: int = 2000) -> Float64:
    """The statistic and its bootstrapped 95 % interval: [3]."""
    data = np.asarray(values, np.float64)
    rng = np.random.default_rng(0)
    resampled = [statistic(data[rng.integers(0, len(data), len(data))]) for _ in range(draws)]
    return np.array([statistic(data), *np.percentile(resampled, [2.5, 97.5])])


def measure(latency: float, runs: int, seconds: float, limits: LimitsConfig) -> dict[str, list[Run]]:
    """The same runs with every executor."""
    torch.set_num_threads(1)
    return {name: [run(name, latency, seconds, seed, limits) for seed in range(runs)] for name in EXECUTORS}


COLUMNS: dict[str, tuple[str, Callable[[Run], float], Callable[[Float64], float]]] = {
    'stalled': ('stalled [% of the time]', lambda r: 100 * r.stalled, np.mean),
    'step': ('largest command step [rate limits]', lambda r: r.step, np.max),
    'mean_step': ('largest command step of a run, mean [rate limits]', lambda r: r.step, np.mean),
    'lag': ('mean lag [s]', lambda r: r.lag, np.mean),
    'forward': ('distance covered [% of the wanted]', lambda r: 100 * r.forward, np.mean),
    'limited': ('changed by the safety filter [% of the ticks]', lambda r: 100 * r.limited, np.mean),
}
"""Key to heading, value of a run, and the statistic over the runs."""


def summary(results: dict[str, list[Run]], latency: float) -> list[dict[str, Any]]:
    """One row an executor: every column with its interval, and the distance as a ratio to the synchronous baseline."""
    rows = []
    base = np.array([r.forward for r in results['synchronous']])
    for name, found in results.items():
        row: dict[str, Any] = {'executor': name, 'latency': latency, 'n': len(found)}
        for key, (_, value, statistic) in COLUMNS.items():
            row[key] = [round(float(v), 4) for v in interval([value(r) for r in found], statistic)]
        ratio = np.array([r.forward for r in found]) / base
        row['forward_ratio'] = [round(float(v), 4) for v in interval(ratio.tolist())]
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""

    def lines() -> Iterator[str]:
        heads = ['executor', *(head for head, _, _ in COLUMNS.values()), 'distance, × synchronous', 'n']
        yield '| ' + ' | '.join(heads) + ' |'
        yield '|' + '---|' * len(heads)
        for row in rows:
            cells = [f'{v:.3g} ({low:.3g}–{high:.3g})' for v, low, high in (row[key] for key in COLUMNS)]
            v, low, high = row['forward_ratio']
            yield f'| {row["executor"]} | ' + ' | '.join(cells) + f' | {v:.2f} ({low:.2f}–{high:.2f}) | {row["n"]} |'

    return '\n'.join(lines()) + '\n'
