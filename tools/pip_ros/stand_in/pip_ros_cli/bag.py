# SPDX-License-Identifier: Apache-2.0
"""``ros2 bag``."""

from __future__ import annotations

import argparse

from . import bag_info, bag_play, bag_record
from .main import add_verbs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 bag``."""
    add_verbs(parser, {
        'info': (bag_info.add_arguments, bag_info.run,
                 'Print information about a bag to the screen'),
        'play': (bag_play.add_arguments, bag_play.run, 'Play back ROS data from a bag'),
        'record': (bag_record.add_arguments, bag_record.run, 'Record ROS data to a bag'),
    })
