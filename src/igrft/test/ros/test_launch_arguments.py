# SPDX-License-Identifier: Apache-2.0
"""What launch arguments mean together."""

from __future__ import annotations

import pytest
from launch import LaunchContext

from igrft.ros.launch_arguments import console_pad, lockstep


@pytest.mark.parametrize(
    ('robot', 'rtf', 'waits'), [('sim', '0', True), ('sim_dual', '1', False), ('ur5e', '0', False), ('fr3', '1', False)]
)
def test_the_pad_and_the_graph_agree_on_lock_step(robot: str, rtf: str, waits: bool) -> None:
    context = LaunchContext()
    context.launch_configurations.update(robot=robot, rtf=rtf, console_pad='true')
    assert lockstep().evaluate(context) is waits
    assert console_pad()['lockstep'].evaluate(context) is waits
