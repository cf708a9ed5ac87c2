# SPDX-License-Identifier: Apache-2.0
"""The stand-in for ros2 launch: how processes begin and end."""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path

import pytest

launch = pytest.importorskip('launch')
if 'stand_in' not in str(launch.__file__):
    pytest.skip('a real launch is installed', allow_module_level=True)

from launch_writer import write  # noqa: E402
from pip_ros_cli.testing import ros2, script  # noqa: E402

pytestmark = pytest.mark.usefixtures('launch_logs')

NODE = '''
import json, rclpy, sys
from rclpy.executors import ExternalShutdownException
try:
    rclpy.init()
    node = rclpy.create_node('unnamed', automatically_declare_parameters_from_overrides=True)
    parameters = {name: parameter.value for name, parameter in node._parameters.items()}
    print('NODE', json.dumps({
        'name': node.get_fully_qualified_name(), 'topic': node.resolve_topic_name('topic'),
        'argv': sys.argv[1:], 'parameters': parameters}, default=list), flush=True)
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
'''
STUBBORN = '''
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
{}
print('stubborn', flush=True)
time.sleep(60)
'''


def test_a_real_node_gets_name_parameters_and_remaps(tmp_path: Path) -> None:
    node = script(tmp_path / 'node', NODE)
    path = write(tmp_path, f'''
return LaunchDescription([
    GroupAction([
        PushRosNamespace(LaunchConfiguration('namespace')), SetParameter('shared', 2),
        Node(executable='{node}', name='first', parameters=[{{'own': LaunchConfiguration('own'), 's': '07'}}],
             remappings=[('topic', 'elsewhere')], output='screen'),
    ]),
    Node(executable='{node}', output='screen', exec_name='second'),
])''')
    with ros2('launch', path, 'namespace:=a/b', 'own:=0.5') as command:
        reports = {}
        for _ in range(2):
            line = command.wait_for('] NODE ')
            label, _, report = line.partition(' NODE ')
            reports[label] = json.loads(report)
        first, second = reports['[node-1]'], reports['[second-2]']
        assert command.end(signal.SIGINT) == 0
    assert first['name'] == '/a/b/first' and first['topic'] == '/a/b/elsewhere'
    wanted = {'own': 0.5, 's': '07', 'shared': 2}
    assert {name: first['parameters'].get(name) for name in wanted} == wanted
    assert second['name'] == '/unnamed' and 'shared' not in second['parameters']
    assert command.text.count('process has finished cleanly') == 2
    assert not [word for word in first['argv'] if word.startswith('/tmp/launch_params') and Path(word).exists()]


def test_respawn_events_and_required_processes(tmp_path: Path) -> None:
    path = write(tmp_path, '''
dies = ExecuteProcess(cmd=['sh', '-c', 'echo alive; exit 3'], name='dies', output='screen',
                      respawn=True, respawn_max_retries=2, respawn_delay=0.01)
talks = ExecuteProcess(cmd=['sh', '-c', 'echo out; echo error >&2; printf partial; exec sleep 60'],
                       name='talks', output='screen')
required = ExecuteProcess(cmd=['sleep', '0.2'], name='required', on_exit=[Shutdown(reason='it ended')])
def gone(event, context):
    gone.times = getattr(gone, 'times', 0) + 1
    return [LogInfo(msg=f'gone with {event.returncode}'), *([required] if gone.times == 3 else [])]
return LaunchDescription([
    dies, talks,
    RegisterEventHandler(OnProcessExit(target_action=dies, on_exit=gone)),
    RegisterEventHandler(OnProcessStart(target_action=talks, on_start=[LogInfo(msg='talks started')])),
    RegisterEventHandler(OnShutdown(on_shutdown=[LogInfo(msg=['shutdown: ', LocalSubstitution('event.reason')])])),
    TimerAction(period=100.0, actions=[LogInfo(msg='never')]),
])''')
    with ros2('launch', path) as command:
        assert command.end() == 0
    assert command.lines.count('[dies-1] alive') == 3
    assert command.lines.count('[INFO] [launch.user]: gone with 3') == 3
    for line in ('[talks-2] out', '[talks-2] error', '[talks-2] partial',
                 '[INFO] [launch.user]: talks started', '[INFO] [launch.user]: shutdown: it ended',
                 '[INFO] [launch]: process[required-3] was required: shutting down launched system',
                 "[INFO] [talks-2]: sending signal 'SIGINT' to process[talks-2]"):
        assert line in command.lines
    assert 'never' not in command.text


