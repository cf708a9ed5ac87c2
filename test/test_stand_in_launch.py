# SPDX-License-Identifier: Apache-2.0
"""The stand-in for ros2 launch: what launch files mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

launch = pytest.importorskip('launch')
if 'stand_in' not in str(launch.__file__):
    pytest.skip('a real launch is installed', allow_module_level=True)

import yaml  # noqa: E402
from launch import LaunchContext, LaunchDescription  # noqa: E402
from launch import actions as la  # noqa: E402
from launch import conditions as lc  # noqa: E402
from launch import substitutions as ls  # noqa: E402
from launch.utilities import (  # noqa: E402
    normalize_to_list_of_substitutions,
    perform_substitutions,
    visit_all_entities_and_collect_futures,
)
from launch_ros import actions as ra  # noqa: E402
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue  # noqa: E402
from launch_writer import write  # noqa: E402
from pip_ros_cli.testing import ros2  # noqa: E402

pytestmark = pytest.mark.usefixtures('launch_logs')


def perform(context: LaunchContext, value: Any) -> str:
    """Return the text of `value`."""
    return str(perform_substitutions(context, normalize_to_list_of_substitutions(value)))


def visit(*entities: Any, context: LaunchContext | None = None) -> LaunchContext:
    """Visit entities that do not need a loop; return the context."""
    context = context or LaunchContext()
    visit_all_entities_and_collect_futures(LaunchDescription(entities), context)
    return context


def test_substitutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('STAND_IN_TEST', 'from environment')
    context = LaunchContext()
    context.launch_configurations.update(yes='true', no='False', number='1.50', name='x')
    get = ls.LaunchConfiguration
    expected = [
        (['a', get('name'), 'b'], 'axb'),
        (get('missing', default=3), '3'),
        (get(['na', 'me']), 'x'),
        (ls.PathJoinSubstitution(['/a', get('name'), 'c']), '/a/x/c'),
        (ls.PythonExpression(['2 * ', get('number')]), '3.0'),
        (ls.PythonExpression(['math.floor(', get('number'), ') + floor(1.9)']), '2'),
        (ls.EnvironmentVariable('STAND_IN_TEST'), 'from environment'),
        (ls.EnvironmentVariable('STAND_IN_NOT_SET', default_value='d'), 'd'),
        (ls.Command(['echo ', get('name')]), 'x\n'),
        (ls.EqualsSubstitution(get('number'), 1.5), 'true'),
        (ls.EqualsSubstitution(get('yes'), '1'), 'true'),
        (ls.NotEqualsSubstitution(get('name'), 'x'), 'false'),
        (ls.AndSubstitution(get('yes'), get('no')), 'false'),
        (ls.OrSubstitution(get('yes'), get('no')), 'true'),
        (ls.NotSubstitution(get('no')), 'true'),
        (ls.IfElseSubstitution(get('no'), 'a', ['b', get('name')]), 'bx'),
    ]
    for substitution, text in expected:
        assert perform(context, substitution) == text
    assert perform(context, ls.AnonName('n')) == perform(context, ls.AnonName('n'))
    for failing in (get('missing'), ls.EnvironmentVariable('STAND_IN_NOT_SET'),
                    ls.PythonExpression('1 +'), ls.Command('false'), ls.NotSubstitution('maybe')):
        with pytest.raises(ls.SubstitutionFailure):
            perform(context, failing)


def test_conditions() -> None:
    context = LaunchContext()
    context.launch_configurations['mode'] = 'sim'
    for text, value in (('true', True), ('1', True), (' False ', False), ('0', False)):
        assert lc.IfCondition(text).evaluate(context) is value
        assert lc.UnlessCondition(text).evaluate(context) is not value
    with pytest.raises(lc.InvalidConditionExpressionError, match='perhaps'):
        lc.IfCondition('perhaps').evaluate(context)
    assert lc.LaunchConfigurationEquals('mode', 'sim').evaluate(context)
    assert lc.LaunchConfigurationNotEquals('mode', 'real').evaluate(context)
    assert lc.LaunchConfigurationEquals('unset', None).evaluate(context)
    context = visit(
        la.SetLaunchConfiguration('a', '1', condition=lc.IfCondition('true')),
        la.SetLaunchConfiguration('b', '1', condition=lc.IfCondition('false')))
    assert 'a' in context.launch_configurations and 'b' not in context.launch_configurations


def test_groups_scope_configurations_and_environment() -> None:
    seen: dict[str, Any] = {}

    def note(context: LaunchContext, name: str) -> None:
        seen[name] = (dict(context.launch_configurations), os.environ.get('STAND_IN_TEST'))

    def noted(name: str) -> la.OpaqueFunction:
        return la.OpaqueFunction(function=note, args=[name])

    inner = [la.SetLaunchConfiguration('inner', '1'), la.SetEnvironmentVariable('STAND_IN_TEST', 'set')]
    context = visit(
        la.SetLaunchConfiguration('outer', '1'),
        la.GroupAction([*inner, noted('scoped')]), noted('after scoped'),
        la.GroupAction([noted('cleared')], forwarding=False,
                       launch_configurations={'kept': ls.LaunchConfiguration('outer')}),
        la.GroupAction([la.SetLaunchConfiguration('leaks', '1')], scoped=False))
    assert seen['scoped'] == ({'outer': '1', 'inner': '1'}, 'set')
    assert seen['after scoped'] == ({'outer': '1'}, None)
    assert seen['cleared'] == ({'kept': '1'}, None)
    assert context.launch_configurations == {'outer': '1', 'leaks': '1'}


def test_declared_arguments() -> None:
    context = visit(
        la.SetLaunchConfiguration('given', 'x'),
        la.DeclareLaunchArgument('given', default_value='unused'),
        la.DeclareLaunchArgument('derived', default_value=[ls.LaunchConfiguration('given'), 'y']))
    assert context.launch_configurations == {'given': 'x', 'derived': 'xy'}
    with pytest.raises(RuntimeError, match='"needed" was not provided'):
        visit(la.DeclareLaunchArgument('needed'))
    with pytest.raises(RuntimeError, match=r'"c".*"z" is not valid.*\[\'a\', \'b\'\]'):
        visit(la.SetLaunchConfiguration('c', 'z'), la.DeclareLaunchArgument('c', choices=['a', 'b']))
    with pytest.raises(RuntimeError, match='default_value'):
        la.DeclareLaunchArgument('c', default_value='z', choices=['a', 'b'])


def command_of(node: ra.Node, context: LaunchContext) -> list[str]:
    """Return the command that a node action would run."""
    node._perform_substitutions(context)
    node.prepare(context)
    return list(node.process_details['cmd'])


def test_command_of_a_node(tmp_path: Path) -> None:
    file = tmp_path / 'p.yaml'
    file.write_text('/**:\n  ros__parameters:\n    text: $(var word)\n    n: 1\n')
    context = visit(
        la.SetLaunchConfiguration('word', 'w'), ra.PushROSNamespace('outer'),
        ra.SetParameter('use_sim_time', True), ra.SetRemap('a', 'b'))
    number = ls.LaunchConfiguration('number', default='1.5')
    node = ra.Node(
        executable='/bin/node', name='n', namespace='in', arguments=['--x', number],
        ros_arguments=['--log-level', 'debug'], remappings=[('from', ['to_', number])],
        parameters=[
            ParameterFile(file, allow_substs=True), str(file),
            {'number': number, 'text': '1', 'list': [1, 2.5], 'texts': ['a', '1e-3'],
             'group': {'flag': ls.LaunchConfiguration('flag', default='true')},
             'numbers': [[number], ['2.0']], 'empty': ''},
            {'kept': ParameterValue(number, value_type=str)}])
    command = command_of(node, context)
    files = [command[i + 1] for i, word in enumerate(command) if word == '--params-file']
    without_files = [
        word for i, word in enumerate(command)
        if word != '--params-file' and command[i - 1] != '--params-file']
    assert without_files == [
        '/bin/node', '--x', '1.5', '--ros-args', '--log-level', 'debug', '--ros-args',
        '-r', '__node:=n', '-r', '__ns:=/outer/in', '-p', 'use_sim_time:=True',
        '-r', 'a:=b', '-r', 'from:=to_1.5']
    substituted, plain, values, typed = [yaml.safe_load(Path(path).read_text()) for path in files]
    assert substituted['/**']['ros__parameters']['text'] == 'w'
    assert files[1] == str(file) and plain['/**']['ros__parameters']['n'] == 1
    assert values == {'/outer/in/n': {'ros__parameters': {
        'number': 1.5, 'text': '1', 'list': [1.0, 2.5], 'texts': ['a', '1e-3'],
        'group.flag': True, 'numbers': [1.5, 2.0], 'empty': ''}}}
    assert typed['/outer/in/n']['ros__parameters']['kept'] == '1.5'
    nameless = command_of(ra.Node(executable='x', parameters=[{'a': 1}]), LaunchContext())
    assert '-r' not in nameless
    assert list(yaml.safe_load(Path(nameless[-1]).read_text())) == ['/**']


def test_refusals_name_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r'launch_ros\.actions\.ComposableNodeContainer.*stand-in'):
        from launch_ros.actions import ComposableNodeContainer  # noqa: F401
    with pytest.raises(ImportError, match="nearest name it has is 'ExecuteProcess'"):
        from launch.actions import ExecuteProces  # noqa: F401
    with pytest.raises(TypeError, match="Node: keyword argument 'respwan'"):
        ra.Node(executable='x', respwan=True)
    with pytest.raises(ValueError, match='9lives'):
        command_of(ra.Node(executable='x', name='9lives'), LaunchContext())
    with pytest.raises(TypeError, match='one type'):
        command_of(ra.Node(executable='x', parameters=[
            {'mixed': ls.LaunchConfiguration('m', default='[1, a]')}]), LaunchContext())
    xml = tmp_path / 'a.launch.xml'
    xml.write_text('<launch/>')
    with ros2('launch', xml) as command:
        assert command.end() == 1
        assert 'only Python launch files are in the stand-in' in command.text
    with ros2('launch', write(tmp_path, 'return LaunchDescription([])'), 'word') as command:
        assert command.end() == 1
        assert "malformed launch argument 'word'" in command.text


def test_show_args(tmp_path: Path) -> None:
    write(tmp_path, "return LaunchDescription([DeclareLaunchArgument('deep', description='below')])",
          'inner.launch.py')
    path = write(tmp_path, f'''
return LaunchDescription([
    DeclareLaunchArgument('mode', default_value='sim', description='Where to run', choices=['sim', 'real']),
    DeclareLaunchArgument('rate', default_value=['1', LaunchConfiguration('mode')]),
    GroupAction([DeclareLaunchArgument('maybe')], condition=IfCondition('true')),
    IncludeLaunchDescription(PythonLaunchDescriptionSource('{tmp_path}/inner.launch.py')),
])''')
    with ros2('launch', path, '--show-args') as command:
        assert command.end() == 0
    assert command.text == '''\
Arguments (pass arguments as '<name>:=<value>'):

    'mode':
        Where to run. Valid choices are: ['sim', 'real']
        (default: 'sim')

    'rate':
        no description given
        (default: '1' + LaunchConfig('mode'))

    'maybe':*
        no description given

    'deep':
        below

* argument(s) which are only used if specific conditions occur'''


def test_includes_pass_arguments_and_keep_their_place(tmp_path: Path) -> None:
    (tmp_path / 'sub').mkdir()
    write(tmp_path / 'sub', '''
return LaunchDescription([
    DeclareLaunchArgument('who'),
    LogInfo(msg=['included for ', LaunchConfiguration('who'), ' in ', ThisLaunchFileDir()]),
])''', 'inner.launch.py')
    path = write(tmp_path, '''
inner = PythonLaunchDescriptionSource([ThisLaunchFileDir(), '/sub/inner.launch.py'])
return LaunchDescription([
    GroupAction([IncludeLaunchDescription(inner, launch_arguments={'who': LaunchConfiguration('x')}.items())]),
    LogInfo(msg=['who is ', LaunchConfiguration('who', default='not set')]),
])''')
    with ros2('launch', path, 'x:=first', 'x:=last') as command:
        assert command.end() == 0
        assert f'[INFO] [launch.user]: included for last in {tmp_path}/sub' in command.lines
        assert '[INFO] [launch.user]: who is not set' in command.lines
    missing = write(tmp_path, f'''
return LaunchDescription([IncludeLaunchDescription('{tmp_path}/sub/inner.launch.py')])''')
    with ros2('launch', missing) as command:
        assert command.end() == 1
        assert "missing required argument 'who'" in command.text
