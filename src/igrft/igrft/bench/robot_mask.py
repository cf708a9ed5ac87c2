# SPDX-License-Identifier: Apache-2.0
"""The robot mask drawn from the URDF against the cell's own segmentation (`igrft bench mask`).

Along the expert's episodes the mask is drawn from joint positions, the nominal camera calibration and the URDF, as
``reward_node`` does on a robot. The cell turns and shifts its camera from episode to episode (2 mm and 2 mrad each
way, held out twice that), which stands for the error of a real calibration. What stands in front of the robot is robot
in the drawn mask and not in the segmentation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from igrft.config import locate
from igrft.perception.calibration import Calibration, read_extrinsics
from igrft.perception.robot_mask import RobotMask, gripper_positions
from igrft.perception.urdf import Urdf
from igrft.reward.interaction import InteractionConfig, InteractionDetector
from igrft.types import Kind, UInt8

if TYPE_CHECKING:
    from igrft_sim.env import CellEnv

FIRST_SEED = 60_000
URDF = 'package://igrft_sim/models/arm.urdf'
CAMERA = 'front'
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class MaskTrace:
    """One episode, step by step: [T] each.

    Attributes:
        iou: of the plain drawn mask and the segmentation, robot pixels only.
        recall: share of the segmentation that the drawn mask grown by ``dilation`` covers.
        excess: pixels of that mask outside the segmentation, as a share of the image.
        same: whether I_t is the same with either mask.
        seconds, baseline_seconds: to draw the mask, and to render the segmentation.
    """

    iou: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    excess: npt.NDArray[np.float64]
    same: npt.NDArray[np.bool_]
    seconds: npt.NDArray[np.float64]
    baseline_seconds: npt.NDArray[np.float64]


def overlap(drawn: UInt8, truth: UInt8) -> float:
    """Intersection over union of two masks [H, W]; 1 where both are empty."""
    union = np.count_nonzero((drawn > 0) | (truth > 0))
    return np.count_nonzero((drawn > 0) & (truth > 0)) / union if union else 1.0


class CellMasks:
    """Draws the masks of the cell's front camera from what a robot would know."""

    def __init__(self, size: int, fovy: float, dilation: float) -> None:
        focal = size / 2 / np.tan(np.radians(fovy) / 2)
        calibration = Calibration(size, size, (focal, 0.0, size / 2, 0.0, focal, size / 2, 0.0, 0.0, 1.0))
        mounted = read_extrinsics(locate('extrinsics', 'sim')).parent_from_child
        self._urdf = Urdf.read(URDF)
        self.plain = RobotMask(self._urdf, calibration, mounted)
        self.grown = RobotMask(self._urdf, calibration, mounted, dilation=dilation)

    def positions(self, env: CellEnv) -> dict[str, float]:
        """Of every joint of the URDF."""
        cell = env.cell
        joints = cell.robot.joints
        known = dict(zip(joints, map(float, cell.joint_positions), strict=True))
        return {**gripper_positions(self._urdf, joints, [float(x) for x in cell.openings]), **known}


def expert_trace(env: CellEnv, seed: int, split: str, dilation: float, config: InteractionConfig) -> MaskTrace:
    """Let the scripted expert do one episode and compare the masks of every step."""
    from igrft_sim.operator import Operator  # the cell is another package, and only measuring needs it

    cell = env.cell
    observation = env.reset(seed, split)
    masks = CellMasks(cell.image_size, float(cell.model.camera(CAMERA).fovy[0]), dilation)
    operator = Operator(cell.task, Kind.DEMONSTRATION, seed)
    by_truth, by_urdf = InteractionDetector(config), InteractionDetector(config)
    rows: list[tuple[float, float, float, bool, float, float]] = []
    while len(rows) < round(cell.task.config.max_duration / env.dt) and not env.succeeded:
        begin = time.perf_counter()
        truth = cell.robot_mask(CAMERA)
        middle = time.perf_counter()
        plain = masks.plain.draw(masks.positions(env))
        end = time.perf_counter()
        grown = masks.grown.draw(masks.positions(env))
        frame, stamp = observation.images[CAMERA], observation.stamp
        same = by_truth.update(frame, truth, stamp).interacting == by_urdf.update(frame, grown, stamp).interacting
        robot = np.count_nonzero(truth)
        recall = np.count_nonzero((grown > 0) & (truth > 0)) / robot if robot else 1.0
        excess = np.count_nonzero((grown > 0) & (truth == 0)) / truth.size
        rows.append((overlap(plain, truth), recall, excess, same, end - middle, middle - begin))
        observation, _ = env.step(operator.tick(cell.task_state(), cell.tools, cell.openings).action)
    return MaskTrace(*(np.array(column) for column in zip(*rows, strict=True)))


