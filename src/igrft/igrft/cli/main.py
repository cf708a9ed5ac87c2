# SPDX-License-Identifier: Apache-2.0
"""The `igrft` command: episodes, pretraining, benchmarks. Every part is imported only when it is asked for."""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    name='igrft',
    no_args_is_help=True,
    add_completion=False,
    help='Interaction-guided reinforced fine-tuning of vision-language-action policies.',
)

PARTS = {
    'episodes': ('igrft.cli.episodes', 'list, show, verify and recover recorded episodes'),
    'bench': ('igrft.cli.bench', 'measure the running loop'),
}
"""Subcommand → (module with a typer `app`, help)."""

for _name, (_module, _help) in PARTS.items():
    app.add_typer(importlib.import_module(_module).app, name=_name, help=_help)
