# SPDX-License-Identifier: Apache-2.0
"""episode_node and reward_node as processes of their own, against a cell that is one, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from igrft.config import RobotConfig, named
from igrft.episodes.bag import EpisodeBag
from igrft.episodes.catalog import iterate, partials
from igrft.episodes.labels import label_interaction
from igrft.episodes.reader import read_episode
from igrft.episodes.recover import recover
from igrft.episodes.schema import NANO, read_meta
from igrft.episodes.verify import Report, verify
from igrft.reward.hybrid import HybridConfig
from igrft.ros.asking import Goal, Repeated
from igrft.types import Outcome
from igrft_msgs.action import RunEpisode
from igrft_msgs.msg import EpisodeStatus
from igrft_msgs.srv import LabelEpisode, StartEpisode, StopEpisode

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 30.0
"""[s] that a loaded machine may take for anything."""

RUNNING: list[subprocess.Popen[str]] = []
"""What the test at hand has started."""


class Client:
    """What a console would hold of the episode manager."""

    def __init__(self, context: rclpy.context.Context) -> None:
        self.node = rclpy.create_node('test_client', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.action = ActionClient(self.node, RunEpisode, 'run_episode')
        self.services = {
            name: self.node.create_client(kind, f'episode/{name}')
            for name, kind in (
                ('start', StartEpisode),
                ('stop', StopEpisode),
                ('discard', Trigger),
                ('label', LabelEpisode),
            )
        }
        self.states: list[EpisodeStatus] = []
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(EpisodeStatus, 'episode/status', self.states.append, latched)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                ends = {' '.join(map(str, p.args)): p.poll() for p in RUNNING}
                for p in RUNNING:
                    p.send_signal(signal.SIGABRT)  # faulthandler writes where it stands
                    p.wait(PATIENCE)
                pytest.fail(
                    f'waited {PATIENCE} s for {what}; processes and their exit codes: {ends}; '
                    f'nodes: {self.node.get_node_names()}'
                )
            self.executor.spin_once(timeout_sec=0.1)

    def result(self, future: Any, what: str) -> Any:
        self.until(future.done, what)
        return future.result()

    def answer(self, ask: Repeated, what: str) -> Any:
        self.until(lambda: ask.answer() is not None, what)
        return ask.answer()

    def goal(self, **goal: Any) -> Any:
        self.until(self.action.server_is_ready, 'run_episode')
        sent = Goal(self.action, RunEpisode.Goal(**{'task': 'block_stacking', 'kind': 'correction'} | goal))
        return sent.handle(self.answer(sent.acceptance, 'acceptance'))

    def run(self, **goal: Any) -> Any:
        return self.result(self.goal(**goal).get_result_async(), 'the episode')

    def call(self, name: str, **request: Any) -> Any:
        client = self.services[name]
        self.until(client.service_is_ready, name)
        message = client.srv_type.Request(**request)
        return self.answer(Repeated(lambda: client.call_async(message), client.service_is_ready), name)

    def published_by(self, name: str) -> set[str]:
        """Names of a node's topics, none while it is unknown."""
        if name not in self.node.get_node_names():
            return set()
        return {topic.lstrip('/') for topic, _ in self.node.get_publisher_names_and_types_by_node(name, '/')}

    def state(self, state: int) -> None:
        self.until(lambda: bool(self.states) and self.states[-1].state == state, f'state {state}')


@pytest.fixture
def client() -> Iterator[Client]:
    context = rclpy.context.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    made = Client(context)
    yield made
    made.executor.shutdown()
    made.node.destroy_node()
    context.try_shutdown()


@contextmanager
def process(*command: str, stop: int = signal.SIGINT) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {'ROS_DOMAIN_ID': str(DOMAIN)}
    running = subprocess.Popen([sys.executable, '-X', 'faulthandler', *command], env=environment)
    RUNNING.append(running)
    try:
        yield running
    finally:
        RUNNING.remove(running)
        if running.poll() is None:
            running.send_signal(stop)
        running.wait(PATIENCE)


