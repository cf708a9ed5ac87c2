# SPDX-License-Identifier: Apache-2.0
"""The launch arguments, each described once, their values, and the refusal of unknown ones.

Upstream launch API only.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.parameter_descriptions import ParameterValue

from igrft.config import ConfigError, locate, nearest


@dataclass(frozen=True)
class Argument:
    """One launch argument: what `ros2 launch … --show-args` says of it."""

    default: str
    description: str
    choices: tuple[str, ...] = ()


ARGUMENTS: dict[str, Argument] = {
    'namespace': Argument('', 'namespace of the whole graph, so that several loops run side by side'),
    'robot': Argument('sim', 'file of config/robots (sim, sim_dual: simulated cells; ur5e, fr3: real arms), or a path'),
    'robot_ip': Argument('', 'address of the real arm'),
    'drivers': Argument(
        'true', "start the real arm's drivers and MoveIt Servo; false: they run elsewhere", ('true', 'false')
    ),
    'use_fake_hardware': Argument('false', "the drivers' own mock in place of the real arm", ('true', 'false')),
    'task': Argument('block_stacking', 'file of config/tasks, or a path'),
    'policy': Argument('compact_flow', 'file of config/policies, or a path'),
    'policy_device': Argument('cpu', 'what the policy computes on: cpu or cuda'),
    'policy_server': Argument('', 'ws://host:port of `igrft policies serve` on a GPU machine; empty computes here'),
    'policy_server_token_file': Argument('', "file with that server's token, where it needs one"),
    'curriculum': Argument('quick', 'file of config/curriculum (quick, paper, smoke), or a path'),
    'stage': Argument('all', 'run one stage only', ('all', 'sft', 'offline_rl', 'hil')),
    'rounds': Argument('-1', 'human-in-the-loop rounds; -1: as the curriculum says'),
    'split': Argument('in', "layouts: in the demonstrations' range, or held out", ('in', 'held_out')),
    'episodes_dir': Argument('~/igrft_data', 'where episodes, checkpoints, curves and the progress are kept'),
    'teleop': Argument(
        'operator',
        'who corrects: operator (the simulated human), fake_spacemouse (the same with his hand on a device; rtf:=1), '
        "a device, console (the page's pad alone), or none",
        ('operator', 'fake_spacemouse', 'spacemouse', 'spacenav', 'joy', 'keyboard', 'console', 'none'),
    ),
    'rtf': Argument(
        '0',
        'speed of the simulated cell: 1 real time, 4 four times, 0 lock-step (as fast as it goes); no arm minds it',
    ),
    'protocol': Argument(
        'watching',
        'the simulated operator looks all the time, or comes when the policy calls',
        ('watching', 'called'),
    ),
    'help_reaction': Argument(
        'none', 'of the arm while the policy asks for help: none, slow, or wait', ('none', 'slow', 'wait')
    ),
    'help_draws': Argument('0', 'draws of the policy whose spread is judged as well, 0 for none (the value alone)'),
    'help_calibration': Argument('', "help-<task>.json or its folder; empty: the driving checkpoint's own"),
    'use_sim_time': Argument(
        'auto',
        'time from the clock topic; auto: in the simulated cell, except in real time (rtf:=1)',
        ('auto', 'true', 'false'),
    ),
    'console': Argument('true', "serve the operator's web page", ('true', 'false')),
    'console_port': Argument('8080', 'port of the web page on the loopback address'),
    'console_pad': Argument('false', "the web page's pad may drive the arm (rtf:=1 only)", ('true', 'false')),
    'log_level': Argument('warn', 'log level of every node', ('debug', 'info', 'warn', 'error', 'fatal')),
    'params_file': Argument('', 'parameters of the nodes in place of config/loop.yaml'),
    'episodes': Argument('50', 'number of episodes'),
    'kind': Argument('demonstration', 'kind of the episodes', ('demonstration', 'rollout', 'correction', 'evaluation')),
    'checkpoint': Argument('', 'checkpoint folder; empty: the newest of the loop'),
    'overrides': Argument('', 'key=value of the training configuration, separated by spaces'),
    'episode': Argument('', 'episode folder to replay'),
    'rate': Argument('1.0', 'speed of the replay'),
}

FILES = {'robot': 'robots', 'task': 'tasks', 'policy': 'policies', 'curriculum': 'curriculum'}
"""Arguments that name a file, and the folder of config/ it is in."""

UPSTREAM = ('launch-prefix', 'launch-prefix-filter', 'emulate_tty', 'sigterm_timeout', 'sigkill_timeout')
"""Words that `ros2 launch` and its actions put among the arguments themselves."""

GRAPH = (
    'namespace',
    'robot',
    'robot_ip',
    'drivers',
    'use_fake_hardware',
    'task',
    'policy',
    'policy_device',
    'policy_server',
    'policy_server_token_file',
    'split',
    'episodes_dir',
    'teleop',
    'protocol',
    'help_reaction',
    'help_draws',
    'help_calibration',
    'rtf',
    'use_sim_time',
    'console',
    'console_port',
    'console_pad',
    'log_level',
    'params_file',
)
"""Arguments of everything that starts the graph."""


def declare(file: str, names: tuple[str, ...], **defaults: str) -> list[DeclareLaunchArgument | OpaqueFunction]:
    """Declare arguments, and refuse unknown ones and names of no file where ``file`` is what the user launched.

    Args:
        file: ``__file__`` of the launch file.
        names: of :data:`ARGUMENTS`.
        defaults: that differ from the table.
    """
    declared = []
    for name in names:
        argument = ARGUMENTS[name]
        declared.append(
            DeclareLaunchArgument(
                name,
                default_value=defaults.get(name, argument.default),
                description=argument.description,
                choices=list(argument.choices) or None,
            )
        )
    return [*declared, OpaqueFunction(function=_refuse_unknown, args=[Path(file).name, names])]


def _refuse_unknown(context: LaunchContext, file: str, names: tuple[str, ...]) -> None:
    launched = [argument for argument in sys.argv if ':=' not in argument]
    if not any(Path(argument).name == file for argument in launched):
        return
    for argument in context.argv:
        name, given, _ = argument.partition(':=')
        if given and name not in (*names, *UPSTREAM):
            raise ConfigError(f"{file} has no argument '{name}'; {nearest(name, names)}")
    for name, kind in FILES.items():
        if name in names:
            locate(kind, value(name).perform(context))


def value(name: str) -> LaunchConfiguration:
    """The value of an argument, known when the launch runs."""
    return LaunchConfiguration(name)


def lockstep() -> ParameterValue:
    """True where rtf is 0 in the simulated cell; a real arm does not wait."""
    return ParameterValue(PythonExpression(["float('", value('rtf'), "') == 0.0 and ", simulated()]), value_type=bool)


def sim_time() -> ParameterValue:
    """The nodes' ``use_sim_time``."""
    return ParameterValue(
        PythonExpression(
            [
                "'",
                value('use_sim_time'),
                "' == 'true' or ('",
                value('use_sim_time'),
                "' == 'auto' and '",
                value('robot'),
                "'.startswith('sim') and float('",
                value('rtf'),
                "') != 1.0)",
            ]
        ),
        value_type=bool,
    )


