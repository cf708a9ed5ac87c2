# SPDX-License-Identifier: Apache-2.0
"""What is usual of a policy: scales of the scores and a threshold, from its own successful episodes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from igrft.config import ConfigError, as_dict, parse
from igrft.control.conformal import CalibrationError, conformal_threshold, episodes_needed
from igrft.control.help import PARTS, HelpConfig, HelpScore, Signals

FORMAT = 1
FLOOR = 1e-6
"""Smallest scale of a score."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is usual of one checkpoint on one task: ``help-<task>.json`` beside the checkpoint's weights."""

    format: int = FORMAT
    checkpoint: str
    """id"""
    task: str
    alpha: float
    """bound on the share of successful episodes in which help is asked for"""
    threshold: float
    """of the combined score"""
    scales: Mapping[str, float]
    """score to what it reaches in a usual episode; the combined score is the largest ratio"""
    episodes: int
    """successful episodes that the threshold rests on"""
    scale_episodes: int
    """further ones that the scales rest on"""
    config: HelpConfig = field(default_factory=HelpConfig)

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f'format {self.format}; this igrft reads format {FORMAT}')
        if not self.scales or not set(self.scales) <= set(PARTS):
            raise ValueError(f'scales must be of some of {", ".join(PARTS)}; found {", ".join(self.scales) or "none"}')
        if not all(math.isfinite(scale) and scale > 0 for scale in self.scales.values()):
            raise ValueError('a scale is not a positive number')
        if not math.isfinite(self.threshold) or not 0 < self.alpha < 1:
            raise ValueError('threshold must be finite, alpha between 0 and 1')

    def combined(self, scores: Mapping[str, float]) -> tuple[float, str]:
        """The largest score in units of its scale, and its name; NaN if one that counts is not known."""
        ratios = {name: scores[name] / scale for name, scale in self.scales.items()}
        unknown = [name for name, ratio in ratios.items() if not math.isfinite(ratio)]
        if unknown:
            return math.nan, unknown[0]
        name = max(ratios, key=lambda each: ratios[each])
        return ratios[name], name

    def save(self, folder: Path) -> Path:
        """Write it into a checkpoint's folder, atomically."""
        path = folder / file_name(self.task)
        partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
        with partial.open('w', encoding='utf-8') as file:
            json.dump(as_dict(self), file, indent=1)
            file.write('\n')
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        return path


def file_name(task: str) -> str:
    """Of a task's calibration in a checkpoint's folder."""
    return f'help-{task}.json'


def load_calibration(path: Path, task: str) -> Calibration:
    """Read a calibration, or the task's in a checkpoint's folder.

    Raises:
        CalibrationError: missing or unusable; names the file, the field and the remedy.
    """
    path = path if path.suffix == '.json' else path / file_name(task)
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise CalibrationError(f'{path}: not there; `igrft calibrate-help` makes it') from error
    except (OSError, ValueError) as error:
        raise CalibrationError(f'{path}: not readable: {error}') from error
    try:
        found = parse(data, Calibration, str(path))
    except ConfigError as error:
        raise CalibrationError(f'{error}; `igrft calibrate-help` makes it anew') from error
    if found.task != task:
        raise CalibrationError(f"{path}: task is '{found.task}', the policy works on '{task}'")
    return found


def calibrate(
    episodes: Sequence[Sequence[Signals]],
    alpha: float,
    checkpoint: str,
    task: str,
    config: HelpConfig | None = None,
    parts: Sequence[str] = PARTS,
) -> Calibration:
    """Scales from every third successful episode, the threshold from the others, which the scales have not seen.

    Where too few others would be left, the scales get fewer, but at least one.

    Args:
        episodes: the signals of each successful episode that the policy drove alone, in an order that has nothing to
            do with their content.
        alpha: bound on the false-alarm rate.
        checkpoint: id of the policy. task: its task.
        config: of the scores. parts: which of them count, where they are known.

    Raises:
        CalibrationError: too few episodes, one without signals, or signals that are partly unknown.
    """
    config = config or HelpConfig()
    needed = episodes_needed(alpha)
    if len(episodes) < needed + 1:
        raise CalibrationError(
            f'a false-alarm rate of {alpha:g} takes at least {needed + 1} successful episodes (one of them for the '
            f'scales), there are {len(episodes)}; record more of them, or allow a higher rate'
        )
    maxima = [peaks(each, config, f'calibration episode {index}') for index, each in enumerate(episodes)]
    known = [name for name in parts if all(name in each for each in maxima)]
    partly = [name for name in parts if name not in known and any(name in each for each in maxima)]
    if partly or not known:
        what = f"'{partly[0]}' is known in some episodes only" if partly else 'neither value nor disagreement is known'
        raise CalibrationError(f'{what}; they must all be of one checkpoint, served with the same disagreement_draws')
    shown = set(range(0, len(maxima), 3)[: len(maxima) - needed])
    scales = {name: max(FLOOR, *(maxima[i][name] for i in shown)) for name in known}
    # The combination needs a calibration to be computed; this one's threshold is not used.
    draft = Calibration(checkpoint=checkpoint, task=task, alpha=alpha, threshold=0.0, scales=scales,
                        episodes=0, scale_episodes=len(shown), config=config)  # fmt: skip
    scores = [highest(each, draft) for i, each in enumerate(episodes) if i not in shown]
    return Calibration(checkpoint=checkpoint, task=task, alpha=alpha, threshold=conformal_threshold(scores, alpha),
                       scales=scales, episodes=len(scores), scale_episodes=len(shown), config=config)  # fmt: skip


def peaks(signals: Iterable[Signals], config: HelpConfig, where: str) -> dict[str, float]:
    """The largest value of every score along an episode; a score that is never known is left out.

    Raises:
        CalibrationError: no signals, or a score that is known at times only.
    """
    score = HelpScore(config)
    rows = [score.update(each) for each in signals]
    if not rows:
        raise CalibrationError(f'{where} has no chunk of the policy')
    found = {}
    for name in PARTS:
        values = [row[name] for row in rows]
        finite = [value for value in values if math.isfinite(value)]
        if finite and len(finite) < len(values):
            raise CalibrationError(
                f"{where}: '{name}' is not finite in {len(values) - len(finite)} of {len(values)} chunks"
            )
        if finite:
            found[name] = max(finite)
    return found


def highest(signals: Iterable[Signals], calibration: Calibration) -> float:
    """The largest combined score along an episode."""
    score = HelpScore(calibration.config)
    return max(calibration.combined(score.update(each))[0] for each in signals)
