# SPDX-License-Identifier: Apache-2.0
"""Launch files as tests of the stand-in for launch write them."""

from __future__ import annotations

from pathlib import Path

HEADER = '''
from launch import *
from launch.actions import *
from launch.conditions import *
from launch.event_handlers import *
from launch.events import matches_action
from launch.events.process import SignalProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import *
from launch_ros.actions import *
from launch_ros.event_handlers import OnStateTransition
def generate_launch_description():
'''


def write(tmp_path: Path, body: str, name: str = 'test.launch.py') -> Path:
    """Write a launch file whose generate_launch_description() is `body`."""
    path = tmp_path / name
    path.write_text(HEADER + '\n'.join(f'    {line}' for line in body.strip().splitlines()))
    return path