def simulated(negate: bool = False) -> PythonExpression:
    """Whether the robot is the simulated cell, for conditions."""
    return PythonExpression(["'", value('robot'), "'.startswith('sim') is ", str(not negate)])


def real_time_factor() -> ParameterValue:
    """``rtf`` as a number."""
    return ParameterValue(value('rtf'), value_type=float)


def text(name: str) -> ParameterValue:
    """An argument as a string, whatever it looks like."""
    return ParameterValue(value(name), value_type=str)


def number(name: str) -> ParameterValue:
    """An argument as a whole number."""
    return ParameterValue(value(name), value_type=int)


def console_port() -> ParameterValue:
    """``console_port`` as a number."""
    return number('console_port')


def console_pad() -> dict[str, ParameterValue]:
    """``console_pad`` and whether the graph that it drives runs in lock-step; a replay has neither."""
    speed = LaunchConfiguration('rtf', default='1')
    waits = ["float('", speed, "') == 0.0 and ", simulated()]
    return {
        'pad': ParameterValue(LaunchConfiguration('console_pad', default='false'), value_type=bool),
        'lockstep': ParameterValue(PythonExpression(waits), value_type=bool),
    }


def is_operator() -> PythonExpression:
    """Whether the simulated operator stands in for the human."""
    return PythonExpression(["'", value('teleop'), "' in ('operator', 'fake_spacemouse')"])


def is_device() -> PythonExpression:
    """Whether somebody corrects with a device."""
    return PythonExpression(["'", value('teleop'), "' not in ('operator', 'console', 'none')"])


def listens_to_teleop() -> ParameterValue:
    """Whether anybody answers the lock-step ticks with ``teleop/command``."""
    return ParameterValue(PythonExpression(["'", value('teleop'), "' not in ('console', 'none')"]), value_type=bool)


def device() -> ParameterValue:
    """``teleop`` as the name of a file of config/teleop."""
    return ParameterValue(value('teleop'), value_type=str)


def fake_device() -> ParameterValue:
    """The fake SpaceMouse's socket, one a user, domain and namespace; empty where there is none."""
    domain = os.environ.get('ROS_DOMAIN_ID') or '0'
    path = f'{tempfile.gettempdir()}/igrft_{os.getuid()}_{domain}_'
    words = ["'", path, "' + '", value('namespace'), "'.replace('/', '_') + '.sock' if '"]
    return ParameterValue(PythonExpression([*words, value('teleop'), "' == 'fake_spacemouse' else ''"]), value_type=str)
