# SPDX-License-Identifier: Apache-2.0
"""Cell, servo and operator as processes, and in this one what stands in for the rest of the graph."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from igrft.ros import qos
from igrft.ros.asking import Repeated
from igrft.ros.messages import nanoseconds_of, twist_msg
from igrft_msgs.msg import EpisodeStatus, GripperCommand, SubtaskMark, TaskState, Teleop
from igrft_msgs.srv import ResetCell, StopEpisode

NODES = ('sim_node', 'sim_servo_node', 'operator_node')
LIMIT = 60.0


class StandIn(Node):
    """Arbiter, safety and episode manager in a few lines: the operator's action goes through as it is."""

    def __init__(self, context, namespace):
        super().__init__('stand_in', context=context, namespace=namespace)
        self.joints, self.actions, self.images = {}, {}, {}
        self.marks, self.states = [], {}
        self.stop_request = None
        self.pending = None
        self.status = EpisodeStatus(state=EpisodeStatus.STATE_IDLE)
        self.to_servo = qos.create_publisher(self, TwistStamped, 'servo_node/delta_twist_cmds', qos.COMMAND)
        self.to_gripper = qos.create_publisher(self, GripperCommand, 'gripper/command', qos.COMMAND)
        self.to_all = qos.create_publisher(self, EpisodeStatus, 'episode/status', qos.LATCHED)
        qos.create_subscription(self, Teleop, 'teleop/command', self.on_teleop, qos.COMMAND)
        qos.create_subscription(self, JointState, 'joint_states', self.on_joints, qos.SENSOR)
        qos.create_subscription(self, TaskState, 'task_state', self.on_state, qos.EVENT)
        qos.create_subscription(self, SubtaskMark, 'subtask_mark', self.marks.append, qos.EVENT)
        qos.create_subscription(self, Image, 'camera/front/image_raw', self.on_image, qos.IMAGE)
        self.reset = self.create_client(ResetCell, 'reset')
        self.create_service(StopEpisode, 'episode/stop', self.on_stop)

    def record(self, kind, seed, task='block_stacking'):
        self.joints.clear(), self.actions.clear(), self.images.clear(), self.states.clear()
        self.status = EpisodeStatus(
            state=EpisodeStatus.STATE_RECORDING,
            episode_id=f'{kind.value}-{seed}',
            task=task,
            kind=kind.value,
            seed=seed,
        )
        self.to_all.publish(self.status)

    def idle(self):
        self.status = EpisodeStatus(state=EpisodeStatus.STATE_IDLE)
        self.to_all.publish(self.status)

    def on_joints(self, message):
        if self.status.state == EpisodeStatus.STATE_RECORDING:
            self.joints[nanoseconds_of(message.header.stamp)] = list(message.position)

    def on_state(self, message):
        self.states[nanoseconds_of(message.header.stamp)] = message

    def on_image(self, message):
        self.images[nanoseconds_of(message.header.stamp)] = zlib.crc32(bytes(message.data))

    def on_teleop(self, message):
        if self.status.state != EpisodeStatus.STATE_RECORDING:
            return
        stamp = message.header.stamp
        action = np.array(message.action, np.float32)
        self.actions[nanoseconds_of(stamp)] = action
        self.to_gripper.publish(GripperCommand(header=message.header, opening=np.array(action[6:], np.float32)))
        self.to_servo.publish(twist_msg(action[:6], stamp, 'base_link'))

    def on_stop(self, request, response):
        self.stop_request = request
        response.success = True
        return response


class Graph:
    """The nodes as processes, and the stand-in in this one; a node's own parameters may follow its name."""

    def __init__(self, *parameters, nodes=NODES, stand_in=StandIn):
        self.namespace = f'/t{os.getpid()}_{time.monotonic_ns() % 10**9}'
        ros = ['--ros-args', '-r', f'__ns:={self.namespace}', '-r', '/clock:=clock', '-p', 'use_sim_time:=true']
        for parameter in parameters:
            ros += ['-p', parameter]
        commands = [node.split() for node in nodes]
        self.processes = [
            subprocess.Popen([sys.executable, '-m', f'igrft_sim.nodes.{name}', *ros, *own]) for name, *own in commands
        ]
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = stand_in(self.context, self.namespace)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def until(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, f'waited {LIMIT:g} s for {what}'
            for process in self.processes:
                assert process.poll() is None, f'{process.args} ended with {process.returncode}'
            self.executor.spin_once(timeout_sec=0.1)

    def discovered(self):
        """Every end of the chain sees its peer."""
        node = self.node
        return (
            node.reset.service_is_ready()
            and node.to_servo.get_subscription_count() >= 1
            and node.to_gripper.get_subscription_count() >= 1
            and node.to_all.get_subscription_count() >= 2
            and node.count_publishers('teleop/command') >= 1
            and node.count_publishers('joint_command') >= 1
        )

    def call_reset(self, **request):
        message = ResetCell.Request(**request)
        ask = Repeated(lambda: self.node.reset.call_async(message), self.node.reset.service_is_ready)
        self.until(lambda: ask.answer() is not None, 'the reset')
        return ask.answer()

    def end(self):
        """SIGINT to all; the exit codes."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        try:
            return [process.wait(timeout=10) for process in self.processes]
        finally:
            for process in self.processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            self.executor.shutdown()
            self.node.destroy_node()
            rclpy.try_shutdown(context=self.context)
