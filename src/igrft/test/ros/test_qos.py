# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from std_msgs.msg import Bool

from igrft.ros import qos

ALL = [qos.IMAGE, qos.SENSOR, qos.COMMAND, qos.LATCHED, qos.EVENT]


@pytest.mark.parametrize('profile', ALL, ids=lambda p: p.name)
def test_the_two_ends_fit(profile) -> None:
    assert qos_check_compatible(profile.publisher, profile.subscription)[0] != QoSCompatibility.ERROR


@pytest.mark.parametrize('profile', [qos.IMAGE, qos.SENSOR], ids=lambda p: p.name)
def test_sensors_accept_every_driver(profile) -> None:
    driver = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert qos_check_compatible(driver, profile.subscription)[0] != QoSCompatibility.ERROR


@pytest.mark.parametrize('mine', ['publisher', 'subscription'])
def test_a_mismatch_names_topic_policy_and_node(node_with, context, mine: str, capfd) -> None:
    node, other = node_with(), node_with()
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    if mine == 'publisher':
        # Our offer of a volatile stream does not suit one who wants the past.
        qos.create_publisher(node, Bool, 'mixed', qos.EVENT)
        other.create_subscription(Bool, 'mixed', lambda m: None, qos.LATCHED.subscription)
    else:
        qos.create_subscription(node, Bool, 'mixed', lambda m: None, qos.COMMAND)
        other.create_publisher(Bool, 'mixed', best_effort)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    text = ''
    for _ in range(100):
        executor.spin_once(timeout_sec=0.1)
        text += capfd.readouterr().err
        if 'incompatible' in text:
            break
    executor.shutdown()
    assert "topic '/mixed'" in text
    assert ('DURABILITY' if mine == 'publisher' else 'RELIABILITY') in text
    assert f'/{other.get_name()}' in text
