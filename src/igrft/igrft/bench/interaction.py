# SPDX-License-Identifier: Apache-2.0
"""How well I_t tells contact, against the simulated cell's own contacts (`igrft bench interaction`).

Episodes of the scripted expert are judged step by step. Contact truth is the cell's: the gripper, or what it holds,
touches an object of the task. The signal sees motion, so a contact in which nothing moves is a miss by construction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from igrft.reward.interaction import InteractionConfig, InteractionDetector
from igrft.rollout.statistics import Proportion
from igrft.types import Kind

if TYPE_CHECKING:
    from igrft_sim.env import CellEnv

FIRST_SEED = 50_000
"""Seeds that nothing was tuned on."""
SLACK = 2
"""[steps] by which signal and contact may differ at an edge in the tolerant figures: the signal's minimum duration."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One episode: [T] bool contact and signal, [T] pixel counts, [T] seconds that a frame took."""

    contact: npt.NDArray[np.bool_]
    signal: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    baseline_seconds: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Precision and recall over the steps of several episodes."""

    precision: Proportion
    recall: Proportion
    tolerant_precision: Proportion
    tolerant_recall: Proportion

    @property
    def f1(self) -> float:
        p, r = self.precision.rate, self.recall.rate
        return 2 * p * r / (p + r) if p + r > 0 else math.nan


def expert_trace(env: CellEnv, seed: int, split: str, config: InteractionConfig) -> Trace:
    """Let the scripted expert do one episode and watch it through the detector."""
    from igrft_sim.operator import Operator  # the cell is another package, and only measuring needs it

    cell = env.cell
    observation = env.reset(seed, split)
    operator = Operator(cell.task, Kind.DEMONSTRATION, seed)
    detector, farneback = InteractionDetector(config), _Farneback()
    rows: list[tuple[bool, bool, int, float, float]] = []
    limit = round(cell.task.config.max_duration / env.dt)
    camera = cell.cameras[0]
    while len(rows) < limit and not env.succeeded:
        frame, mask = observation.images[camera], cell.robot_mask(camera)
        begin = time.perf_counter()
        sample = detector.update(frame, mask, observation.stamp)
        middle = time.perf_counter()
        farneback.update(frame)
        end = time.perf_counter()
        state = cell.task_state()
        rows.append((state.contact, sample.interacting, sample.moving_pixels, middle - begin, end - middle))
        observation, _ = env.step(operator.tick(state, cell.tools, cell.openings).action)
    contact, signal, pixels, seconds, baseline = zip(*rows, strict=True)
    return Trace(np.array(contact), np.array(signal), np.array(pixels), np.array(seconds), np.array(baseline))


class _Farneback:
    """The dense flow that OpenCV's users take first, for the ratio of times."""

    def __init__(self) -> None:
        self._gray: Any = None

    def update(self, frame: npt.NDArray[np.uint8]) -> None:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if self._gray is not None:
            cv2.calcOpticalFlowFarneback(self._gray, gray, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
        self._gray = gray


def score(traces: Sequence[Trace]) -> Score:
    """Count over all steps; the tolerant figures forgive ``SLACK`` steps at an edge."""
    counts = np.zeros((4, 2), np.int64)
    for trace in traces:
        contact, signal = trace.contact, trace.signal
        pairs = ((signal, contact), (contact, signal), (signal, _grown(contact)), (contact, _grown(signal)))
        for row, (asked, found) in enumerate(pairs):
            counts[row] += (int((asked & found).sum()), int(asked.sum()))
    return Score(*(Proportion(int(hits), int(n)) for hits, n in counts))


def _grown(mark: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    kernel = np.ones(2 * SLACK + 1)
    return np.convolve(mark, kernel)[SLACK : SLACK + len(mark)] > 0


def measure(task: str, split: str, episodes: int, config: InteractionConfig) -> Iterator[Trace]:
    """Traces of ``episodes`` episodes of the expert.

    Raises:
        ConfigError: no such task.
    """
    from igrft_sim.cell import Cell
    from igrft_sim.env import CellEnv
    from igrft_sim.tasks import make_task

    cv2.setNumThreads(1)
    cell = Cell(make_task(task), cameras=('front',))
    try:
        env = CellEnv(cell)
        for seed in range(FIRST_SEED, FIRST_SEED + episodes):
            yield expert_trace(env, seed, split, config)
    finally:
        cell.close()


def row(task: str, split: str, traces: Sequence[Trace]) -> dict[str, Any]:
    """One row of the results file."""
    found = score(traces)
    seconds, baseline = (np.concatenate([getattr(t, f) for t in traces]) for f in ('seconds', 'baseline_seconds'))
    ratio = [float(t.seconds.sum() / t.baseline_seconds.sum()) for t in traces]
    return {
        'task': task,
        'split': split,
        'episodes': len(traces),
        'steps': len(seconds),
        **_proportion('precision', found.precision),
        **_proportion('recall', found.recall),
        'f1': round(found.f1, 4),
        **_proportion(f'precision_within_{SLACK}', found.tolerant_precision),
        **_proportion(f'recall_within_{SLACK}', found.tolerant_recall),
        'frame_ms_median': round(1e3 * float(np.median(seconds)), 3),
        'frame_ms_p99': round(1e3 * float(np.quantile(seconds, 0.99)), 3),
        'farneback_ms_median': round(1e3 * float(np.median(baseline)), 3),
        'time_over_farneback': [round(float(q), 3) for q in np.quantile(ratio, (0.025, 0.5, 0.975))],
    }


def _proportion(name: str, value: Proportion) -> dict[str, Any]:
    return {name: round(value.rate, 4), f'{name}_interval': [round(x, 4) for x in value.interval()]}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        f'| task | split | steps | precision | recall | F1 | within {SLACK} steps: precision | recall '
        '| ms a frame (p99) | time over Farneback |',
        '|---|---|---|---|---|---|---|---|---|---|',
    ]
    for r in rows:
        low, middle, high = r['time_over_farneback']
        lines.append(
            f'| {r["task"]} | {r["split"]} | {r["steps"]} | {_cell(r, "precision")} | {_cell(r, "recall")} '
            f'| {r["f1"]:.2f} | {_cell(r, f"precision_within_{SLACK}")} | {_cell(r, f"recall_within_{SLACK}")} | '
            f'{r["frame_ms_median"]:.2f} ({r["frame_ms_p99"]:.2f}) | {middle:.2f} [{low:.2f}, {high:.2f}] |'
        )
    return '\n'.join(lines) + '\n'


def _cell(r: dict[str, Any], name: str) -> str:
    low, high = r[f'{name}_interval']
    return f'{r[name]:.2f} [{low:.2f}, {high:.2f}]'


def figure(path: Path, traces: dict[str, Trace], config: InteractionConfig) -> None:
    """The signal along one episode of each task, above the contacts."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 2.1 * len(traces)), layout='constrained')
    panels = drawing.subplots(len(traces), 1, squeeze=False)[:, 0]
    for panel, (task, trace) in zip(panels, traces.items(), strict=True):
        steps = np.arange(len(trace.pixels))
        panel.fill_between(steps, 0, 1, trace.contact, step='mid', alpha=0.25, color='C1', label='contact (truth)',
                           transform=panel.get_xaxis_transform())  # fmt: skip
        panel.fill_between(steps, 0.93, 1, trace.signal, step='mid', color='C0', label='I_t',
                           transform=panel.get_xaxis_transform())  # fmt: skip
        panel.plot(steps, trace.pixels, color='0.2', linewidth=1, label='moving pixels')
        panel.axhline(config.theta_pixel, color='C3', linewidth=0.8, linestyle='--', label='threshold')
        panel.set_yscale('symlog', linthresh=10)
        panel.set_ylim(bottom=0)
        panel.set_title(task, fontsize=9, loc='left')
        panel.set_ylabel('pixels')
    panels[0].legend(fontsize=7, ncol=4, loc='lower right')
    panels[-1].set_xlabel('step of 0.1 s')
    drawing.savefig(path, dpi=110)
