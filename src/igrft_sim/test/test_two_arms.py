# SPDX-License-Identifier: Apache-2.0
"""The cell with two arms: sizes, determinism, limits, pictures."""

import igrft_sim  # noqa: F401  chooses the renderer before mujoco is imported

import numpy as np  # isort: skip
import pytest
from PIL import Image

from igrft.config import ConfigError, RobotConfig, named
from igrft.control.safety import SafetyFilter
from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.snapshot import main as snapshot
from igrft_sim.tasks import make_task

STILL = np.array([0, 0, 0, 0, 0, 0, 1.0] * 2)


@pytest.fixture(scope='module')
def env():
    found = CellEnv(Cell(make_task('sort_hand_over'), image_size=64))
    yield found
    found.cell.close()


def test_the_task_brings_its_robot(env):
    robot = env.cell.robot
    assert robot.name == 'sim_dual' and robot.action_dim == 14 and robot.proprio_dim == 34
    assert env.cell.cameras == ('front', 'left_wrist', 'right_wrist')
    assert Cell(make_task('block_stacking'), cameras=()).robot.name == 'sim'


def test_observation_has_both_arms(env):
    observation = env.reset(1)
    assert set(observation.images) == {'front', 'left_wrist', 'right_wrist'}
    assert observation.proprio.shape == (34,) and observation.proprio.dtype == np.float32
    left, right = np.split(observation.proprio, 2)
    assert left[9] > 0.15 and right[9] < -0.15, 'tools in base_link, left is y > 0'
    views = [observation.images[name] for name in ('left_wrist', 'right_wrist')]
    assert all(view.shape == (64, 64, 3) and view.std() > 10 for view in views)
    assert (views[0] != views[1]).any()


def test_each_arm_follows_its_own_part_of_the_action(env):
    env.reset(1)
    start = env.cell.tools
    action = STILL.copy()
    action[0:3], action[7:10], action[13] = (0.2, 0.0, 0.1), (0.0, 0.2, 0.0), 0.0
    for _ in range(3):
        env.act(action)
    np.testing.assert_allclose(env.cell.tools[:, :3] - start[:, :3], [[0.06, 0, 0.03], [0, 0.06, 0]], atol=4e-3)
    assert env.cell.openings[0] > 0.97 and env.cell.openings[1] < 0.05


def swing(env, seed):
    """Wave both arms about; every number and pixel of the way."""
    env.reset(seed)
    parts = []
    for step in range(5):
        wave = 0.2 * np.sin(np.arange(14) + step)
        observation, state = env.step(wave)
        parts += [observation.proprio, state.poses, *observation.images.values()]
    return b''.join(part.tobytes() for part in parts)


def test_same_seed_same_trajectory_bit_for_bit(env):
    first = swing(env, 5)
    assert swing(env, 6) != first
    assert swing(env, 5) == first


def test_safety_filter_keeps_each_arm_within_its_limits(env):
    robot = env.cell.robot
    safe = CellEnv(env.cell, safety=SafetyFilter(robot.limits, 2))
    safe.reset(1)
    action = STILL.copy()
    action[1], action[2] = 3.0, 3.0
    for _ in range(15):
        safe.act(action)
        assert np.linalg.norm(safe.executed[:3]) <= robot.limits.linear_velocity + 1e-5
        assert not safe.executed[7:13].any(), 'the other arm is not asked to move'
    high = np.array(robot.limits.workspace_max)
    assert (safe.cell.tools[:, :3] <= high + 0.01).all()
    assert safe.cell.tools[0, 1] > 0.4, 'it went as far as it may'
    safe.act(np.full(14, np.nan))
    assert np.isfinite(safe.executed).all() and not safe.executed[:6].any()


def test_bad_sizes_are_refused(env):
    with pytest.raises(ValueError, match='14 joints and 2 opening'):
        env.cell.advance(np.zeros(7), [1.0], 0.1)


def test_mask_covers_both_arms(env):
    env.reset(2)
    mask = env.cell.robot_mask('front')
    assert (mask[:, :24] > 0).any() and (mask[:, -24:] > 0).any() and (mask > 0).mean() < 0.5


def test_limits_and_poses_fit_the_arms():
    robot = named('robots', 'sim_dual', RobotConfig)
    cell = Cell(make_task('sort_hand_over'), cameras=())
    assert len(robot.joints) == len(robot.poses['home']) == 14
    low, high = np.array(robot.limits.workspace_min), np.array(robot.limits.workspace_max)
    for seed in range(5):
        cell.reset(seed)
        assert ((cell.tools[:, :3] > low) & (cell.tools[:, :3] < high)).all()
        for tool in cell.tools:
            _, x, y, _ = tool[3:]
            assert 1 - 2 * (x * x + y * y) < -0.97, 'it points down'


def test_snapshot(tmp_path):
    path = tmp_path / 'two.png'
    snapshot(['--out', str(path), '--task', 'sort_hand_over', '--size', '320', '180', '--step', '1'])
    picture = np.asarray(Image.open(path))
    assert picture.shape == (180, 320, 3) and picture.std() > 20


def test_a_task_for_two_arms_is_refused_to_one():
    with pytest.raises(ConfigError, match=r"needs the 2 arm\(s\) of robot 'sim_dual'; robot 'sim' has 1"):
        Cell(make_task('sort_hand_over'), cameras=(), robot=named('robots', 'sim', RobotConfig))