@pytest.mark.parametrize('also_term', [False, True])
def test_shutdown_escalates_in_order(tmp_path: Path, also_term: bool) -> None:
    ignore = 'signal.signal(signal.SIGTERM, signal.SIG_IGN)' if also_term else ''
    child = script(tmp_path / 'child', STUBBORN.format(ignore))
    path = write(tmp_path, f'''
return LaunchDescription([ExecuteProcess(cmd=['{child}'], output='screen', name='c',
                                         sigterm_timeout='0.2', sigkill_timeout=LaunchConfiguration('k'))])''')
    with ros2('launch', path, 'k:=0.3') as command:
        command.wait_for('stubborn')
        assert command.end(signal.SIGINT) == 0
    order = [line for line in command.lines if 'signal' in line or 'escalating' in line or 'died' in line]
    expected = [
        "sending signal 'SIGINT' to process[c-1]",
        "process[c-1] failed to terminate '0.2' seconds after receiving 'SIGINT', escalating to 'SIGTERM'",
        "sending signal 'SIGTERM' to process[c-1]"]
    if also_term:
        expected += [
            "process[c-1] failed to terminate '0.5' seconds after receiving 'SIGTERM', escalating to 'SIGKILL'",
            "sending signal 'SIGKILL' to process[c-1]"]
    expected.append(f'exit code {-9 if also_term else -15}')
    assert len(order) == len(expected)
    for line, part in zip(order, expected, strict=True):
        assert part in line


def test_sigterm_ends_in_order_with_exit_code_1(tmp_path: Path) -> None:
    path = write(tmp_path, "return LaunchDescription([ExecuteProcess(cmd=['sleep', '60'], name='s')])")
    with ros2('launch', path) as command:
        command.wait_for('process started')
        assert command.end(signal.SIGTERM) == 1
        assert "sending signal 'SIGINT' to process[s-1]" in command.text


def test_no_orphan_outlives_a_killed_launch(tmp_path: Path) -> None:
    child = script(tmp_path / 'child', '''
import signal, sys, time
from pathlib import Path
def stop(number, frame):
    Path(sys.argv[1]).write_text('closed')
    sys.exit(0)
signal.signal(signal.SIGINT, stop)
print('ready', flush=True)
time.sleep(60)
''')
    proof = tmp_path / 'proof'
    path = write(tmp_path, f'''
return LaunchDescription([ExecuteProcess(cmd=['{child}', '{proof}'], output='screen')])''')
    with ros2('launch', path) as command:
        pid = int(command.wait_for('process started with pid').split('[')[-1].rstrip(']'))
        command.wait_for('ready')
        descriptor = os.pidfd_open(pid)
        command.process.kill()
        command.process.wait()
        assert select.select([descriptor], [], [], 20.0)[0]
        os.close(descriptor)
    assert proof.read_text() == 'closed'


def test_errors_of_the_launch_itself_are_exit_code_1(tmp_path: Path) -> None:
    broken = write(tmp_path, 'return undefined_name')
    with ros2('launch', broken) as command:
        assert command.end() == 1
        assert "name 'undefined_name' is not defined" in command.text
    failing = write(tmp_path, '''
sleeper = ExecuteProcess(cmd=['sleep', '60'])
return LaunchDescription([sleeper, Node(package='no_such_package', executable='x')])''')
    with ros2('launch', failing) as command:
        assert command.end() == 1
        assert 'no_such_package' in command.text and "'SIGINT' to process[sleep-1]" in command.text
    with ros2('launch', 'no_such_package', 'a.launch.py') as command:
        assert command.end() == 1
        assert "Package 'no_such_package' not found" in command.text
    absent = write(tmp_path, "return LaunchDescription([ExecuteProcess(cmd=['/no/such/program'])])")
    with ros2('launch', absent) as command:
        assert command.end() == 0  # as upstream: the launch went well, the process did not
        assert 'exception occurred while executing process' in command.text


def test_lifecycle_nodes_change_state_by_event_and_autostart(tmp_path: Path) -> None:
    node = script(tmp_path / 'node', NODE.replace(
        "rclpy.create_node('unnamed',", "__import__('rclpy.lifecycle').lifecycle.LifecycleNode('unnamed',"))
    path = write(tmp_path, f'''
auto = LifecycleNode(executable='{node}', name='auto', namespace='/x', autostart=True)
return LaunchDescription([
    auto,
    RegisterEventHandler(OnStateTransition(target_lifecycle_node=auto, goal_state='inactive',
                                           entities=[LogInfo(msg='configured')])),
    RegisterEventHandler(OnStateTransition(target_lifecycle_node=auto, start_state='activating',
                                           entities=[LogInfo(msg='activated'), Shutdown(reason='done')])),
])''')
    with ros2('launch', path) as command:
        assert command.end(timeout=30.0) == 0
    said = [line.split(': ')[-1] for line in command.lines if 'launch.user' in line]
    assert said == ['configured', 'activated']


def test_log_files(tmp_path: Path) -> None:
    path = write(tmp_path, '''
return LaunchDescription([
    ExecuteProcess(cmd=['sh', '-c', 'echo quiet; echo loud >&2'], name='log'),
    ExecuteProcess(cmd=['echo', 'apart'], name='own', output='own_log'),
])''')
    with ros2('launch', path) as command:
        assert command.end() == 0
    latest = tmp_path / 'log' / 'latest'
    whole = (latest / 'launch.log').read_text()
    assert '[log-1] loud' in command.lines and 'quiet' not in command.text
    assert 'quiet' in whole and 'loud' in whole and 'apart' not in command.text + whole
    assert 'apart' in (latest / 'own-2-stdout.log').read_text()
