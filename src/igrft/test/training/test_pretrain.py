# SPDX-License-Identifier: Apache-2.0
"""Pretraining: the scenes it is shown, the labels they get, and what is learned of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from igrft.config import RobotConfig, Subtask, TaskConfig, named
from igrft.policies.pretrained import load_trunk
from igrft.policies.trunk import TrunkConfig
from igrft.training import pretrain as command
from igrft.training.pretrain import PretrainConfig, informative, loss_weights, pretrain
from igrft.training.reaching import heading, level, turn
from igrft.training.scene_store import PART, Order, Scenes, collect
from igrft.training.scenes import SceneMaker
from igrft.training.targets import NEAR, Thing, rotation, target_names, targets
from igrft_sim.cell import Cell
from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, upright_pose

DOWN = [0.0, 1.0, 0.0, 0.0]
"""A tool that points down: x of the tool is x of the base, its y and z are turned over."""


BOX = mujoco.mjtGeom.mjGEOM_BOX


class ToyTask(Task):
    """One thing of each kind: a can, a brick, a box that stands where it is put, and its lid."""

    name = 'toy'
    objects = ('can', 'brick', 'box', 'lid')
    area = ((0.36, 0.60), (-0.16, 0.16))

    def __init__(self) -> None:
        super().__init__(TaskConfig(name='toy', instruction='look', subtasks=(Subtask('see', 1.0),), max_duration=1.0))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        can = spec.worldbody.add_body(name='can')
        can.add_freejoint(name='can')
        can.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[0.02, 0.03, 0], mass=0.05, rgba=[0.9, 0.1, 0.1, 1])
        brick = spec.worldbody.add_body(name='brick')
        brick.add_freejoint(name='brick')
        brick.add_geom(type=BOX, size=[0.04, 0.02, 0.02], mass=0.05, rgba=[0.1, 0.2, 0.9, 1])
        box = spec.worldbody.add_body(name='box')
        box.add_geom(type=BOX, size=[0.05, 0.06, 0.02], pos=[0, 0, 0.02], rgba=[0.6, 0.5, 0.3, 1])
        lid = box.add_body(name='lid', pos=[0.05, 0, 0.05])
        lid.add_joint(name='lid', type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0], range=[0, 2])
        lid.add_geom(type=BOX, size=[0.05, 0.06, 0.003], pos=[-0.05, 0, 0], mass=0.02, rgba=[0.2, 0.7, 0.3, 1])

    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        return self.scramble(rng)

    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        y = rng.uniform(-0.04, 0.04, 3)
        return {
            'can': upright_pose(0.40, 0.12 + y[0] / 4, 0.03, rng.uniform(-3, 3)),
            'brick': upright_pose(0.40, -0.12 + y[1] / 4, 0.02, rng.uniform(-1, 1)),
            'box': upright_pose(0.56, y[2], 0.0, rng.uniform(-0.2, 0.2)),
            'lid': np.array([rng.uniform(0, 2)]),
        }

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        # the fingers close along y: a brick is held across, a can anyhow
        return {
            'can': [Grip(np.array([0.0, 0.0, -0.005, 0.0, 1.0, 0.0, 0.0]), 0.5)],
            'brick': [Grip(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 0.5)],
        }

    def folds(self, name: str) -> int:
        return {'can': 0, 'brick': 2, 'box': 1, 'lid': 1}[name]

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        return {'see': lambda scene: False}

    def success(self, scene: Scene) -> bool:
        return False

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        raise AssertionError('pretraining asks no expert')


@pytest.fixture(scope='module')
def maker() -> Iterator[SceneMaker]:
    cell = Cell(ToyTask(), image_size=32)
    yield SceneMaker(cell, np.random.default_rng(3))
    cell.close()


def drawn(maker: SceneMaker, count: int) -> list[dict[str, float]]:
    return [dict(zip(maker.names, maker.draw(index)[1], strict=True)) for index in range(count)]


def test_a_scene_shows_the_task_at_every_stage(maker: SceneMaker) -> None:
    found = drawn(maker, 150)
    for name in ('can', 'brick'):
        held = [values for values in found if values[f'toy/{name}.held']]
        assert 10 < len(held) < 75
        # the grip's slip is millimetres, and its place in the hand is the grip's
        assert all(np.hypot(v[f'toy/{name}.tool.x'], v[f'toy/{name}.tool.y']) < 0.03 for v in held)
        assert max(v[f'toy/{name}.base.z'] for v in held) > 0.15
        assert min(abs(v[f'toy/{name}.tool.z']) for v in found if v not in held) < 0.02
    assert all(v['toy/can.held'] + v['toy/brick.held'] <= 1 for v in found)
    angles = [v['toy/lid.angle'] for v in found]
    assert min(angles) < 0.3 and max(angles) > 1.7
    assert np.ptp([v['toy/box.base.y'] for v in found]) > 0.05


def test_a_lid_is_where_its_mass_is(maker: SceneMaker) -> None:
    values = drawn(maker, 1)[0]
    height = 0.05 + 0.05 * np.sin(values['toy/lid.angle'])
    assert values['toy/lid.base.z'] == pytest.approx(height, abs=1e-6)
    assert 'toy/box.angle' not in values and 'toy/box.held' not in values


def test_nothing_is_in_anything_else(maker: SceneMaker) -> None:
    model, data = maker.cell.model, maker.cell.data
    for index in range(40):
        values = dict(zip(maker.names, maker.draw(index)[1], strict=True))
        held = {name for name in ('can', 'brick') if values[f'toy/{name}.held']}
        for contact in data.contact[: data.ncon]:
            bodies = {model.body(model.geom_bodyid[int(geom)]).name for geom in contact.geom}
            assert contact.dist > -0.004 or (bodies & held and bodies & {'hand', 'left_finger', 'right_finger'})


def test_a_held_thing_closes_the_gripper_to_its_width(maker: SceneMaker) -> None:
    for index in range(20):
        proprio, values = maker.draw(index)
        if any(value and name.endswith('held') for name, value in zip(maker.names, values, strict=True)):
            assert proprio[7] == pytest.approx(0.5, abs=0.06)


def test_a_task_that_fits_nowhere_is_named() -> None:
    class Buried(ToyTask):
        def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
            places = dict(super().scramble(rng))
            return {**places, 'can': places['brick']}

        def grips(self) -> Mapping[str, Sequence[Grip]]:
            return {}

    with pytest.raises(RuntimeError, match="task 'toy': 50 scrambles"), pytest.MonkeyPatch.context() as patch:
        patch.setattr('igrft.training.scenes.TRIES', 50)
        SceneMaker(Cell(Buried(), image_size=32), np.random.default_rng(0)).draw(0)


def test_two_arms_hold_the_same_thing_and_do_not_cross() -> None:
    one = named('robots', 'sim', RobotConfig)
    joints = tuple(f'{arm}_{joint}' for arm in ('left', 'right') for joint in one.joints)
    robot = RobotConfig(
        **{
            **{field: getattr(one, field) for field in ('base_frame', 'tool_frame', 'control_rate', 'policy_rate')},
            'limits': one.limits,
            'cameras': one.cameras[:1],
            'name': 'two',
            'arms': ('left', 'right'),
            'joints': joints,
            'poses': {'home': one.poses['home'] * 2},
            'bases': ((0.0, 0.25, 0.0), (0.0, -0.25, 0.0)),
        }
    )

    class Shared(ToyTask):
        def grips(self) -> Mapping[str, Sequence[Grip]]:
            ends = [np.array([x, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]) for x in (-0.03, 0.03)]
            return {'brick': [Grip(end, 0.5, (0.0, 0.0, 0.0)) for end in ends]}

        def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
            return self.scramble(rng)

    task = Shared()
    task.config = replace(task.config, robot='sim_dual')
    maker = SceneMaker(Cell(task, image_size=32, cameras=['front'], robot=robot), np.random.default_rng(0))
    found = []
    for index in range(60):
        proprio, values = maker.draw(index)
        assert proprio.shape == (34,)
        left, right = maker.cell.tools
        assert left[1] >= right[1]
        found.append(dict(zip(maker.names, values, strict=True)))
    arms = [(v['toy/brick.left.held'], v['toy/brick.right.held']) for v in found]
    assert {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)} <= set(arms)
    tool = found[-1]
    assert tool['toy/can.left.tool.x'] != pytest.approx(tool['toy/can.right.tool.x'])


def test_a_tilted_tool_has_a_heading() -> None:
    tilted = turn(0.4) @ np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
    assert heading(tilted) == pytest.approx(0.4)
    assert heading(level(tilted)) == pytest.approx(0.0)
    assert heading(turn(-0.7) @ rotation(DOWN)) == pytest.approx(-0.7)


def values_of(things: Sequence[Thing], poses: Mapping[str, Float64], tool: list[float], held: str = '') -> dict:
    tools = np.array([tool])
    names = target_names('toy', things)
    found = targets(things, poses, {t.name: 0.3 for t in things if t.jointed}, tools, {(0, held)})
    return {name.removeprefix('toy/'): value for name, value in zip(names, found, strict=True)}


def test_targets_say_where_things_are_from_the_tool() -> None:
    poses = {'blue': np.array([0.5, 0.1, 0.02, 1, 0, 0, 0]), 'red': np.array([0.4, 0.0, 0.02, 1, 0, 0, 0])}
    values = values_of([Thing('blue'), Thing('red')], poses, [0.4, 0.0, 0.12, *DOWN], 'red')
    assert [values[f'red.tool.{a}'] for a in 'xyz'] == pytest.approx([0.0, 0.0, 0.10])
    assert [values[f'blue.tool.{a}'] for a in 'xyz'] == pytest.approx([0.1, -0.1, 0.10])
    assert values['blue.near.x'] == pytest.approx(np.tanh(0.1 / NEAR))
    assert [values[f'blue-red.base.{a}'] for a in 'xyz'] == pytest.approx([0.1, 0.1, 0.0])
    assert (values['red.held'], values['blue.held']) == (1.0, 0.0)
    assert values['red.yaw.cos'] == pytest.approx(1.0)


@pytest.mark.parametrize(('folds', 'same', 'other'), [(4, np.pi / 2, np.pi / 4), (2, np.pi, np.pi / 2), (1, 0, np.pi)])
def test_a_turn_that_cannot_be_seen_is_no_turn(folds: int, same: float, other: float) -> None:
    def yaw(angle: float) -> list[float]:
        pose = upright_pose(0.4, 0.0, 0.02, angle)
        values = values_of([Thing('red', folds)], {'red': pose}, [0.4, 0.0, 0.1, *DOWN])
        return [values['red.yaw.cos'], values['red.yaw.sin']]

    assert yaw(0.2) == pytest.approx(yaw(0.2 + same), abs=1e-9)
    assert yaw(0.2) != pytest.approx(yaw(0.2 + other), abs=0.5)
    assert np.hypot(*yaw(0.2)) == pytest.approx(1.0)


def test_a_place_in_a_fixture_is_told_in_its_frame() -> None:
    things = [Thing('rack', 1, free=False, grips=()), Thing('can', 0), Thing('wall', 1, free=False, grips=())]
    tool = [0.4, 0.0, 0.1, *DOWN]
    rack = upright_pose(0.5, 0.1, 0.0, np.pi / 2)
    poses = {'rack': rack, 'can': upright_pose(0.5, 0.14, 0.0, 1.0), 'wall': rack}
    values = values_of(things, poses, tool)
    assert [values[f'can-rack.in.{a}'] for a in 'xyz'] == pytest.approx([0.04, 0.0, 0.0])
    assert [values['can-rack.cos.x'], values['can-rack.sin.x']] == pytest.approx([0.0, 1.0], abs=1e-9)
    assert not any(name.startswith(('rack-wall', 'can-rack.near')) for name in values)


def test_near_is_nought_where_a_thing_would_be_held() -> None:
    things = [Thing('bar', 2, grips=((0.05, 0.0, 0.01), (-0.05, 0.0, 0.01)))]
    for side in (0.05, -0.05):
        values = values_of(things, {'bar': upright_pose(0.4 + side, 0.0, 0.09, 0.0)}, [0.4, 0.0, 0.1, *DOWN])
        assert [values[f'bar.near.{a}'] for a in 'xyz'] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
        assert values['bar.tool.x'] == pytest.approx(side)


def test_what_looks_the_same_all_around_has_no_yaw_and_a_lid_an_angle() -> None:
    things = [Thing('can', folds=0), Thing('lid', folds=1, free=False, jointed=True, grips=())]
    pose = np.array([0.4, 0.0, 0.02, np.sqrt(0.5), np.sqrt(0.5), 0, 0])
    values = values_of(things, {'can': pose, 'lid': pose}, [0.4, 0.0, 0.1, *DOWN])
    assert 'can.yaw.cos' not in values and 'lid.held' not in values
    assert values['lid.angle'] == 0.3
    assert [values['can.up.x'], values['can.up.y']] == pytest.approx([0.0, -1.0])


def test_rendering_depends_on_the_seed_alone(tmp_path: Path) -> None:
    order = Order(('block_stacking',), size=16, count=PART + 3)
    first, second = (collect(order, tmp_path / str(jobs), jobs) for jobs in (1, 2))
    other = collect(Order(('block_stacking',), size=16, count=3, seed=1), tmp_path / 'other')
    for camera in ('front', 'wrist'):
        assert np.array_equal(first.images[camera], second.images[camera])
        assert first.images[camera].std() > 10
        assert not np.array_equal(first.images[camera][:3], other.images[camera])
    assert np.array_equal(first.proprio, second.proprio) and np.array_equal(first.targets, second.targets)
    assert not np.array_equal(first.targets[0], first.targets[PART])


def test_rendered_scenes_are_taken_again_but_only_for_the_same_order(tmp_path: Path) -> None:
    order = Order(('block_stacking',), size=16, count=4)
    collect(order, tmp_path)
    written = (tmp_path / 'front.npy').stat().st_mtime_ns
    assert len(collect(order, tmp_path).proprio) == 4
    assert (tmp_path / 'front.npy').stat().st_mtime_ns == written
    with pytest.raises(ValueError, match='holds the scenes of'):
        collect(Order(('block_stacking',), size=16, count=5), tmp_path)


def scenes(count: int, seed: int) -> Scenes:
    """Two tasks whose targets follow from the proprioception; one target never changes."""
    rng = np.random.default_rng(seed)
    proprio = rng.normal(size=(count, 17)).astype(np.float32)
    images = rng.integers(0, 255, (count, 8, 8, 3), dtype=np.uint8)
    values = np.full((count, 4), np.nan, np.float32)
    half = count // 2
    values[:half, :2] = 3 * proprio[:half, :2] + 5
    values[half:, 2] = proprio[half:, 2]
    values[:half, 3] = 0.25
    return Scenes({'front': images}, proprio, values, ('a/spot.x', 'a/spot.y', 'b/spot.x', 'a/fixed.z'))


def test_what_never_changes_is_not_learned() -> None:
    kept = informative(scenes(64, 0))
    assert kept.names == ('a/spot.x', 'a/spot.y', 'b/spot.x')
    assert kept.targets.shape == (64, 3)


def test_every_scene_weighs_the_same() -> None:
    present = torch.tensor([[True, True, False], [False, False, True]])
    weights = loss_weights(present)
    torch.testing.assert_close((weights * present).sum(1), torch.ones(2))
    assert float(weights[0, 2]) == pytest.approx(0.1)


def test_pretraining_learns_its_targets_and_nothing_of_absent_ones() -> None:
    """The targets follow from the proprioception, so a few steps must beat guessing the middle."""
    train, test = informative(scenes(512, 0)), scenes(64, 1)
    test = command.select(test, train.names)
    size = TrunkConfig(stem=16, width=16, keypoints=2, hidden=32, latent=16)
    settings = PretrainConfig(steps=200, batch=32, learning_rate=5e-3, threads=1)
    trunk, errors = pretrain(train, test, 8, size, settings)
    assert trunk.feature_dim == 19
    assert errors['a/spot.x'] < 0.5 * 3 * 0.67 and errors['b/spot.x'] < 0.67
    mean, _ = command.scaling(train)
    assert float(mean[0]) == pytest.approx(5, abs=0.5)


def test_the_command_writes_a_trunk_of_the_robot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'small.safetensors'
    words = '--tasks block_stacking --scenes 24 --held-out 8 --steps 2 --refine-steps 2 --batch 8'
    more = ['--jobs', '1', '--threads', '1', '--image-size', '16', '--out', str(out)]
    command.main([*words.split(), *more])
    trunk = load_trunk(str(out))
    trunk.check(('front', 'wrist'), 16, 17)
    assert 'block_stacking/red_block.tool.x' in trunk.targets
    assert all(bool(parameter.isfinite().all()) for parameter in trunk.build().parameters())
    assert 'block_stacking/red_block.tool' in capsys.readouterr().out
