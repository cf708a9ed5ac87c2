# SPDX-License-Identifier: Apache-2.0
"""Arbiter and safety node as processes, for tests of the control chain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy

sys.path.insert(0, str(Path(__file__).parent))

from chain_rig import DOMAIN, Process, Rig


@pytest.fixture
def rig_of() -> Iterator[Callable[..., tuple[Rig, Process, Process]]]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    processes: list[Process] = []
    rigs: list[Rig] = []

    def make(*parameters: str) -> tuple[Rig, Process, Process]:
        heartbeats = [p for p in parameters if p.startswith('heartbeats')]
        others = [p for p in parameters if p not in heartbeats]
        processes.extend((Process('arbiter_node', *others), Process('safety_node', *others[:1], *heartbeats)))
        rigs.append(Rig(context, 'lockstep:=true' in parameters))
        rigs[0].connected()
        return rigs[0], processes[0], processes[1]

    yield make
    for process in processes:
        process.kill()
    for rig in rigs:
        rig.close()
    context.try_shutdown()
