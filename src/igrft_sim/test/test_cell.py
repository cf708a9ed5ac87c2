# SPDX-License-Identifier: Apache-2.0
"""The cell in process: determinism, physics, images, errors."""

import numpy as np
import pytest

from igrft_sim.cell import Cell
from igrft_sim.scene import ArmMount, build
from igrft_sim.tasks import make_task


def wave(cell, seed):
    """Swing the arm about; every number and pixel of the way."""
    cell.reset(seed)
    found = []
    for step in range(6):
        target = cell.joint_positions + 0.1 * np.sin(np.arange(7) + step)
        cell.advance(target, [step % 2], 0.1)
        state = cell.task_state()
        found += [cell.joint_positions, cell.joint_velocities, cell.tools, state.poses]
        found += [cell.openings, cell.render('front'), cell.render('wrist')]
    return b''.join(array.tobytes() for array in found)


def test_same_seed_same_trajectory_bit_for_bit(seeing):
    cell = seeing.cell
    first = wave(cell, 1)
    assert wave(cell, 2) != first
    assert wave(cell, 1) == first
    other = Cell(make_task('block_stacking'), image_size=64, seed=9)
    assert wave(other, 1) == first
    other.close()


def test_time_goes_on_over_resets(blind):
    cell = blind.cell
    cell.reset(0)
    before = cell.time
    cell.advance(cell.joint_target, [1.0], 0.1)
    assert cell.time == pytest.approx(before + 0.1)
    cell.reset(0)
    assert cell.time == pytest.approx(before + 1.1)


def test_arm_holds_against_gravity_and_follows_its_target(blind):
    cell = blind.cell
    cell.reset(3)
    start = cell.tools[0]
    for _ in range(20):
        cell.advance(cell.joint_target, [1.0], 0.1)
    assert np.linalg.norm(cell.tools[0, :3] - start[:3]) < 1e-4
    target = cell.joint_target + np.array([0.1, -0.1, 0.05, 0.1, 0.0, -0.1, 0.2])
    cell.advance(target, [1.0], 0.1)
    assert np.abs(cell.joint_positions - target).max() < 0.03
    cell.advance(target, [1.0], 0.1)
    assert np.abs(cell.joint_positions - target).max() < 0.005


def test_gripper_closes_in_a_fifth_of_a_second(blind):
    cell = blind.cell
    cell.reset(3)
    assert cell.openings[0] > 0.98
    for _ in range(3):
        cell.advance(cell.joint_target, [0.0], 0.1)
    assert cell.openings[0] < 0.03
    for _ in range(3):
        cell.advance(cell.joint_target, [1.0], 0.1)
    assert cell.openings[0] > 0.97


def test_objects_rest_on_the_table(blind):
    cell = blind.cell
    cell.reset(11)
    before = cell.task_state().poses
    for _ in range(10):
        cell.advance(cell.joint_target, [1.0], 0.1)
    np.testing.assert_allclose(cell.task_state().poses, before, atol=5e-4)


def test_control_rate_and_policy_rate_agree(blind):
    """Five control periods move the arm as one policy step does, nearly."""
    cell = blind.cell
    cell.reset(4)
    start = cell.joint_target
    target = start + 0.1
    cell.advance(target, [1.0], 0.1)
    once = cell.joint_positions
    cell.reset(4)
    for part in range(1, 6):
        cell.advance(start + 0.1 * part / 5, [1.0], 0.02)
    np.testing.assert_allclose(cell.joint_positions, once, atol=1e-3)


def test_mask_covers_the_arm_and_only_the_arm(seeing):
    cell = seeing.cell
    cell.reset(2)
    mask, before = cell.robot_mask('front'), cell.render('front').astype(int)
    assert mask.shape == (64, 64) and set(np.unique(mask)) == {0, 255}
    home = cell.joint_target
    cell.advance(home + np.array([0.15, 0, 0, 0, 0, 0, 0]), [1.0], 0.1)
    changed = np.abs(cell.render('front').astype(int) - before).max(axis=2) > 40
    either = (mask > 0) | (cell.robot_mask('front') > 0)
    grown = either.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            grown |= np.roll(either, shift, axis)
    assert changed.sum() > 50
    assert (changed & grown).sum() >= 0.98 * changed.sum()
    assert (mask > 0).mean() < 0.5


def test_objects_are_seen_and_lie_outside_the_mask(seeing):
    cell = seeing.cell
    for seed in range(5):
        cell.reset(seed)
        image, mask = cell.render('front').astype(int), cell.robot_mask('front')
        red = (image[..., 0] > image[..., 1] + 80) & (image[..., 0] > image[..., 2] + 80)
        blue = (image[..., 2] > image[..., 0] + 60) & (mask == 0)
        assert (red & (mask == 0)).sum() > 5 and blue.sum() > 5


def test_images_differ_between_episodes_in_light_and_colour(seeing):
    cell = seeing.cell
    corners = []
    for seed in range(3):
        cell.reset(seed)
        corners.append(cell.render('front')[-4:, :4].astype(float).mean(axis=(0, 1)))
    assert np.ptp(np.stack(corners), axis=0).max() > 1.0


@pytest.mark.parametrize(
    ('target', 'opening', 'dt', 'word'),
    [
        (np.zeros(6), [1.0], 0.1, '7 joints'),
        (np.zeros(7), [1.0, 1.0], 0.1, '1 opening'),
        (np.full(7, np.nan), [1.0], 0.1, 'not finite'),
        (np.zeros(7), [np.inf], 0.1, 'not finite'),
        (np.zeros(7), [1.0], 0.0123, 'time step'),
    ],
)
def test_bad_targets_are_refused(blind, target, opening, dt, word):
    with pytest.raises(ValueError, match=word):
        blind.cell.advance(target, opening, dt)


def test_unknown_names_are_answered_with_the_nearest(blind):
    with pytest.raises(ValueError, match='held_out'):
        blind.cell.reset(0, 'heldout')
    with pytest.raises(ValueError, match='wrist'):
        Cell(make_task('block_stacking'), cameras=('wrists',))


def test_two_arms_fit_the_same_scene():
    model = build(None, [ArmMount('left_', (0, 0.3, 0)), ArmMount('right_', (0, -0.3, 0))])
    assert model.nu == 16 and model.site('left_tool0').id != model.site('right_tool0').id
    with pytest.raises(ValueError, match='prefix'):
        build(None, [ArmMount(), ArmMount()])
