# SPDX-License-Identifier: Apache-2.0
"""`igrft policies`: which there are, what one needs of a GPU, and one as a server for robots."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from igrft.config import RobotConfig, named
from igrft.policies import registry
from igrft.policies.plan import GPUS, Plan, plan
from igrft.policies.protocol import device_named
from igrft.policies.serving import Agent
from igrft.training import checkpoint as checkpoints
from igrft.training.worker import robot_spec

app = typer.Typer(help='List, plan and serve policies.', no_args_is_help=True)
out = Console()
err = Console(stderr=True)

Robot = Annotated[str, typer.Option(help='name or path of a robot configuration')]


def _fail(error: Exception) -> typer.Exit:
    err.print(f'[red]error:[/] {escape(str(error))}', soft_wrap=True)
    return typer.Exit(1)


@app.command('list')
def list_() -> None:
    """The shipped configurations, with the first line of what each says of itself."""
    for name in registry.known():
        settings = registry.settings(name, ())
        out.print(f'{name:14} {settings["family"]:14} {registry.about(name)}', soft_wrap=True, highlight=False)


@app.command('plan')
def plan_(
    policy: Annotated[str, typer.Argument(help='name or path of a config/policies file')],
    overrides: Annotated[list[str] | None, typer.Argument(help='model.tuning.train=lora …')] = None,
    batch: Annotated[int, typer.Option(min=1, help='chunks a gradient step')] = 32,
    gpu: Annotated[str, typer.Option(help=f'{", ".join(GPUS)}')] = '24GB',
    robot: Robot = 'sim',
) -> None:
    """Memory and time of a training step and of a chunk, worked out from the configuration; nothing is downloaded."""
    try:
        spec = robot_spec(named('robots', robot, RobotConfig))
        found: Plan = plan(policy, tuple(overrides or ()), spec, batch, gpu)
    except ValueError as error:
        raise _fail(error) from error
    out.print(found.text(), soft_wrap=True, highlight=False)


@app.command()
def serve(
    checkpoint: Annotated[Path, typer.Argument(help='folder of the checkpoint to begin with')],
    host: Annotated[str, typer.Option(help='address to listen on; beyond 127.0.0.1 a token is needed')] = '127.0.0.1',
    port: Annotated[int, typer.Option(min=0, max=65535, help='0 takes a free one')] = 8765,
    token_file: Annotated[Path | None, typer.Option(help='file with the token; without one it is made')] = None,
    device: Annotated[str, typer.Option(help='cpu or cuda')] = 'cpu',
    robot: Robot = 'sim',
) -> None:
    """Serve a policy to robots on other machines (launch argument policy_server); needs no ROS.

    Further checkpoints that a robot asks for are looked for beside the first one.
    """
    from igrft.console.access import Access
    from igrft.policies.network import PolicyService

    expect = robot_spec(named('robots', robot, RobotConfig))
    beside = checkpoint.expanduser().resolve().parent

    def load(name: str) -> Agent:
        if name != Path(name).name or name.startswith('.'):
            raise checkpoints.CheckpointError(f"'{name}' is no checkpoint id")
        if not (beside / name).is_dir():
            raise checkpoints.CheckpointError(f'checkpoint {name} is not on this machine; copy it to {beside}')
        found = checkpoints.load(beside / name, expect)
        return Agent(found.policy.to(device_named(device)), found.critic, checkpoint=found.id)

    try:
        given = token_file.expanduser().read_text(encoding='utf-8').strip() if token_file else ''
        access = Access.for_address(host, port, given)
        service = PolicyService(load, host, port, access.knows_token, load(checkpoint.expanduser().resolve().name))
    except (ValueError, OSError, RuntimeError) as error:
        raise _fail(error) from error
    out.print(f'serving {checkpoint.name} at ws://{host}:{service.port}', soft_wrap=True, highlight=False)
    if access.token and not given:
        out.print(f'token: {access.token}', soft_wrap=True, highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=service.close).start())
    service.run()
