# SPDX-License-Identifier: Apache-2.0
"""Managed nodes give back what they took, and what nobody waits for is not asked again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from igrft.episodes.states import Request
from igrft.nodes.episode_node import EpisodeNode
from igrft.nodes.policy_node import PolicyNode
from igrft.nodes.trainer_node import TrainerNode
from igrft.ros import recording
from igrft.ros.lifecycle import Lifecycle
from igrft.ros.recording import ResetClient
from igrft_msgs.srv import ResetCell


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv('HOME', str(tmp_path))  # where episodes_dir is by default
    rclpy.init(args=['--ros-args', '-p', 'autostart:=false'])
    yield
    rclpy.try_shutdown()


def parts(node: Lifecycle) -> dict[str, int]:
    kinds = ('publishers', 'subscriptions', 'clients', 'services', 'timers', 'guards', 'waitables')
    return {kind: len(list(getattr(node, kind))) for kind in kinds}


@pytest.mark.parametrize('kind', [EpisodeNode, PolicyNode, TrainerNode])
def test_a_second_configuration_adds_nothing(graph: None, kind: type[Lifecycle]) -> None:
    node = kind()
    try:
        found = []
        for _ in range(2):
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            found.append(parts(node))
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert found[0] == found[1]
    finally:
        node.destroy_node()


def test_a_reset_that_nobody_waits_for_is_not_asked_again(graph: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, 'AGAIN', 0.0)
    node = rclpy.create_node('episodes')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    asked: list[int] = []

    def reset(request: ResetCell.Request, response: ResetCell.Response) -> ResetCell.Response:
        asked.append(request.seed)
        return response

    node.create_service(ResetCell, 'reset', reset)
    client = ResetClient(node, lambda *answer: None)
    try:
        while not node.services or not client._client.service_is_ready():
            executor.spin_once(timeout_sec=0.05)
        client.ask(Request(task='block_stacking', kind='rollout', seed=1))
        client.forget()
        client.poll()
        client.ask(Request(task='block_stacking', kind='rollout', seed=2))
        while 2 not in asked:
            executor.spin_once(timeout_sec=0.05)
        assert asked.count(1) == 1
    finally:
        executor.shutdown()
        node.destroy_node()
