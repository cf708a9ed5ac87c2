# SPDX-License-Identifier: Apache-2.0
"""reward_node with a mask of its own: drawn from the URDF, or taken from another topic; the recorder gets either."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from igrft.bench.robot_mask import URDF, overlap
from igrft.nodes.reward_node import RewardNode
from igrft.ros import messages, qos
from igrft.ros.robot_masks import JointHistory
from igrft_msgs.msg import Interaction

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 30.0
DRAWN = ('mask:=urdf', f'urdf:={URDF}', 'extrinsics:=sim')


class Graph:
    """The node under test, and a robot that publishes by hand."""

    def __init__(self, *parameters: str) -> None:
        words = [word for parameter in parameters for word in ('-p', parameter)]
        rclpy.init(args=['test', '--ros-args', *words], domain_id=DOMAIN)
        self.node: Node = RewardNode()
        self.robot = rclpy.create_node('robot')
        self.executor = SingleThreadedExecutor()
        for node in (self.node, self.robot):
            self.executor.add_node(node)
        self.masks: list[Image] = []
        self.signals: list[Interaction] = []
        qos.create_subscription(self.robot, Image, 'camera/front/robot_mask', self.masks.append, qos.IMAGE)
        qos.create_subscription(self.robot, Interaction, 'interaction', self.signals.append, qos.EVENT)

    def publisher(self, kind: type, topic: str, profile=qos.SENSOR):
        made = qos.create_publisher(self.robot, kind, topic, profile)
        self.until(lambda: made.get_subscription_count() > 0, topic)
        return made

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f'never happened: {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.robot.destroy_node()


@pytest.fixture
def graph_of() -> Iterator[Callable[..., Graph]]:
    graphs: list[Graph] = []

    def make(*parameters: str) -> Graph:
        graphs.append(Graph(*parameters))
        return graphs[0]

    yield make
    for graph in graphs:
        graph.close()
    rclpy.try_shutdown()


def test_the_urdf_mask_of_each_frame_is_published_and_used(graph_of) -> None:
    """Frames of the cell come in between joint states of 50 Hz; each mask is that of its frame's stamp."""
    pytest.importorskip('igrft_sim')
    from igrft_sim.cell import Cell
    from igrft_sim.nodes.messages import camera_info_msg
    from igrft_sim.tasks import make_task

    graph = graph_of(*DRAWN)
    images = graph.publisher(Image, 'camera/front/image_raw', qos.IMAGE)
    infos = graph.publisher(CameraInfo, 'camera/front/camera_info')
    states = graph.publisher(JointState, 'joint_states')
    cell = Cell(make_task('block_stacking'), cameras=('front',))
    try:
        truths = []
        for tick in range(3):
            stamp = messages.time_msg(10.0 + 0.1 * tick)
            infos.publish(camera_info_msg(128, 128, float(cell.model.camera('front').fovy[0]), stamp, 'front'))
            images.publish(messages.image_msg(cell.render('front'), stamp, 'front'))
            truths.append(cell.robot_mask('front'))
            for late in (-0.01, 0.01):  # the state of the stamp itself lies between these two
                when = messages.time_msg(10.0 + 0.1 * tick + late)
                states.publish(
                    messages.joint_state_msg(cell.robot.joints, cell.joint_positions, cell.openings, when, 'base_link')
                )
            graph.until(
                lambda tick=tick: len(graph.masks) == tick + 1 and len(graph.signals) == tick + 1, f'mask {tick}'
            )
            cell.advance(cell.joint_target + [0.1, 0, 0, 0, 0, 0, 0], [1.0], 0.1)
    finally:
        cell.close()
    for mask, signal, truth in zip(graph.masks, graph.signals, truths, strict=True):
        assert mask.header.stamp == signal.header.stamp
        assert overlap(messages.image_array(mask, 't', 'mono8'), truth) > 0.7, 'grown by a pixel'


def test_an_uncalibrated_camera_is_named(graph_of) -> None:
    graph = graph_of(*DRAWN)
    infos = graph.publisher(CameraInfo, 'camera/front/camera_info')
    infos.publish(CameraInfo(width=128, height=128))
    graph.until(lambda: 'igrft calibrate intrinsics' in graph.node._problem, 'the problem is told')
    assert 'camera/front/camera_info' in graph.node._problem


def test_masks_of_another_topic_are_handed_on(graph_of) -> None:
    graph = graph_of('mask:=topic', 'mask_topic:=sam/mask')
    images = graph.publisher(Image, 'camera/front/image_raw', qos.IMAGE)
    masks = graph.publisher(Image, 'sam/mask', qos.IMAGE)
    stamp = messages.time_msg(5.0)
    masks.publish(messages.image_msg(np.full((128, 128), 255, np.uint8), stamp, 'front'))
    images.publish(messages.image_msg(np.zeros((128, 128, 3), np.uint8), stamp, 'front'))
    graph.until(lambda: len(graph.masks) == 1 and len(graph.signals) == 1, 'mask and signal')
    assert (messages.image_array(graph.masks[0], 't', 'mono8') == 255).all()


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        (('mask:=urdf',), 'needs the parameters urdf'),
        (('mask:=topic',), 'belong together'),
        (('mask_topic:=sam/mask',), 'belong together'),
        (('mask:=urdf', f'urdf:={URDF}', 'extrinsics:=smi'), "did you mean 'sim'"),
        (('robot:=sim_dual', *DRAWN), "no joint 'left_joint1'"),
    ],
)
def test_masks_that_cannot_be_made_are_refused_at_the_start(graph_of, parameters, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        graph_of(*parameters)
    rclpy.shutdown()
    # The half-built node hangs on the error's traceback; other tests must not hear of it.
    del refused
    gc.collect()


def test_joint_positions_between_two_states() -> None:
    history = JointHistory()
    assert history.at(5) is None and not history.begins_after(5)
    history.add(10, np.array([0.0], np.float32))
    history.add(20, np.array([1.0], np.float32))
    assert (history.at(10), history.at(15), history.at(20)) == (0.0, 0.5, 1.0)
    assert history.at(5) is None and history.begins_after(5), 'nothing will tell'
    assert history.at(25) is None and not history.begins_after(25), 'not yet'
    history.add(20, np.array([7.0], np.float32))
    assert history.at(20) == 1.0, 'a repeated tick changes nothing'
    history.add(3, np.array([2.0], np.float32))
    assert history.at(15) is None, 'the clock went back'
