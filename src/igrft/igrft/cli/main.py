# SPDX-License-Identifier: Apache-2.0
"""The `igrft` command: recorded episodes, cameras, checks, measuring. Running and training are launch files."""

from __future__ import annotations

import typer

from igrft.cli import bench, calibrate, calibrate_help, doctor, episodes, policies

app = typer.Typer(
    name='igrft',
    no_args_is_help=True,
    add_completion=False,
    help='Interaction-guided reinforced fine-tuning of vision-language-action policies.',
)

app.command('doctor')(doctor.command)
app.add_typer(calibrate.app, name='calibrate', help="a board to print, a camera's intrinsics, where it is mounted")
app.add_typer(episodes.app, name='episodes', help='list, show, verify, recover and label recorded episodes')
app.add_typer(policies.app, name='policies', help='list, plan and serve policies')
app.command('calibrate-help')(calibrate_help.command)
app.add_typer(bench.app, name='bench', help='measure the running loop')