def measure(task: str, split: str, episodes: int, dilation: float, config: InteractionConfig) -> list[MaskTrace]:
    """Traces of ``episodes`` episodes of the expert.

    Raises:
        ConfigError: no such task, or one of several arms.
    """
    import cv2

    from igrft_sim.cell import Cell
    from igrft_sim.env import CellEnv
    from igrft_sim.tasks import make_task

    cv2.setNumThreads(1)
    cell = Cell(make_task(task), cameras=(CAMERA,))
    try:
        env = CellEnv(cell)
        return [expert_trace(env, FIRST_SEED + index, split, dilation, config) for index in range(episodes)]
    finally:
        cell.close()


def row(task: str, split: str, dilation: float, traces: Sequence[MaskTrace]) -> dict[str, Any]:
    """One row of the results file; intervals are 95 % bootstrap ones over episodes."""
    seconds, baseline = (np.concatenate([getattr(t, f) for t in traces]) for f in ('seconds', 'baseline_seconds'))
    ious = np.concatenate([t.iou for t in traces])
    return {
        'task': task,
        'split': split,
        'episodes': len(traces),
        'poses': len(ious),
        'dilation': dilation,
        **_mean('iou', [t.iou for t in traces]),
        'iou_p05': round(float(np.quantile(ious, 0.05)), 4),
        **_mean('recall', [t.recall for t in traces]),
        **_mean('excess', [t.excess for t in traces]),
        **_mean('same_signal', [t.same for t in traces]),
        'draw_ms_median': round(1e3 * float(np.median(seconds)), 3),
        'draw_ms_p99': round(1e3 * float(np.quantile(seconds, 0.99)), 3),
        **_mean('time_over_segmentation', [t.seconds / np.median(baseline) for t in traces]),
    }


def _mean(name: str, episodes: Sequence[npt.NDArray[Any]]) -> dict[str, Any]:
    means = np.array([float(np.mean(episode)) for episode in episodes])
    drawn = np.random.default_rng(0).integers(0, len(means), (RESAMPLES, len(means)))
    low, high = np.quantile(means[drawn].mean(1), (0.025, 0.975))
    return {name: round(float(means.mean()), 4), f'{name}_interval': [round(float(low), 4), round(float(high), 4)]}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        '| task | split | poses (episodes) | IoU | IoU p05 | recall, grown | excess, grown | same I_t '
        '| ms a mask (p99) | time over segmentation |',
        '|---|---|---|---|---|---|---|---|---|---|',
    ]
    for r in rows:
        lines.append(
            f'| {r["task"]} | {r["split"]} | {r["poses"]} ({r["episodes"]}) | {_cell(r, "iou")} | {r["iou_p05"]:.3f} '
            f'| {_cell(r, "recall")} | {_cell(r, "excess")} | {_cell(r, "same_signal")} '
            f'| {r["draw_ms_median"]:.2f} ({r["draw_ms_p99"]:.2f}) | {_cell(r, "time_over_segmentation")} |'
        )
    return '\n'.join(lines) + '\n'


def _cell(r: dict[str, Any], name: str) -> str:
    low, high = r[f'{name}_interval']
    return f'{r[name]:.3f} [{low:.3f}, {high:.3f}]'
