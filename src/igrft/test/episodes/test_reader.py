# SPDX-License-Identifier: Apache-2.0
"""From the bag to the policy's time grid, the cache and the labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.cache import FOLDER, DecodingConfig, load_episode
from igrft.episodes.labels import FOLDER as LABELS
from igrft.episodes.labels import label
from igrft.episodes.reader import read_episode
from igrft.episodes.schema import NANO, EpisodeError, EpisodeMeta, read_meta, write_meta
from igrft.episodes.synthetic import Item, Script, SyntheticCell, synthetic_meta
from igrft.episodes.writer import EpisodeWriter
from igrft.reward.hybrid import HybridConfig
from igrft.types import Kind, Outcome, Source

EXECUTED = 'executed_action'


def write(root: Path, cell: SyntheticCell, items: list[Item], meta: EpisodeMeta) -> Path:
    writer = EpisodeWriter(root, meta, cell.topics)
    for item in items:
        writer.bag.write(item.index, item.stamp, item.stamp, item.data)
    return writer.finish(meta)


@pytest.fixture
def cell(robot: RobotConfig, task: TaskConfig) -> SyntheticCell:
    return SyntheticCell(robot, task, Script(steps=10))


def shifted(item: Item, by: int) -> Item:
    """The message with another stamp."""
    stamp = item.stamp + by
    head = (stamp // NANO).to_bytes(4, 'little') + (stamp % NANO).to_bytes(4, 'little')
    return Item(item.index, stamp, item.data[:4] + head + item.data[12:])


def test_lockstep_gives_one_row_a_tick(record, robot: RobotConfig) -> None:
    raw = read_episode(record(steps=10, kind=Kind.CORRECTION), robot)
    assert np.array_equal(raw.stamps, 100 * NANO + np.arange(10) * NANO // 10)
    assert raw.frames['front'].shape == (10, 48, 48, 3)
    assert raw.mask is not None and raw.mask.shape == (10, 48, 48)
    assert raw.proprio.shape == (10, robot.proprio_dim)
    assert raw.actions.shape == (10, robot.action_dim)
    assert raw.source.tolist() == [0] * 5 + [1] * 2 + [0] * 3
    assert raw.poses.shape == (10, 1, 7)
    assert raw.contact is not None and raw.contact.tolist() == [False] * 2 + [True] * 5 + [False] * 3


def test_real_time_gives_the_same_actions_as_lockstep(record, robot: RobotConfig) -> None:
    ticks = read_episode(record(lockstep=True), robot)
    fast = read_episode(record(lockstep=False), robot)
    assert np.array_equal(ticks.actions, fast.actions)
    assert np.array_equal(ticks.frames['wrist'], fast.frames['wrist'])
    assert np.array_equal(ticks.source, fast.source)


def test_repeated_ticks_and_arrival_order_change_nothing(
    tmp_path: Path, cell: SyntheticCell, robot: RobotConfig, task: TaskConfig
) -> None:
    items = list(cell.messages())
    meta = synthetic_meta(robot, task, cell.script)
    plain = read_episode(write(tmp_path / 'a', cell, items, meta), robot)
    repeated = [item for item in items if cell.topics[item.index].state] + items
    rng = np.random.default_rng(0)
    rng.shuffle(repeated)  # type: ignore[arg-type]
    mixed = read_episode(write(tmp_path / 'b', cell, repeated, meta), robot)
    for name in ('stamps', 'proprio', 'actions', 'source', 'poses', 'mask'):
        assert np.array_equal(getattr(plain, name), getattr(mixed, name)), name


def test_steps_from_the_end_stamp_on_are_dropped(record, robot: RobotConfig) -> None:
    path = record(steps=10)
    meta = read_meta(path)
    write_meta(path, replace(meta, end=meta.start + 6 * NANO // 10))
    assert len(read_episode(path, robot).stamps) == 6


def test_a_step_sees_nothing_newer_than_itself(
    tmp_path: Path, cell: SyntheticCell, robot: RobotConfig, task: TaskConfig
) -> None:
    """Joint states 20 ms late: each step sees those of the step before."""
    name = 'joint_states'
    items = [shifted(item, 20_000_000) if cell.topics[item.index].name == name else item for item in cell.messages()]
    late = read_episode(write(tmp_path / 'late', cell, items, synthetic_meta(robot, task, cell.script)), robot)
    straight = read_episode(
        write(tmp_path / 'ok', cell, list(cell.messages()), synthetic_meta(robot, task, cell.script)), robot
    )
    assert len(late.stamps) == 9  # the first step has no joint states yet
    assert np.array_equal(late.proprio[:, :8], straight.proprio[:9, :8])


def test_a_step_without_a_command_holds(
    tmp_path: Path, cell: SyntheticCell, robot: RobotConfig, task: TaskConfig
) -> None:
    missing = cell.stamp(4)
    items = [i for i in cell.messages() if not (i.stamp == missing and cell.topics[i.index].name == EXECUTED)]
    raw = read_episode(write(tmp_path, cell, items, synthetic_meta(robot, task, cell.script)), robot)
    assert raw.source[4] == Source.HOLD
    assert not raw.actions[4, :6].any()
    assert raw.actions[4, 6] == raw.actions[3, 6]


@pytest.mark.parametrize(
    ('drop', 'steps', 'message'),
    [
        ('camera/wrist/image_raw', range(3, 7), "'camera/wrist/image_raw' has no message within"),
        ('camera/front/image_raw', range(3, 7), 'a hole of 0.500 s'),
        ('camera/front/robot_mask', range(0, 11), "no message of 'camera/front/robot_mask'"),
        ('joint_states', range(0, 11), "no message of 'joint_states'"),
        (EXECUTED, range(0, 11), "no message of 'executed_action'"),
    ],
)
def test_missing_messages_are_named(
    tmp_path: Path,
    cell: SyntheticCell,
    robot: RobotConfig,
    task: TaskConfig,
    drop: str,
    steps: range,
    message: str,
) -> None:
    gone = {cell.stamp(step) for step in steps}
    items = [i for i in cell.messages() if not (cell.topics[i.index].name == drop and i.stamp in gone)]
    path = write(tmp_path, cell, items, synthetic_meta(robot, task, cell.script))
    with pytest.raises(EpisodeError, match=message) as error:
        read_episode(path, robot)
    assert str(path) in str(error.value)


def test_another_robot_is_refused(record, robot: RobotConfig) -> None:
    with pytest.raises(EpisodeError, match='joint9'):
        read_episode(record(), replace(robot, joints=('joint9', *robot.joints[1:])))
    with pytest.raises(EpisodeError, match='7 floats a step'):
        two = replace(robot, arms=('left', 'right'))
        object.__setattr__(two, 'joints', robot.joints)
        _with_prefixless_topics(record(), two)


def _with_prefixless_topics(path: Path, robot: RobotConfig) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('igrft.episodes.reader.ee_pose_topics', lambda _: ('ee_pose', 'ee_pose'))
        read_episode(path, robot)


def test_the_cache_is_built_once_and_anew_when_the_key_differs(record, robot: RobotConfig) -> None:
    path = record()
    first = load_episode(path, DecodingConfig(width=32, height=32), robot=robot)
    assert first.images['front'].shape == (12, 32, 32, 3)
    assert isinstance(first.images['front'], np.memmap)
    next(path.glob('*.mcap')).rename(path / 'gone')  # the cache needs no bag
    again = load_episode(path, DecodingConfig(width=32, height=32), robot=robot)
    assert np.array_equal(first.images['wrist'], again.images['wrist'])
    assert np.array_equal(first.rewards, again.rewards)
    with pytest.raises(EpisodeError, match='missing'):
        load_episode(path, DecodingConfig(width=24, height=24), robot=robot)
    (path / 'gone').rename(path / f'{path.name}_0.mcap')
    load_episode(path, DecodingConfig(width=24, height=24), robot=robot)
    assert len(list((path / FOLDER).iterdir())) == 2


def test_a_damaged_cache_is_built_anew(record, robot: RobotConfig) -> None:
    path = record()
    first = load_episode(path, robot=robot)
    folder = next((path / FOLDER).iterdir())
    kept = np.array(first.images['front'])
    array = folder / 'image_front.npy'
    array.write_bytes(array.read_bytes()[:1000])
    assert np.array_equal(load_episode(path, robot=robot).images['front'], kept)
    (folder / 'index.json').write_text('{')
    assert np.array_equal(load_episode(path, robot=robot).images['front'], kept)
    assert json.loads((folder / 'index.json').read_text())['episode'] == read_meta(path).id


def test_nothing_is_ever_unpickled(record, robot: RobotConfig) -> None:
    path = record()
    load_episode(path, robot=robot)
    folder = next((path / FOLDER).iterdir())
    np.save(folder / 'actions.npy', np.array([{'a': 1}], object), allow_pickle=True)
    assert load_episode(path, robot=robot).actions.dtype == np.float32


def test_an_episode_that_cannot_be_labelled_is_named(
    record, robot: RobotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(steps=4)

    def fail(*arguments: object) -> None:
        raise ValueError('robot mask of (24, 32) for a frame of (48, 64)')

    monkeypatch.setattr('igrft.episodes.cache.label', fail)
    with pytest.raises(EpisodeError, match=rf'{path}: cannot be labelled: robot mask'):
        load_episode(path, robot=robot)


def test_labels_follow_the_outcome_and_the_configuration(record, robot: RobotConfig) -> None:
    path = record(steps=20)
    success = load_episode(path, robot=robot)
    assert success.info.outcome is Outcome.SUCCESS
    assert success.subtask_times.tolist() == [3, 6, 9, 11, 14, 17]
    config = HybridConfig(lambda_subtask=0.0)
    assert load_episode(path, labelling=config, robot=robot).rewards.sum() == pytest.approx(1.0)
    write_meta(path, replace(read_meta(path), outcome=Outcome.FAILURE))
    failure = load_episode(path, labelling=config, robot=robot)
    assert failure.rewards.sum() == 0.0
    assert len(list((path / LABELS).iterdir())) == 3
    assert len(list((path / FOLDER).iterdir())) == 1


def test_interaction_agrees_with_contact(robot: RobotConfig, task: TaskConfig, tmp_path: Path) -> None:
    big = replace(robot, cameras=tuple(replace(c, width=128, height=128) for c in robot.cameras))
    cell = SyntheticCell(big, task, Script(steps=24))
    path = write(tmp_path, cell, list(cell.messages()), synthetic_meta(big, task, cell.script))
    raw = read_episode(path, big)
    labels = label(raw, HybridConfig())
    assert raw.contact is not None
    agreement = float(np.mean(labels.interaction == raw.contact))
    assert agreement > 0.8


def test_a_cache_elsewhere_leaves_the_episode_untouched(record, robot: RobotConfig, tmp_path: Path) -> None:
    path = record()
    before = sorted(p.name for p in path.iterdir())
    load_episode(path, robot=robot, cache_dir=tmp_path / 'elsewhere')
    assert sorted(p.name for p in path.iterdir()) == before
