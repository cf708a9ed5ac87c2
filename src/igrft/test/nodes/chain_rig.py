# SPDX-License-Identifier: Apache-2.0
"""Nodes of the control chain as processes, and what plays the rest of the graph around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from igrft.ros import qos
from igrft.ros.messages import time_msg
from igrft_msgs.msg import (
    ActionChunk,
    ChunkRequest,
    Command,
    EpisodeStatus,
    GripperCommand,
    Intervention,
    SafetyStatus,
    Teleop,
)

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 30.0
"""[s] until something that must happen counts as not happening; far above what it takes"""

Topics = tuple[tuple[str, type, qos.Profile], ...]

HEARD: Topics = (
    ('servo_node/delta_twist_cmds', TwistStamped, qos.EVENT),
    ('executed_action', Command, qos.EVENT),
    ('policy/request', ChunkRequest, qos.EVENT),
    ('safety/status', SafetyStatus, qos.LATCHED),
)
SAID: Topics = (
    ('joint_states', JointState, qos.SENSOR),
    ('ee_pose', PoseStamped, qos.SENSOR),
    ('episode/status', EpisodeStatus, qos.LATCHED),
)


class Process:
    """A node as a process of its own."""

    def __init__(self, node: str, *parameters: str) -> None:
        main = f'from igrft.nodes.{node} import main; raise SystemExit(main())'
        arguments = [word for parameter in parameters for word in ('-p', parameter)]
        self.process = subprocess.Popen(
            [sys.executable, '-c', main, '--ros-args', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)},
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)


class Player:
    """A node that plays what is around the chain, the robot's state at least, and keeps what the chain sends."""

    patience = PATIENCE

    def __init__(self, context: rclpy.Context, heard: Topics, said: Topics) -> None:
        """Join the graph; ``heard`` and ``said`` come on top of what every player hears and says."""
        self.node = rclpy.create_node('rig', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.received: dict[str, list] = {}
        for topic, kind, profile in HEARD + heard:
            self.received[topic] = []
            qos.create_subscription(self.node, kind, topic, self.received[topic].append, profile)
        self.publishers = {
            topic: qos.create_publisher(self.node, kind, topic, profile) for topic, kind, profile in SAID + said
        }

    def sense(self, stamp) -> None:
        joints = JointState(name=[*(f'joint{i}' for i in range(1, 8)), 'gripper'], position=[0.0] * 7 + [0.25])
        joints.header.stamp = stamp
        pose = PoseStamped()
        pose.header.stamp = stamp
        pose.pose.position.x, pose.pose.position.z = 0.5, 0.3
        pose.pose.orientation.w = 1.0
        self.publish('ee_pose', pose)
        self.publish('joint_states', joints)

    def publish(self, topic: str, message) -> None:
        self.publishers[topic].publish(message)

    def until(self, condition: Callable[[], bool], what: str, again: Callable[[], None] | None = None) -> None:
        """Spin until it happens; ``again`` says what somebody may not have heard, as the cell does."""
        begin = repeated = time.monotonic()
        while not condition():
            now = time.monotonic()
            assert now < begin + self.patience, f'never happened: {what}'
            if again is not None and now > repeated + 0.5:
                repeated = now
                again()
            self.executor.spin_once(timeout_sec=0.05)

    def twists(self) -> list[TwistStamped]:
        return self.received['servo_node/delta_twist_cmds']

    def stands(self) -> bool:
        return bool(self.twists()) and self.twists()[-1].twist == TwistStamped().twist

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()


class Rig(Player):
    """Plays robot, policy, operator and episode manager."""

    def __init__(self, context: rclpy.Context, lockstep: bool) -> None:
        self.lockstep = lockstep
        heard = (
            ('gripper/command', GripperCommand, qos.EVENT),
            ('intervention', Intervention, qos.LATCHED),
            ('command', Command, qos.EVENT),
        )
        said = (
            ('policy/action_chunk', ActionChunk, qos.COMMAND),
            ('teleop/command', Teleop, qos.COMMAND),
            ('e_stop', Bool, qos.LATCHED),
            ('console/e_stop', Bool, qos.LATCHED),
        )
        super().__init__(context, heard, said)
        self.reset = self.node.create_client(Trigger, 'safety_node/e_stop_reset')
        self.sensors_on = not lockstep
        self.teleop: Teleop | None = None
        self.timer = self.node.create_timer(0.02, self._sense)
        self.episodes = 0

    def _sense(self) -> None:
        if self.sensors_on:
            self.sense(self.node.get_clock().now().to_msg())
            if self.teleop is not None:
                self.publish('teleop/command', self.teleop)

    def connected(self) -> None:
        nodes = {'arbiter_node', 'safety_node'}
        self.until(lambda: nodes <= set(self.node.get_node_names()), 'nodes up')
        self.until(lambda: all(p.get_subscription_count() for p in self.publishers.values()), 'subscriptions matched')
        self.until(lambda: all(self.node.count_publishers(t) for t in self.received), 'publishers matched')
        self.until(self.reset.service_is_ready, 'service up')

    def episode(self, kind: str = 'correction') -> None:
        self.episodes += 1
        for state in (EpisodeStatus.STATE_RESETTING, EpisodeStatus.STATE_RECORDING):
            message = EpisodeStatus(state=state, episode_id=f'e{self.episodes}', kind=kind)
            self.publish('episode/status', message)
            if state == EpisodeStatus.STATE_RESETTING:
                self.until(lambda: self.mode() == Intervention.MODE_HOLD, 'hold while resetting')

    def idle(self) -> None:
        self.publish('episode/status', EpisodeStatus(state=EpisodeStatus.STATE_IDLE))
        self.until(lambda: self.mode() == Intervention.MODE_HOLD, 'hold')

    def mode(self) -> int:
        return self.received['intervention'][-1].mode if self.received['intervention'] else -1

    def state(self) -> int:
        return self.received['safety/status'][-1].state if self.received['safety/status'] else -1

    def chunk(self, value: float, stamp, horizon: int = 8) -> ActionChunk:
        actions = np.tile(np.float32([value, 0, 0, 0, 0, 0, 0.5]), (horizon, 1))
        message = ActionChunk(horizon=horizon, dim=7, step_dt=0.1, checkpoint='c1')
        message.actions = array('f', actions.tobytes())
        message.header.stamp = stamp
        return message

    def drive(self, value: float = 0.1) -> None:
        """Answer requests until the policy's twist reaches the servo."""
        self.clear()

        def driving() -> bool:
            requests = self.received['policy/request']
            if requests:
                self.publish('policy/action_chunk', self.chunk(value, requests.pop().header.stamp))
            return any(abs(t.twist.linear.x - value) < 1e-6 for t in self.twists())

        self.until(driving, 'the policy drives')

    def operator(self, value: float, engaged: bool, device: str = 'test') -> None:
        message = Teleop(device=device, connected=True, engaged=engaged)
        message.action = array('f', [value, 0, 0, 0, 0, 0, 0.7])
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.teleop = message

    def drives(self, source: int) -> bool:
        executed = self.received['executed_action']
        return bool(executed) and executed[-1].source == source

    def clear(self) -> None:
        for messages in self.received.values():
            messages.clear()


def stamp_of(tick: int):
    return time_msg(round(0.1 * (tick + 1), 9))
