# SPDX-License-Identifier: Apache-2.0
"""Cell and servo as processes in real time: the arm follows what is sent, and halts when nothing comes."""

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('igrft_msgs')

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from graph_rig import NODES, Graph
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from igrft.ros import qos
from igrft.ros.messages import nanoseconds_of, twist_msg
from igrft_msgs.msg import ServoStatus
from igrft_sim.cell import Cell
from igrft_sim.tasks import make_task


class Hand:
    """Commands the servo in real time, and watches what comes of it."""

    def __init__(self, graph):
        self.graph, node = graph, graph.node
        self.heights, self.codes, self.clocks, self.infos, self.masks = [], [], [], [], []
        self.twist = None
        self.watched = [
            qos.create_subscription(node, *what)
            for what in (
                (PoseStamped, 'ee_pose', lambda m: self.heights.append(m.pose.position.z), qos.SENSOR),
                (ServoStatus, 'servo/status', lambda m: self.codes.append(m.code), qos.LATCHED),
                (CameraInfo, 'camera/front/camera_info', self.infos.append, qos.SENSOR),
                (Image, 'camera/front/robot_mask', self.masks.append, qos.IMAGE),
            )
        ]
        self.clock = node.create_subscription(Clock, 'clock', lambda m: self.clocks.append(m.clock), 10)
        self.timer = node.create_timer(0.02, self.push)

    def push(self):
        if self.twist is not None:
            stamp = self.clocks[-1] if self.clocks else Time()
            self.graph.node.to_servo.publish(twist_msg(self.twist, stamp, 'base_link'))

    def still(self):
        """The last second of the cell's time saw no motion."""
        return len(self.heights) > 50 and np.ptp(self.heights[-50:]) < 1e-5


@pytest.fixture(scope='module')
def running():
    graph = Graph('sim_node:rtf:=2.0', nodes=NODES[:2])
    node = graph.node
    graph.until(
        lambda: node.to_servo.get_subscription_count() >= 1 and node.count_publishers('joint_command') >= 1,
        'the nodes',
    )
    hand = Hand(graph)
    graph.until(lambda: hand.heights and hand.clocks, 'the cell')
    yield hand
    assert graph.end() == [0] * len(graph.processes)


def test_in_real_time_the_arm_follows_a_twist_and_halts_when_it_stops_coming(running):
    graph = running.graph
    running.heights.clear()
    graph.until(running.still, 'an arm that holds without any command')
    before = running.heights[-1]
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: running.heights[-1] > before + 0.03, 'motion')
    assert running.codes[-1] == ServoStatus.NO_WARNING
    running.twist = None
    running.heights.clear()
    graph.until(running.still, 'the halt')
    assert running.heights[-1] < before + 0.2


def test_a_twist_that_is_no_number_moves_nothing_and_is_named(running):
    graph = running.graph
    graph.until(running.still, 'rest')
    before = running.heights[-1]
    running.twist = np.array([0, 0, np.nan, 0, 0, 0])
    graph.until(lambda: running.codes[-1] == ServoStatus.INVALID, 'the code')
    running.heights.clear()
    graph.until(lambda: len(running.heights) > 100, 'two seconds')
    assert np.abs(np.array(running.heights) - before).max() < 1e-4
    running.twist = np.zeros(6)
    graph.until(lambda: running.codes[-1] == ServoStatus.NO_WARNING, 'the code')
    running.twist = None


def test_clock_camera_info_and_mask(running):
    running.graph.until(lambda: len(running.infos) > 1 and len(running.masks) > 1, 'the camera')
    stamps = [nanoseconds_of(stamp) for stamp in running.clocks]
    steps = np.diff(stamps)
    assert steps.min() == 20_000_000 and not (steps % 20_000_000).any(), 'a control period a tick'
    info, mask = running.infos[-1], running.masks[-1]
    assert (info.width, info.height) == (mask.width, mask.height) == (128, 128)
    assert info.k[0] == info.k[4] == pytest.approx(64 / np.tan(np.radians(31) / 2))
    assert mask.encoding == 'mono8' and set(bytes(mask.data)) == {0, 255}


def test_reset_puts_the_arm_back_and_it_stays_there(running):
    graph = running.graph
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: len(running.heights) > 50, 'a while')
    assert graph.call_reset(task='', seed=3, split='').success
    running.twist = np.zeros(6)
    running.heights.clear()
    graph.until(running.still, 'rest')
    expected = Cell(make_task('block_stacking'), cameras=(), seed=3).tools[0, 2]
    running.twist = None
    assert running.heights[-1] == pytest.approx(expected, abs=0.01)


def test_without_a_servo_the_cell_holds(running):
    """Last test of the group: it takes the servo away."""
    graph = running.graph
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: not running.still(), 'motion')
    before = running.heights[-1]
    servo = graph.processes.pop(1)
    servo.kill()
    servo.wait()
    running.heights.clear()
    graph.until(running.still, 'a held arm')
    held = running.heights[-1]
    assert held > before - 0.01, 'it was on its way up, and does not fall'
    running.heights.clear()
    graph.until(lambda: len(running.heights) > 100, 'two seconds')
    assert np.abs(np.array(running.heights) - held).max() < 1e-4, 'it stays there'
