# SPDX-License-Identifier: Apache-2.0
"""`igrft doctor`: is this set-up fit to run the loop, and what is to be done where it is not?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from igrft.config import ConfigError, RobotConfig, named
from igrft.doctor import devices, host
from igrft.doctor.cameras import check_tree
from igrft.doctor.findings import Finding, as_json, as_table, error, exit_code, ok, skipped, summary
from igrft.doctor.streams import STALE, check_streams
from igrft.episodes.topics import TopicSpec, episode_topics

JOINT_BYTES_PER_SECOND = 200_000.0
"""What everything but images adds to a recording, generously."""


def command(
    robot: Annotated[str, typer.Option(help='name or path of a config/robots file')] = 'sim',
    namespace: Annotated[str, typer.Option(help='of the graph')] = '',
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help='[s] to listen')] = 5.0,
    graph: Annotated[bool, typer.Option(help='look at the running graph')] = True,
    machine: Annotated[bool, typer.Option(help='look at the machine')] = True,
    episodes_dir: Annotated[Path, typer.Option(help='where episodes are recorded to')] = Path('~/igrft_data'),
    least_free: Annotated[float, typer.Option(min=0, help='[GiB] of disk that must be free')] = 5.0,
    port: Annotated[int, typer.Option(min=1, max=65535, help="of the operator's page")] = 8080,
    max_skew: Annotated[float, typer.Option(min=0, help='[s] between the cameras of one observation')] = 0.06,
    max_age: Annotated[float, typer.Option(min=0, help='[s] of a message at its receipt')] = STALE,
    json: Annotated[bool, typer.Option('--json', help='print JSON')] = False,
) -> None:
    """Check streams, cameras, disk, clock, GPU, devices and ports. Exit code 1 where something is an error."""
    try:
        config = named('robots', robot, RobotConfig)
    except ConfigError as problem:
        Console(stderr=True).print(f'[red]error:[/] {escape(str(problem))}', soft_wrap=True)
        raise typer.Exit(2) from problem
    specs = episode_topics(config)
    findings: list[Finding] = []
    with host.ClockWatch() as clock:
        if graph:
            findings += _graph(config, specs, seconds, namespace, (max_skew, max_age))
    if machine:
        findings += [
            *host.check_disk(episodes_dir.expanduser(), _bytes_per_second(specs), least_free),
            *host.check_clock(clock.step, host.clock_synchronised()),
            *devices.check_gpu(),
            *devices.check_devices(),
            *host.check_port(port),
            *host.check_environment(),
        ]
    if json:
        sys.stdout.write(as_json(findings) + '\n')
    else:
        out = Console()
        out.print(as_table(findings))
        out.print(f'{config.name}: {summary(findings)}', highlight=False)
    raise typer.Exit(exit_code(findings))


def _graph(
    robot: RobotConfig, specs: tuple[TopicSpec, ...], seconds: float, namespace: str, limits: tuple[float, float]
) -> Iterator[Finding]:
    try:
        from igrft.ros.inspection import listen
    except ImportError as problem:
        yield skipped('graph', namespace or '/', f'no ROS in this Python: {problem}')
        return
    heard = listen(specs, seconds, namespace, patience=seconds)
    if not heard.nodes:
        yield error('graph', namespace or '/', 'no node of any kind is heard of',
                    'start the launch file first; ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE and RMW_IMPLEMENTATION '
                    'must be the same in both terminals')  # fmt: skip
        return
    yield ok('graph', namespace or '/', f'{len(heard.nodes)} nodes')
    yield from check_streams(heard.topics, robot.joints, seconds, *limits)
    frames = sorted({h.frame for h in heard.topics.values() if h.spec.encoding == 'rgb8' and h.frame})
    if heard.tf is None:
        yield skipped('frames', 'tf', 'tf2_msgs is not installed in this Python')
    elif not heard.tf:
        yield skipped('frames', 'tf', 'nobody publishes tf; igrft itself needs none')
    else:
        yield from check_tree(heard.tf, robot.base_frame, frames)


def _bytes_per_second(specs: tuple[TopicSpec, ...]) -> float:
    channels = {'rgb8': 3, 'mono8': 1}
    images = sum(s.width * s.height * s.rate * channels[s.encoding] for s in specs if s.encoding)
    return images + JOINT_BYTES_PER_SECOND