def episode_node(root: Path, **parameters: Any) -> Any:
    words = [word for k, v in ({'episodes_dir': root} | parameters).items() for word in ('-p', f'{k}:={v}')]
    return process('-m', 'igrft.nodes.episode_node', '--ros-args', *words)


def fake_cell(*words: str) -> Any:
    return process(str(Path(__file__).with_name('fake_cell.py')), *words, stop=signal.SIGTERM)


@pytest.fixture(scope='module')
def cell_robot() -> RobotConfig:
    return named('robots', 'sim', RobotConfig)


def flaws(report: Report) -> list[str]:
    """What is wrong with a recording, apart from the holes that a busy machine leaves by delaying the fake cell."""
    return [problem for problem in report.problems if 'has a hole of' not in problem]


def test_lockstep_episodes_are_complete_and_the_services_work(
    tmp_path: Path, client: Client, cell_robot: RobotConfig
) -> None:
    with episode_node(tmp_path, lockstep='true') as node, fake_cell('--lockstep', '--steps', '12'):
        for seed in range(2):
            answer = client.run(seed=seed)
            assert answer.status == GoalStatus.STATUS_SUCCEEDED
            result = answer.result
            assert (result.success, result.outcome, result.steps) == (True, 'success', 12), result.message
            report = verify(Path(result.path), cell_robot)
            assert flaws(report) == []
            meta = read_meta(Path(result.path))
            assert meta.lost == 0
            assert meta.instruction == 'as the cell says'
            stamps = read_episode(Path(result.path), cell_robot).stamps
            assert np.array_equal(stamps, (100 + seed) * NANO + np.arange(12) * NANO // 10)
        assert client.call('label', outcome='failure').success
        assert read_meta(Path(result.path)).outcome is Outcome.FAILURE
        refused = client.call('label', outcome='great')
        assert not refused.success and 'great' in refused.message
        assert not client.call('discard').success
        bad = client.run(kind='rollouts')
        assert bad.status == GoalStatus.STATUS_ABORTED and "did you mean 'rollout'" in bad.result.message
        assert len(list(iterate(tmp_path))) == 2
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE) == 0


def frames(episode: Path) -> int:
    """How many front images a bag holds; unlike steps they do not end at a hole."""
    return sum(1 for _ in EpisodeBag(episode).decoded({'camera/front/image_raw'}))


FAULTS = {
    'missing:camera/wrist/image_raw': "'camera/wrist/image_raw' is silent: nobody publishes it",
    'encoding:camera/front/image_raw': "'camera/front/image_raw' has encoding 'bgr8'",
    'best_effort:joint_states': "'joint_states' is silent: incompatible QoS: /fake_cell offers best_effort",
    'reset:': 'the scene is upside down',
}


def test_a_bad_stream_is_named_and_nothing_is_recorded(tmp_path: Path, client: Client) -> None:
    with episode_node(tmp_path, stream_patience=2.0):
        for fault, message in FAULTS.items():
            client.until(lambda: client.node.count_publishers('joint_states') == 0, 'the last cell to be forgotten')
            with fake_cell('--steps', '12', '--fault', fault):
                client.until(lambda: 'fake_cell' in client.node.get_node_names(), 'the cell')
                answer = client.run()
                assert not answer.result.success
                assert message in answer.result.message
                client.state(EpisodeStatus.STATE_IDLE)
                assert message in client.states[-1].problem
                assert list(tmp_path.glob('*/*')) == []


def test_in_real_time_nothing_is_lost_and_the_offered_qos_is_known(tmp_path: Path, client: Client) -> None:
    with episode_node(tmp_path), fake_cell('--steps', '20', '--endless'):
        assert client.call('start', task='block_stacking', kind='rollout').success
        client.state(EpisodeStatus.STATE_RECORDING)
        bag = tmp_path / 'block_stacking'
        client.until(lambda: sum(p.stat().st_size for p in bag.glob('.*/*.mcap')) > 200_000, 'a second of data')
        stopped = client.call('stop', outcome='success')
        assert stopped.success, stopped.message
        client.state(EpisodeStatus.STATE_IDLE)
        meta = read_meta(Path(stopped.path))
        assert meta.outcome is Outcome.SUCCESS
        assert meta.lost == 0
        assert frames(Path(stopped.path)) >= 5


