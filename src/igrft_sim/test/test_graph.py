# SPDX-License-Identifier: Apache-2.0
"""Cell, servo and operator as processes in lock-step do what the environment does in process, step by step."""

import zlib

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('igrft_msgs')

from builtin_interfaces.msg import Time
from graph_rig import Graph

from igrft.ros import qos
from igrft.ros.messages import nanoseconds_of
from igrft.types import Kind
from igrft_msgs.msg import HelpRequest, TaskState, Teleop, TeleopEvent
from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.operator import Habits, Operator
from igrft_sim.tasks import make_task


@pytest.fixture(scope='module')
def graph():
    graph = Graph('lockstep:=true')
    graph.until(graph.discovered, 'the nodes')
    yield graph
    assert graph.end() == [0, 0, 0]


@pytest.mark.parametrize('seed', [3, 4])
def test_demonstration_equals_the_environment_in_process(graph, seed):
    node = graph.node
    answer = graph.call_reset(task='block_stacking', seed=seed, split='in')
    assert answer.success and 'red' in answer.instruction
    node.stop_request = None
    node.marks.clear()
    node.record(Kind.DEMONSTRATION, seed)
    graph.until(lambda: node.stop_request is not None, 'the label')
    node.idle()

    stop = nanoseconds_of(node.stop_request.stamp)
    stamps = [stamp for stamp in sorted(node.actions) if stamp <= stop]
    assert node.stop_request.outcome == 'success'
    assert np.all(np.diff(stamps) == 10**8), 'a policy step a tick'
    assert [mark.name for mark in node.marks] == list(make_task('block_stacking').subtasks)

    env = CellEnv(Cell(make_task('block_stacking'), image_size=128))
    observation = env.reset(seed)
    operator = Operator(env.cell.task, Kind.DEMONSTRATION, seed)
    for stamp in stamps:
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        if stamp in node.joints:  # best effort: a sample may be missed here
            np.testing.assert_array_equal(node.joints[stamp][:7], env.cell.joint_positions)
        if stamp in node.images:
            assert node.images[stamp] == zlib.crc32(observation.images['front'].tobytes())
        assert list(node.states[stamp].subtasks) == list(env.cell.task_state().subtasks)
        assert (decision.outcome is not None) == (stamp == stop)
        observation, _ = env.step(decision.action)
    env.cell.close()
    assert len(node.images) > len(stamps) // 2


def test_outside_an_episode_the_cell_stands_still_and_repeats_its_tick(graph):
    graph.call_reset(task='block_stacking', seed=5, split='in')
    received = []
    subscription = qos.create_subscription(graph.node, TaskState, 'task_state', received.append, qos.EVENT)
    graph.until(lambda: len(received) >= 4, 'repetitions')
    graph.node.destroy_subscription(subscription)
    assert len({nanoseconds_of(message.header.stamp) for message in received}) == 1
    assert all(message == received[0] for message in received)


def test_reset_names_the_nearest_task_and_split(graph):
    answer = graph.call_reset(task='block_staking', seed=1, split='in')
    assert not answer.success and 'block_stacking' in answer.message
    answer = graph.call_reset(task='block_stacking', seed=1, split='heldout')
    assert not answer.success and 'held_out' in answer.message
    answer = graph.call_reset(task='sort_hand_over', seed=1, split='in')
    assert not answer.success and 'sim_dual' in answer.message


def test_operator_never_drives_in_an_evaluation(graph):
    node = graph.node
    assert graph.call_reset(task='block_stacking', seed=6, split='held_out').success
    engaged = []
    subscription = qos.create_subscription(
        node, Teleop, 'teleop/command', lambda message: engaged.append(message.engaged), qos.COMMAND
    )
    node.record(Kind.EVALUATION, 6)
    graph.until(lambda: len(engaged) >= 40, 'forty ticks')
    node.idle()
    node.destroy_subscription(subscription)
    assert not any(engaged)
    assert {state.split for state in node.states.values()} == {'held_out'}


def test_operator_takes_over_when_nothing_happens(graph):
    """Nobody drives at first (the stand-in sends the still action), so the operator loses patience."""
    node = graph.node
    assert graph.call_reset(task='block_stacking', seed=7, split='in').success
    engaged = []
    subscription = qos.create_subscription(
        node, Teleop, 'teleop/command', lambda message: engaged.append(message.engaged), qos.COMMAND
    )
    node.stop_request = None
    node.record(Kind.CORRECTION, 7)
    graph.until(lambda: node.stop_request is not None, 'the label')
    node.idle()
    node.destroy_subscription(subscription)
    assert not any(engaged[:20]) and any(engaged)
    assert node.stop_request.outcome == 'success'
    assert node.stop_request.stamp != Time()


def test_operator_elsewhere_comes_when_called_as_in_process():
    """The call is heard late; when the operator comes follows from its stamp. Nobody else acts."""
    seed, habits = 7, Habits(protocol='called', coming=6, patience=5, reaction=1)
    own = 'protocol:=called -p coming:=0.6 -p patience:=0.5 -p reaction_delay:=0.1'
    graph = Graph('lockstep:=true', nodes=('sim_node', 'sim_servo_node', f'operator_node -p {own}'))
    node = graph.node
    events, engaged, first = [], {}, []
    qos.create_subscription(node, TeleopEvent, 'teleop/event', events.append, qos.EVENT)
    to_operator = qos.create_publisher(node, HelpRequest, 'help', qos.LATCHED)

    def on_teleop(message):
        stamp = nanoseconds_of(message.header.stamp)
        engaged[stamp] = message.engaged
        first.append(stamp)
        if stamp == first[0] + 4 * 10**8:  # about tick 2, told in tick 4
            call = HelpRequest(requested=True, score=2.0, threshold=1.0, reason='the value stands still')
            call.header.stamp = Time(sec=(stamp - 2 * 10**8) // 10**9, nanosec=(stamp - 2 * 10**8) % 10**9)
            to_operator.publish(call)

    qos.create_subscription(node, Teleop, 'teleop/command', on_teleop, qos.EVENT)
    try:
        graph.until(graph.discovered, 'the nodes')
        graph.until(lambda: to_operator.get_subscription_count() == 1, 'the operator listens')
        assert graph.call_reset(task='block_stacking', seed=seed, split='in').success
        node.record(Kind.CORRECTION, seed)
        graph.until(lambda: any(engaged.values()) and not engaged[max(engaged)], 'a correction')
        node.idle()
    finally:
        assert graph.end() == [0, 0, 0]

    env = CellEnv(Cell(make_task('block_stacking'), cameras=()))
    env.reset(seed)
    operator = Operator(env.cell.task, Kind.CORRECTION, seed, habits)
    stamps = sorted(node.actions)
    last = next(stamp for stamp in stamps if not engaged[stamp] and any(engaged[s] for s in stamps if s < stamp))
    dismissed = []
    for tick, stamp in enumerate(stamps[: stamps.index(last) + 1]):
        call = tick - 2 if tick >= 5 else None
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings, call)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        assert decision.engaged == engaged[stamp]
        dismissed += [stamp] if decision.dismisses else []
        env.act(decision.action)
    assert [event.event for event in events] == ['dismiss_help']
    assert [nanoseconds_of(event.header.stamp) for event in events] == dismissed == [stamps[8]]
