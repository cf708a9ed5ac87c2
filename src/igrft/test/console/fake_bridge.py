# SPDX-License-Identifier: Apache-2.0
"""The robot's side of the console in memory: states as they come in a running loop, commands that change them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from igrft.console.bridge import CommandError, Frame
from igrft.console.records import RecordError
from igrft.console.state import (
    CheckpointState,
    Component,
    ConsoleState,
    DriverState,
    EpisodeState,
    SafetyState,
    Sample,
    TrainerState,
)
from igrft.types import Float32, TeleopInput, UInt8

TRAINING = TrainerState(
    state='training',
    stage='offline_rl',
    step=1280,
    total_steps=2000,
    loss=0.0873,
    effective_sample_size=0.64,
    eta=194.0,
    message='policy',
)

IDLE = ConsoleState(
    robot='sim',
    task='block_stacking',
    instruction='stack the red block on the blue block and the green block on top',
    cameras=('front', 'wrist'),
    subtasks=('grasp_red', 'align_red', 'stack_red', 'grasp_green', 'align_green', 'stack_green'),
    episode=EpisodeState(state='idle', max_duration=12.0),
    driver=DriverState(mode='hold', reason='episode ended'),
    safety=SafetyState(state='ok', text='ok'),
)

RECORDING = replace(
    IDLE,
    completed=2,
    episode=EpisodeState(
        state='recording', id='01KAR2T7', kind='correction', seed=41207, elapsed=4.6, max_duration=12.0
    ),
    driver=DriverState(mode='autonomous', count=1, reason='operator let go'),
    safety=SafetyState(state='ok', text='ok', limited=12),
    trainer=TRAINING,
    checkpoint=CheckpointState(id='sft-3f9ac2', stage='sft', policy='compact_flow', step=1500),
    loop={
        'phase': 'human in the loop 1',
        'fraction': 0.44,
        'detail': '7 of 16 episodes',
        'eta': 212.0,
        'running': True,
        'results': [
            {'stage': 'SFT', 'successes': 23, 'n': 50, 'low': 0.33, 'high': 0.596},
            {'stage': 'Offline RL', 'successes': 34, 'n': 50, 'low': 0.542, 'high': 0.792},
        ],
    },
)


def episode_samples(count: int = 300, dt: float = 0.1) -> list[Sample]:
    """Plots of an attempt that is corrected and stacks, and of the next one that has aligned so far."""
    marks = {30: 0.15, 60: 0.15, 95: 0.2, 150: 0.15, 185: 0.15, 225: 0.2, 262: 0.15, 288: 0.15}
    samples, potential = [], 0.0
    for step in range(count):
        potential = 0.0 if step == 240 else potential + marks.get(step, 0.0)
        near = 0.5 + 0.42 * math.sin(step / 23.0) + 0.05 * math.sin(step / 3.1)
        samples.append(
            Sample(
                sequence=step + 1,
                stamp=step * dt,
                reward=marks.get(step, 0.0) - 0.01 + 0.004 * math.sin(step / 5.0),
                potential=potential,
                probability=min(max(near, 0.02), 0.98),
                value=0.3 + 0.5 * potential + 0.06 * math.sin(step / 11.0) - (0.2 if 120 < step < 160 else 0.0),
                interacting=near > 0.7,
                human=140 <= step < 185,
            )
        )
    return samples


def gradient(shade: int, size: int = 96) -> UInt8:
    """A picture that tells its channels and corners apart."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 0] = shade
    picture[..., 1] = np.arange(size)[:, None]
    picture[..., 2] = np.arange(size)[None, :]
    return picture