def test_sigint_closes_the_bag(tmp_path: Path, client: Client, cell_robot: RobotConfig) -> None:
    with episode_node(tmp_path, lockstep='true') as node, fake_cell('--lockstep', '--steps', '300', '--endless'):
        client.goal()
        client.state(EpisodeStatus.STATE_RECORDING)
        bag = tmp_path / 'block_stacking'
        client.until(lambda: sum(p.stat().st_size for p in bag.glob('.*/*.mcap')) > 200_000, 'a second of data')
        node.send_signal(signal.SIGINT)
        assert node.wait(PATIENCE) == 0
    (entry,) = iterate(tmp_path)
    assert entry.meta.outcome is Outcome.UNLABELLED
    assert partials(tmp_path) == []
    report = verify(entry.path, cell_robot)
    assert flaws(report) == [] and frames(entry.path) >= 5


def test_sigkill_loses_the_last_second_at_most(tmp_path: Path, client: Client, cell_robot: RobotConfig) -> None:
    with episode_node(tmp_path, lockstep='true') as node, fake_cell('--lockstep', '--steps', '300', '--endless'):
        client.goal()
        client.state(EpisodeStatus.STATE_RECORDING)
        bag = tmp_path / 'block_stacking'
        client.until(lambda: sum(p.stat().st_size for p in bag.glob('.*/*.mcap')) > 200_000, 'some chunks')
        node.kill()
        node.wait(PATIENCE)
    assert list(iterate(tmp_path)) == []
    (remains,) = partials(tmp_path)
    saved = recover(remains, cell_robot)
    assert saved.steps >= 8
    assert flaws(verify(saved.path, cell_robot)) == []


def test_a_cancelled_goal_ends_the_episode(tmp_path: Path, client: Client) -> None:
    with episode_node(tmp_path, on_interrupt='discard'), fake_cell('--lockstep', '--steps', '8', '--endless'):
        goal = client.goal()
        client.state(EpisodeStatus.STATE_RECORDING)
        client.result(goal.cancel_goal_async(), 'the cancel')
        answer = client.result(goal.get_result_async(), 'the end')
        assert answer.status == GoalStatus.STATUS_CANCELED
        assert 'cancelled' in answer.result.message
        assert list(tmp_path.glob('*/*')) == []


def test_rewards_online_are_the_rewards_offline(tmp_path: Path, client: Client, cell_robot: RobotConfig) -> None:
    """Every frame of a lock-step episode gets the signal that labelling its bag gives it."""
    with (
        episode_node(tmp_path, lockstep='true'),
        process('-m', 'igrft.nodes.reward_node'),
        fake_cell('--lockstep', '--steps', '16', '--period', '0.2'),
    ):
        client.until(lambda: 'interaction' in client.published_by('reward_node'), 'the topics of reward_node')
        result = client.run().result
        assert result.success, result.message
    path = Path(result.path)
    raw = read_episode(path, cell_robot)
    offline, pixels = label_interaction(raw, HybridConfig().interaction)
    online = {
        item.message.header.stamp.sec * NANO + item.message.header.stamp.nanosec: item.message
        for item in EpisodeBag(path).decoded({'interaction'})
    }
    seen = [stamp for stamp in raw.stamps.tolist() if stamp in online]
    assert len(seen) >= 15
    for step, stamp in enumerate(raw.stamps.tolist()):
        if stamp in online:
            assert (online[stamp].interacting, online[stamp].moving_pixels) == (offline[step], pixels[step])
    rewards = [item.message for item in EpisodeBag(path).decoded({'reward'})]
    assert rewards[-1].completed == 6
    assert sum(r.subtask for r in rewards) == pytest.approx(rewards[-1].potential, abs=1e-4)
