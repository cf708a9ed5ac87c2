# SPDX-License-Identifier: Apache-2.0
"""`igrft calibrate-help`: when a checkpoint may call the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from igrft.cli.episodes import DEFAULT_ROOT, Root
from igrft.control.conformal import CalibrationError
from igrft.control.help import HelpConfig
from igrft.episodes.schema import EpisodeError
from igrft.rollout.help import calibrate_from_bags


def command(
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint's folder; help-<task>.json is written into it.")],
    root: Root = DEFAULT_ROOT,
    task: Annotated[str, typer.Option(help='Of the episodes.')] = 'block_stacking',
    alpha: Annotated[float, typer.Option(help='Bound on the share of successful episodes with a call.')] = 0.1,
    split: Annotated[str, typer.Option(help='Only layouts of this split: in, held_out; default all.')] = '',
    window: Annotated[float, typer.Option(help='[s] over which the scores look back.')] = HelpConfig.window,
) -> None:
    """Calibrate help on request on the episodes that the checkpoint drove alone and to success."""
    from igrft.training.checkpoint import CheckpointError, read_manifest

    folder = checkpoint.expanduser()
    out, err = Console(), Console(stderr=True)
    try:
        name = str(read_manifest(folder)['id'])
        found = calibrate_from_bags(root, task, name, alpha, split, HelpConfig(window=window))
        path = found.save(folder)
    except (CalibrationError, CheckpointError, EpisodeError, OSError, ValueError) as error:
        err.print(f'[red]error:[/] {escape(str(error))}', soft_wrap=True)
        raise typer.Exit(1) from error
    scales = ', '.join(f'{part} {scale:.3g}' for part, scale in found.scales.items())
    out.print(
        f'{found.scale_episodes + found.episodes} successful episodes of {name}, {found.scale_episodes} for the scales'
    )
    out.print(f'usual peaks: {scales}')
    out.print(f'threshold {found.threshold:.3f}; a call in at most {alpha:.0%} of the successful episodes')
    out.print(str(path), soft_wrap=True)
