# SPDX-License-Identifier: Apache-2.0
"""Two arms, each with a servo process of its own, in lock-step: as the environment does it in process."""

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('igrft_msgs')

from geometry_msgs.msg import TwistStamped
from graph_rig import Graph, StandIn

from igrft.ros import qos
from igrft.ros.messages import nanoseconds_of, twist_msg
from igrft.types import Kind
from igrft_msgs.msg import EpisodeStatus, GripperCommand
from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.operator import Operator
from igrft_sim.tasks import make_task

TWO_ARMS = (
    'sim_node',
    'sim_servo_node -p arm:=left -r __node:=sim_servo_node_left',
    'sim_servo_node -p arm:=right -r __node:=sim_servo_node_right',
    'operator_node',
)


class TwoArmStandIn(StandIn):
    """The same for two arms."""

    def __init__(self, context, namespace):
        super().__init__(context, namespace)
        self.to_servos = [
            qos.create_publisher(self, TwistStamped, f'{arm}/servo_node/delta_twist_cmds', qos.COMMAND)
            for arm in ('left', 'right')
        ]

    def on_teleop(self, message):
        if self.status.state != EpisodeStatus.STATE_RECORDING:
            return
        stamp = message.header.stamp
        action = np.array(message.action, np.float32).reshape(2, 7)
        self.actions[nanoseconds_of(stamp)] = action.ravel()
        self.to_gripper.publish(GripperCommand(header=message.header, opening=action[:, 6].copy()))
        for publisher, twist in zip(self.to_servos, action[:, :6], strict=True):
            publisher.publish(twist_msg(twist, stamp, 'base_link'))

    def discovered(self):
        return (
            self.reset.service_is_ready()
            and all(publisher.get_subscription_count() >= 1 for publisher in self.to_servos)
            and self.to_gripper.get_subscription_count() >= 1
            and self.to_all.get_subscription_count() >= 2
            and self.count_publishers('teleop/command') >= 1
            and all(self.count_publishers(f'{arm}/joint_command') >= 1 for arm in ('left', 'right'))
        )


def test_two_arms_in_lock_step_do_what_the_environment_does_in_process():
    task, seed = 'sort_hand_over', 3
    graph = Graph('lockstep:=true', 'robot:=sim_dual', f'task:={task}', nodes=TWO_ARMS, stand_in=TwoArmStandIn)
    node = graph.node
    try:
        graph.until(node.discovered, 'the nodes')
        assert graph.call_reset(task=task, seed=seed, split='in').success
        node.record(Kind.DEMONSTRATION, seed, task)
        graph.until(lambda: node.stop_request is not None, 'the label')
        node.idle()
        refused = graph.call_reset(task='block_stacking', seed=seed, split='in')
        assert not refused.success and 'block_stacking' in refused.message
    finally:
        ends = graph.end()
    assert ends == [0, 0, 0, 0]

    stop = nanoseconds_of(node.stop_request.stamp)
    assert node.stop_request.outcome == 'success'
    assert [mark.name for mark in node.marks] == list(make_task(task).subtasks)
    env = CellEnv(Cell(make_task(task), cameras=()))
    env.reset(seed)
    operator = Operator(env.cell.task, Kind.DEMONSTRATION, seed)
    for stamp in (stamp for stamp in sorted(node.actions) if stamp <= stop):
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        if stamp in node.joints:
            np.testing.assert_array_equal(node.joints[stamp][:14], env.cell.joint_positions)
            np.testing.assert_array_equal(node.joints[stamp][14:], env.cell.openings)
        env.act(decision.action)
    assert len(node.joints) > 20
