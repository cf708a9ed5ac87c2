# SPDX-License-Identifier: Apache-2.0
"""The stand-in for ros2cli, against a real node in another process."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pip_ros_cli = pytest.importorskip('pip_ros_cli')

from geometry_msgs.msg import PoseArray, TwistStamped  # noqa: E402
from pip_ros_cli import launch as launch_command  # noqa: E402
from pip_ros_cli import topic_echo  # noqa: E402
from pip_ros_cli.interface import nested_type  # noqa: E402
from pip_ros_cli.main import main  # noqa: E402
from pip_ros_cli.messages import get_interface, set_fields, to_csv, to_plain, to_yaml  # noqa: E402
from pip_ros_cli.testing import ROS2, Command, environment, ros2, script  # noqa: E402
from pip_ros_cli.topic_hz import Rate  # noqa: E402
from rclpy._rclpy_pybind11 import RCLError  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402

NODE = '''
import time, rclpy
from action_msgs.msg import GoalStatus
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import SetBool
try:
    rclpy.init()
    node = LifecycleNode('target', namespace='/ns')
    node.declare_parameter('gain', 1.5, ParameterDescriptor(
        description='Gain [m]', floating_point_range=[FloatingPointRange(from_value=0.0, to_value=2.0)]))
    node.declare_parameter('group.numbers', [1, 2])
    chatter = node.create_publisher(String, 'chatter', 10)
    latched = node.create_publisher(
        String, 'latched', QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL))
    latched.publish(String(data='kept for you'))
    node.create_timer(0.05, lambda: chatter.publish(String(data='hello')))
    node.create_subscription(String, 'heard', lambda message: print('HEARD', message.data, flush=True), 10)
    def switch(request, response):
        response.success, response.message = request.data, 'switched'
        return response
    node.create_service(SetBool, 'switch', switch)
    print('READY', flush=True)
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
'''


@pytest.fixture(scope='module')
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A node that offers one of each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        with Command(script(tmp_path_factory.mktemp('node') / 'target', NODE)) as command:
            command.wait_for('READY')
            yield command


def run(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of ``ros2 …``, run in this process: that is twice as fast."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, output.getvalue().rstrip('\n')


def test_lists(target: Command) -> None:
    code, text = run('topic', 'list', '-t')
    assert code == 0 and '/ns/chatter [std_msgs/msg/String]' in text.splitlines()
    assert run('node', 'list') == (0, '/ns/target')
    code, text = run('service', 'list')
    assert code == 0 and '/ns/switch' in text.splitlines()
    assert run('lifecycle', 'nodes') == (0, '/ns/target')
    code, text = run('param', 'list')
    assert code == 0 and text.splitlines()[:3] == ['/ns/target:', '  gain', '  group.numbers']


def test_information(target: Command) -> None:
    code, text = run('node', 'info', '/ns/target')
    assert code == 0
    for line in ('  Publishers:', '    /ns/chatter: std_msgs/msg/String', '    /ns/heard: std_msgs/msg/String',
                 '    /ns/switch: std_srvs/srv/SetBool'):
        assert line in text.splitlines()
    assert text.index('Subscribers:') < text.index('/ns/heard') < text.index('Publishers:')
    code, text = run('topic', 'info', '-v', '/ns/latched')
    assert code == 0 and 'Publisher count: 1' in text and 'Durability: TRANSIENT_LOCAL' in text
    assert run('topic', 'type', '/ns/chatter') == (0, 'std_msgs/msg/String')
    assert run('service', 'type', '/ns/switch') == (0, 'std_srvs/srv/SetBool')


def test_echo(target: Command) -> None:
    assert run('topic', 'echo', '--once', '/ns/chatter') == (0, 'data: hello\n---')
    # The publisher's durability is taken over, or a latched message would never come.
    assert run('topic', 'echo', '--once', '--field', 'data', '/ns/latched', 'std_msgs/msg/String') == (
        0, 'kept for you\n---')
    with ros2('topic', 'echo', '/ns/chatter', '--filter', "m.data == 'hello'") as command:
        command.wait_for('hello')
        assert command.end(signal.SIGINT) == signal.SIGINT
    with ros2('topic', 'echo', '/ns/chatter') as command:
        command.wait_for('hello')
        assert command.end(signal.SIGTERM) == signal.SIGTERM


def test_hz(target: Command) -> None:
    with ros2('topic', 'hz', '/ns/chatter') as command:
        line = command.wait_for('average rate: ')
        assert 5.0 < float(line.split()[-1]) < 100.0
        assert 'std dev:' in command.wait_for('min:')


def test_pub(target: Command) -> None:
    code, text = run('topic', 'pub', '--once', '/ns/heard', 'std_msgs/String', 'data: to you')
    assert code == 0 and "publishing #1: std_msgs.msg.String(data='to you')" in text
    target.wait_for('HEARD to you')
    code, text = run('topic', 'pub', '-t', '2', '-r', '50', '/ns/heard', 'std_msgs/msg/String', 'data: again')
    assert code == 0 and text.count('publishing #') == 2


def test_parameters(target: Command) -> None:
    assert run('param', 'get', '/ns/target', 'group.numbers') == (0, 'Integer values are: [1, 2]')
    assert run('param', 'set', '/ns/target', 'gain', '1.25') == (0, 'Set parameter successful')
    assert run('param', 'get', '--hide-type', '/ns/target', 'gain') == (0, '1.25')
    code, text = run('param', 'set', '/ns/target', 'gain', '3.0')
    assert code == 0 and text.startswith('Setting parameter failed: ')
    assert run('param', 'describe', '/ns/target', 'gain') == (0, (
        'Parameter name: gain\n  Type: double\n  Description: Gain [m]\n  Constraints:\n'
        '    Min value: 0.0\n    Max value: 2.0'))
    code, text = run('param', 'dump', '/ns/target')
    assert code == 0 and text.startswith('/ns/target:\n  ros__parameters:\n    gain: 1.25\n    group:\n      numbers:')


def test_service_call(target: Command) -> None:
    code, text = run('service', 'call', '/ns/switch', 'std_srvs/srv/SetBool', '{data: true}')
    assert code == 0
    assert "response:\nstd_srvs.srv.SetBool_Response(success=True, message='switched')" in text


def test_lifecycle(target: Command) -> None:
    assert run('lifecycle', 'get', '/ns/target') == (0, 'unconfigured [1]')
    assert run('lifecycle', 'set', '/ns/target', 'configure') == (0, 'Transitioning successful')
    assert run('lifecycle', 'get') == (0, '/ns/target: inactive [2]')
    code, text = run('lifecycle', 'set', '/ns/target', 'fly')
    assert code == 1 and '- activate [3]' in text


ACTION = '''
import time, rclpy
from igrft_msgs.action import MoveTo
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
def execute(goal):
    for i in range(2 if goal.request.pose == 'home' else 10000):
        if goal.is_cancel_requested:
            print('CANCELLED', flush=True)
            goal.canceled()
            return MoveTo.Result(message='cancelled')
        goal.publish_feedback(MoveTo.Feedback(progress=0.5))
        time.sleep(0.05)
    goal.succeed()
    return MoveTo.Result(success=True, message='there')
try:
    rclpy.init()
    node = rclpy.create_node('arm')
    server = ActionServer(node, MoveTo, 'move_to', execute, callback_group=ReentrantCallbackGroup(),
                          goal_callback=lambda goal: GoalResponse(2 if goal.pose != 'nowhere' else 1),
                          cancel_callback=lambda goal: CancelResponse.ACCEPT)
    print('READY', flush=True)
    rclpy.spin(node, MultiThreadedExecutor())
except (KeyboardInterrupt, ExternalShutdownException):
    pass
'''


def test_actions(target: Command, tmp_path: Path) -> None:
    pytest.importorskip('igrft_msgs')
    with Command(script(tmp_path / 'arm', ACTION)) as arm:
        arm.wait_for('READY')
        code, text = run('action', 'list', '-t')
        assert code == 0 and '/move_to [igrft_msgs/action/MoveTo]' in text.splitlines()
        code, text = run('action', 'info', '/move_to')
        assert code == 0 and text.endswith('Action clients: 0\nAction servers: 1\n    /arm')
        goal = ('/move_to', 'igrft_msgs/action/MoveTo')
        code, text = run('action', 'send_goal', *goal, '{pose: home}', '--feedback')
        assert code == 0 and 'Feedback:\n    progress: 0.5\n' in text
        assert text.endswith(
            "Result:\n    success: true\nmessage: there\n\nGoal finished with status: SUCCEEDED")
        code, text = run('action', 'send_goal', *goal, '{pose: nowhere}')
        assert code == 0 and text.endswith('Goal was rejected.')
        code, text = run('action', 'send_goal', *goal, '{place: home}')
        assert code == 1 and "no field 'place'" in text
        with ros2('action', 'send_goal', *goal, '{pose: far}', '--feedback') as command:
            command.wait_for('Feedback:')
            assert command.end(signal.SIGINT) == signal.SIGINT
            assert 'Goal canceled.' in command.lines
        arm.wait_for('CANCELLED')


@pytest.mark.parametrize(('arguments', 'message'), [
    ('topic echo /not_there --spin-time 0', 'Could not determine the type for the passed topic'),
    ('topic info /not_there', "Unknown topic '/not_there'"),
    ('topic pub /x std_msgs/msg/Strin', "'std_msgs' has no message 'Strin'"),
    ('topic pub /x nowhere_msgs/msg/X', "no package 'nowhere_msgs'"),
    ('topic pub /x std_msgs/msg/String [1]', 'dictionary'),
    ('param get /not_there x --timeout 0.1', 'Node not found'),
    ('param get /ns/target nothing', 'Parameter not set'),
    ('run no_such_package x', "Package 'no_such_package' not found"),
    ('run rclpy no_such_executable', 'No executable found'),
    ('pkg prefix no_such_package', 'Package not found'),
    ('interface show std_msgs/msg/Nothing', "Could not find the interface 'std_msgs/msg/Nothing'"),
    ('bag info /no/such/bag', "'/no/such/bag' is no bag"),
])
def test_what_is_not_there_is_exit_code_1(target: Command, arguments: str, message: str) -> None:
    code, text = run(*arguments.split())
    assert code == 1 and message in text


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('failure', [RCLError('context is not valid'), ExternalShutdownException(), None])
def test_a_signal_says_the_exit_code_also_where_its_context_fails_first(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None, number: signal.Signals
) -> None:
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}[number]

    def echo(args: argparse.Namespace) -> None:
        with contextlib.suppress(KeyboardInterrupt):  # as a destructor does
            signal.raise_signal(number)
        if failure is not None:
            raise failure

    monkeypatch.setattr(topic_echo, 'run', echo)
    before = signal.signal(number, usual)
    try:
        assert run('topic', 'echo', '/chatter') == (number, '')
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)


def test_what_fails_after_a_signal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(args: argparse.Namespace) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise RuntimeError('the goal cannot be cancelled')

    monkeypatch.setattr(topic_echo, 'run', echo)
    assert run('topic', 'echo', '/chatter') == (1, 'the goal cannot be cancelled')


def test_unknown_words_name_the_nearest() -> None:
    code, text = run('topic', 'ecko')
    assert code == 2 and "did you mean 'echo'?" in text
    code, text = run('daemon', 'stop')
    assert code == 2 and "'daemon' is not in the stand-in" in text
    code, text = run('topic', 'list', '--wrong')
    assert code == 2 and '--wrong' in text


def test_interface_show() -> None:
    code, text = run('interface', 'show', 'geometry_msgs/msg/PointStamped', '--no-comments')
    assert code == 0 and text == (
        'std_msgs/Header header\n\tbuiltin_interfaces/Time stamp\n\t\tint32 sec\n\t\tuint32 nanosec\n'
        '\tstring frame_id\nPoint point\n\tfloat64 x\n\tfloat64 y\n\tfloat64 z')
    assert nested_type('float64[3] values', 'p') is None
    assert nested_type('Point[<=3] points # many', 'p') == 'p/msg/Point'
    assert nested_type('string NAME="a b"', 'p') is None
    code, text = run('interface', 'list', '--only-srvs')
    assert code == 0 and 'Messages:' not in text and '    std_srvs/srv/SetBool' in text.splitlines()


def test_packages_and_run(tmp_path: Path) -> None:
    prefix = tmp_path / 'prefix'
    (prefix / 'share/ament_index/resource_index/packages').mkdir(parents=True)
    (prefix / 'share/ament_index/resource_index/packages/tiny').touch()
    (prefix / 'share/tiny/launch').mkdir(parents=True)
    (prefix / 'lib/tiny').mkdir(parents=True)
    script(prefix / 'lib/tiny/fails', 'import sys; print(sys.argv[1:], flush=True); sys.exit(7)')
    script(prefix / 'lib/tiny/waits', 'import time; print("up", flush=True); time.sleep(60)')
    (prefix / 'lib/tiny/data.txt').write_text('no executable')
    (prefix / 'share/tiny/launch/t.launch.py').write_text(
        'from launch import LaunchDescription\nfrom launch_ros.actions import Node\n'
        'def generate_launch_description():\n'
        '    return LaunchDescription([Node(package="tiny", executable="fails", arguments=["a"], output="screen")])')
    env = {'AMENT_PREFIX_PATH': f'{prefix}{os.pathsep}{os.environ["AMENT_PREFIX_PATH"]}'}

    def tiny(*arguments: str) -> tuple[int, str]:
        with ros2(*arguments, env=env) as command:
            return command.end(), command.text

    assert tiny('pkg', 'prefix', 'tiny') == (0, str(prefix))
    assert tiny('pkg', 'executables', 'tiny') == (0, 'fails\nwaits')
    assert 'tiny' in tiny('pkg', 'list')[1].splitlines()
    code, text = tiny('run', 'tiny', 'fails', '--flag', '-x')
    assert (code, text) == (7, "['--flag', '-x']\n[ros2run]: Process exited with failure 7")
    with ros2('run', 'tiny', 'waits', env=env) as command:
        command.wait_for('up')
        assert command.end(signal.SIGTERM) != 0
        assert '[ros2run]: Terminated' in command.lines
    code, text = tiny('launch', 'tiny', 't.launch.py')
    assert code == 0 and "[fails-1] ['a', '--ros-args']" in text
    code, text = tiny('launch', 'tiny', 'nothing.launch.py')
    assert code == 1 and "file 'nothing.launch.py' was not found in the share directory" in text


def test_a_real_ros2_is_never_shadowed(tmp_path: Path) -> None:
    real = tmp_path / 'bin'
    real.mkdir()
    script(real / 'ros2', 'import sys; print("the real one:", *sys.argv[1:])')
    package = tmp_path / 'site' / 'ros2cli'
    package.mkdir(parents=True)
    (package / '__init__.py').touch()
    path = f'{ROS2.parent}{os.pathsep}{real}{os.pathsep}{os.environ["PATH"]}'
    result = subprocess.run([sys.executable, ROS2, 'topic', 'list'], env=environment({'PATH': path}),
                            capture_output=True, text=True, check=False)
    assert result.stdout == 'the real one: topic list\n'
    python_path = f'{package.parent}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
    result = subprocess.run([sys.executable, ROS2, 'topic', 'list'], env=environment({'PYTHONPATH': python_path}),
                            capture_output=True, text=True, check=False)
    assert result.returncode == 1 and 'a real ros2cli is installed' in result.stderr


def test_launch_arguments() -> None:
    assert launch_command.parse_launch_arguments(['a:=1', 'b:=x:=y', 'a:=2']) == {'a': '2', 'b': 'x:=y'}
    for wrong in ('a', ':=a', 'a:=', 'a=1'):
        with pytest.raises(RuntimeError, match='malformed'):
            launch_command.parse_launch_arguments([wrong])
    parser = argparse.ArgumentParser()
    launch_command.add_arguments(parser)
    args = parser.parse_args(['package', 'file.launch.py', 'a:=1', '--show-args'])
    assert (args.package_name, args.launch_arguments, args.show_args) == ('package', ['a:=1'], True)


def test_messages_from_yaml_and_back() -> None:
    message = TwistStamped()
    stamps = set_fields(message, {'header': 'auto', 'twist': {'linear': {'x': 1}}})
    assert message.twist.linear.x == 1.0 and len(stamps) == 1
    assert to_yaml(message.twist.linear) == 'x: 1.0\ny: 0.0\nz: 0.0\n'
    assert to_csv(message.twist).startswith('1.0,0.0,')
    poses = PoseArray()
    set_fields(poses, {'poses': [{'position': {'y': 2}}, {}]})
    assert [pose.position.y for pose in poses.poses] == [2.0, 0.0]
    array = get_interface('std_msgs/msg/UInt8MultiArray', 'msg')()
    set_fields(array, {'data': list(range(200))})
    assert to_plain(array, truncate=3)['data'] == [0, 1, 2, '...']
    assert to_plain(array, no_arr=True)['data'] == '<sequence type: sequence<uint8>, length: 200>'
    with pytest.raises(RuntimeError, match="no field 'twirl', only header, twist"):
        set_fields(message, {'twirl': {}})
    with pytest.raises(RuntimeError, match=r"'x' .*cannot be 'fast'"):
        set_fields(message, {'twist': {'linear': {'x': 'fast'}}})


def test_rate_of_arrivals() -> None:
    rate = Rate(window=4)
    for i in range(10):
        rate.arrived(i * 0.1)
    report = rate.report()
    assert report is not None and report.startswith('average rate: 10.000') and report.endswith('window: 4')
    assert rate.report() is None