class FakeBridge:
    """Implements :class:`igrft.console.bridge.Bridge`.

    Attributes:
        calls: (command, arguments) in order.
        watched: every value that ``watch`` was called with.
        failures: command to the error it raises.
    """

    def __init__(self, state: ConsoleState = IDLE, pictures: Mapping[str, UInt8] | None = None) -> None:
        self.now = state
        self.pictures = dict(pictures or {'front': gradient(200), 'wrist': gradient(60)})
        self.sequence = 1
        self.history: list[Sample] = []
        self.calls: list[tuple[object, ...]] = []
        self.watched: list[bool] = []
        self.failures: dict[str, CommandError] = {}
        self.components: list[Component] = []
        self.opening: Float32 | None = np.array([0.25], np.float32)
        self.driven: list[TeleopInput] = []

    def state(self) -> ConsoleState:
        return self.now

    def samples(self, after: int) -> Sequence[Sample]:
        return [sample for sample in self.history if sample.sequence > after]

    def watch(self, watched: bool) -> None:
        self.watched.append(watched)

    def health(self) -> Sequence[Component]:
        return self.components

    def openings(self) -> Float32 | None:
        return self.opening

    def drive(self, teleop: TeleopInput) -> None:
        self.driven.append(teleop)

    async def train(self, stage: str, round_number: int, parent: str) -> str:
        self._call('train', stage, round_number, parent)
        self.now = replace(self.now, trainer=replace(TRAINING, stage=stage, round=round_number))
        return f'training of {stage} begins'

    async def stop_training(self) -> str:
        self._call('stop_training')
        self.now = replace(self.now, trainer=TrainerState(state='idle', message='stopped'))
        return 'training stops'

    async def serve(self, checkpoint: str) -> str:
        self._call('serve', checkpoint)
        self.now = replace(self.now, serving=checkpoint.rsplit('/', 1)[-1])
        return f'serving {checkpoint}'

    def frame(self, camera: str, after: int) -> Frame | None:
        if self.sequence == after:
            return None
        return Frame(self.sequence, 0.1 * self.sequence, self.pictures[camera])

    def _call(self, name: str, *arguments: object) -> None:
        self.calls.append((name, *arguments))
        if name in self.failures:
            raise self.failures[name]

    async def start(self, kind: str, seed: int, split: str) -> str:
        self._call('start', kind, seed, split)
        self.now = replace(RECORDING, loop=None)
        return 'episode 01KAR2T7 begins'

    async def finish(self, outcome: str) -> str:
        self._call('finish', outcome)
        self.now = replace(IDLE, episode=EpisodeState(state='idle', outcome=outcome, path='/episodes/01KAR2T7'))
        return f'{outcome}: /episodes/01KAR2T7'

    async def discard(self) -> str:
        self._call('discard')
        self.now = IDLE
        return 'episode discarded'

    async def label(self, episode: str, outcome: str) -> str:
        self._call('label', episode, outcome)
        return f'last episode: {outcome}'

    async def event(self, name: str) -> str:
        self._call('event', name)
        return name

    async def e_stop(self) -> str:
        self._call('e_stop')
        self.now = replace(
            self.now,
            safety=SafetyState(state='e_stop', text='emergency stop: e_stop'),
            driver=DriverState(mode='hold', reason='emergency stop'),
        )
        return 'stop sent'

    async def reset_e_stop(self) -> str:
        self._call('reset_e_stop')
        self.now = replace(self.now, safety=SafetyState(state='ok', text='reset'))
        return 'stop reset'


class FakeRecords:
    """Implements :class:`igrft.console.records.Records` in memory."""

    def __init__(self) -> None:
        names = ('hil-1-5d41a1e3', 'offline_rl-9c7dcbad', 'sft-c9fc83eb')
        stages = ('hil', 'offline_rl', 'sft')
        self.checkpoints = [
            {'id': name, 'stage': stage, 'round': int(stage == 'hil'), 'step': 2000, 'policy': 'compact_flow'}
            | {'saved': 1e9}
            for name, stage in zip(names, stages, strict=True)
        ]

    def overview(self) -> dict[str, object]:
        stages = [
            {'task': 'block_stacking', 'stage': 'SFT', 'successes': 23, 'n': 50, 'low': 0.33, 'high': 0.596},
            {'task': 'block_stacking', 'stage': 'offline RL', 'successes': 34, 'n': 50, 'low': 0.542, 'high': 0.792},
        ]
        return {'checkpoints': self.checkpoints, 'runs': [c['id'] for c in self.checkpoints], 'stages': stages}

    def curves(self, run: str) -> dict[str, dict[str, list[float]]]:
        self.checkpoint(run)
        steps = [float(step) for step in range(0, 2000, 20)]
        return {
            'policy/loss': {'steps': steps, 'values': [math.exp(-step / 500) for step in steps]},
            'critic/value': {'steps': steps, 'values': [math.nan, *steps[1:]]},
        }

    def checkpoint(self, checkpoint: str) -> str:
        if checkpoint not in {c['id'] for c in self.checkpoints}:
            raise RecordError(f"no checkpoint '{checkpoint}'")
        return f'/data/checkpoints/{checkpoint}'
