# SPDX-License-Identifier: Apache-2.0
"""Pictures of the paper benchmark: film strips, the data-efficiency curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from igrft.rollout.statistics import Proportion

Point = tuple[float, Proportion]
"""Interventions (or whatever is on the abscissa), and the success there."""


def film_strip(path: Path, frames: npt.NDArray[np.uint8]) -> None:
    """Frames [N, H, W, 3] RGB side by side, as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    strip = np.concatenate(list(frames), axis=1)
    if not cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR)):
        raise OSError(f'{path}: cannot be written')


def curves(path: Path, lines: Mapping[str, Sequence[Point]], abscissa: str, levels: Mapping[str, float]) -> None:
    """Success with its 95 % Wilson interval along something.

    Args:
        path: PNG to write.
        lines: label to points.
        abscissa: its label.
        levels: horizontal lines, label to success in [0, 1].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, (label, points) in enumerate(lines.items()):
        x = [at for at, _ in points]
        bounds = np.array([success.interval() for _, success in points]) * 100
        axes.plot(x, [success.rate * 100 for _, success in points], marker='o', color=f'C{index}', label=label)
        axes.fill_between(x, bounds[:, 0], bounds[:, 1], color=f'C{index}', alpha=0.15, linewidth=0)
    for index, (label, level) in enumerate(levels.items()):
        axes.axhline(level * 100, color=f'C{len(lines) + index}', linestyle='--', linewidth=1, label=label)
    axes.set(xlabel=abscissa, ylabel='success [%]', ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
