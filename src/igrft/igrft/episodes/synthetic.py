# SPDX-License-Identifier: Apache-2.0
"""Made-up episodes in the real format: a disc for a robot that pushes a square for an object.

They exercise recording, reading and training where no cell runs (`igrft episodes synthesise`), and they are
what the tests of those parts read. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.digest import Digest
from igrft.episodes.schema import NANO, EpisodeMeta, SubtaskRecord, TopicRecord, new_ulid, software
from igrft.episodes.topics import (
    ACTION_CHUNK,
    EXECUTED_ACTION,
    INTERVENTION,
    JOINT_STATES,
    SUBTASK_MARK,
    TASK_STATE,
    TopicSpec,
    ee_pose_topics,
    episode_topics,
    grid_camera,
    gripper_joints,
    image_topic,
    mask_topic,
)
from igrft.episodes.writer import EpisodeWriter
from igrft.types import Float32, Kind, Mode, Outcome, Source, UInt8

HORIZON, REPLAN = 8, 2
"""Steps of a chunk, and between two chunks."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens in a synthetic episode.

    Attributes:
        steps: policy steps.
        kind: who drives: the human in a demonstration, else the policy, with one takeover in a correction.
        outcome: its label.
        seed: of textures, motion and object.
        completed: subtasks completed, evenly spread over the episode; default all of a success, else none.
        start: stamp of the first step [ns].
        lockstep: one control message a step in place of ``control_rate`` of them.
        checkpoint: id the policy's commands carry.
    """

    steps: int = 30
    kind: Kind = Kind.DEMONSTRATION
    outcome: Outcome = Outcome.SUCCESS
    seed: int = 0
    completed: int | None = None
    start: int = 100 * NANO
    lockstep: bool = True
    checkpoint: str = ''

    def driver(self, step: int) -> Source:
        """Who drives a step."""
        if self.kind is Kind.DEMONSTRATION:
            return Source.HUMAN
        taken_over = self.kind is Kind.CORRECTION and self.steps // 2 <= step < self.steps * 3 // 4
        return Source.HUMAN if taken_over else Source.POLICY


@dataclass(frozen=True, slots=True)
class Item:
    """One message: topic index, stamp [ns], serialised bytes."""

    index: int
    stamp: int
    data: bytes


class SyntheticCell:
    """Serialised messages of a :class:`Script`, in the order a cell would publish them."""

    def __init__(self, robot: RobotConfig, task: TaskConfig, script: Script) -> None:
        self.robot, self.task, self.script = robot, task, script
        self.topics: tuple[TopicSpec, ...] = episode_topics(robot)
        self._store = writing_typestore()
        self._index = {topic.name: i for i, topic in enumerate(self.topics)}
        rng = np.random.default_rng(script.seed)
        self._textures = {
            camera.name: rng.integers(0, 256, (camera.height, camera.width, 3), np.uint8) for camera in robot.cameras
        }
        self._phase = float(rng.uniform(0, 0.3))
        wanted = script.completed
        all_of_them = len(task.subtasks) if script.outcome is Outcome.SUCCESS else 0
        done = all_of_them if wanted is None else wanted
        self.completion = [round((k + 1) * script.steps / (done + 1)) for k in range(done)]

    @property
    def dt(self) -> int:
        """[ns] of a policy step."""
        return round(NANO / self.robot.policy_rate)

    def stamp(self, step: int) -> int:
        """[ns] of a step."""
        return self.script.start + step * self.dt

    def touching(self, step: int) -> bool:
        """The disc pushes the square: the middle half of the episode."""
        return self.script.steps // 4 <= step < self.script.steps * 3 // 4

    def messages(self) -> Iterator[Item]:
        """Every message of the episode and of the tick that ends it."""
        mode = Mode.HOLD
        for step in range(self.script.steps + 1):
            stamp = self.stamp(step)
            yield from self._observation(step, stamp)
            driver = self.script.driver(step)
            wanted = Mode.CORRECTING if driver is Source.HUMAN else Mode.AUTONOMOUS
            if wanted is not mode:
                mode = wanted
                yield self._item(INTERVENTION, stamp, mode=int(mode), count=0, reason='script')
            for index, at in enumerate(self.completion):
                if at == step:
                    name = self.task.subtasks[index].name
                    yield self._item(SUBTASK_MARK, stamp, name=name, index=index, annotator='script')
            yield from self._commands(step, stamp, driver)

    def _commands(self, step: int, stamp: int, driver: Source) -> Iterator[Item]:
        rate = self.robot.control_rate / self.robot.policy_rate
        repeats = 1 if self.script.lockstep else round(rate)
        action = np.zeros(self.robot.action_dim, np.float32)
        action[0::7] = 0.1 * np.cos(0.2 * step)
        action[6::7] = 1.0 if step < self.script.steps // 3 else 0.0
        if driver is Source.POLICY and step % REPLAN == 0:
            yield self._chunk(step, stamp, action)
        for k in range(repeats):
            now = stamp + k * self.dt // repeats
            if k:
                yield from self._robot_state(step, now)
            for topic in ('command', EXECUTED_ACTION):
                yield self._item(
                    topic,
                    now,
                    source=int(driver),
                    chunk_step=step % 8 if driver is Source.POLICY else -1,
                    checkpoint=self.script.checkpoint if driver is Source.POLICY else '',
                    action=action,
                )

    def _chunk(self, step: int, stamp: int, action: Float32) -> Item:
        """The policy's proposal: the value falls to zero, the draws disagree a little, more in some episodes."""
        rng = np.random.default_rng((self.script.seed, step))
        return self._item(
            ACTION_CHUNK,
            stamp,
            policy='script',
            checkpoint=self.script.checkpoint,
            horizon=HORIZON,
            dim=len(action),
            step_dt=1.0 / self.robot.policy_rate,
            actions=np.tile(action, HORIZON),
            temperature=1.0,
            interaction_probability=float(self.touching(step)),
            value=1.0 - step / self.script.steps,
            inference_time=0.01,
            disagreement=float(0.2 + 0.1 * rng.uniform()),
        )

    def _observation(self, step: int, stamp: int) -> Iterator[Item]:
        for camera in self.robot.cameras:
            frame, mask = self._frame(camera.name, step)
            yield self._image(image_topic(camera.name), stamp, frame, 'rgb8')
            if camera.robot_mask:
                yield self._image(mask_topic(camera.name), stamp, mask, 'mono8')
        yield from self._robot_state(step, stamp)
        yield self._item(
            TASK_STATE,
            stamp,
            task=self.task.name,
            seed=self.script.seed,
            split='in',
            objects=['square'],
            poses=[self._pose(0.5 + 0.01 * step, 0.1, 0.02)],
            subtasks=np.array([at <= step for at in self.completion], np.bool_),
            contact=self.touching(step),
            success=bool(self.completion) and step >= self.completion[-1],
        )

    def _robot_state(self, step: int, stamp: int) -> Iterator[Item]:
        joints = [*self.robot.joints, *gripper_joints(self.robot)]
        angles = 0.1 * np.sin(0.1 * step + np.arange(len(joints)) + self._phase)
        angles[len(self.robot.joints) :] = 1.0 if step < self.script.steps // 3 else 0.0
        none = np.zeros(0)
        yield self._item(JOINT_STATES, stamp, name=joints, position=angles, velocity=none, effort=none)
        for topic in ee_pose_topics(self.robot):
            yield self._item(topic, stamp, pose=self._pose(0.4 + 0.01 * step, 0.0, 0.2))

    def _frame(self, camera: str, step: int) -> tuple[UInt8, UInt8]:
        """A textured background, a disc (the robot) that always moves, a square that moves when touched."""
        background = self._textures[camera] // 4
        height, width = background.shape[:2]
        frame, mask = background.copy(), np.zeros((height, width), np.uint8)
        rows, columns = np.mgrid[0:height, 0:width]
        shift = min(max(step - self.script.steps // 4, 0), self.script.steps // 2)
        row, column = round(0.7 * height), round(0.5 * width) + 2 * shift
        side = max(4, width // 10)
        square = self._textures[camera][:side, :side] // 2 + 127
        column = min(column, width - side)
        frame[row : row + side, column : column + side] = square[: height - row, :, :]
        centre = 0.25 * height + 2 * np.sin(0.5 * step + self._phase), 0.2 * width + step * 0.015 * width
        disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (0.1 * width) ** 2
        frame[disc] = (200, 200, 40)
        mask[disc] = 255
        return frame, mask

    def _image(self, topic: str, stamp: int, pixels: UInt8, encoding: str) -> Item:
        return self._item(
            topic,
            stamp,
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels.nbytes // pixels.shape[0],
            data=pixels.reshape(-1),
        )

    def _pose(self, x: float, y: float, z: float) -> Any:
        types = self._store.types
        return types['geometry_msgs/msg/Pose'](
            position=types['geometry_msgs/msg/Point'](x=x, y=y, z=z),
            orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
        )

    def _item(self, topic: str, stamp: int, **content: Any) -> Item:
        types = self._store.types
        time = types['builtin_interfaces/msg/Time'](sec=stamp // NANO, nanosec=stamp % NANO)
        header = types['std_msgs/msg/Header'](stamp=time, frame_id='base_link')
        index = self._index[topic]
        name = self.topics[index].type
        message = types[name](header=header, **content)
        return Item(index, stamp, bytes(self._store.serialize_cdr(message, name)))


def synthetic_meta(robot: RobotConfig, task: TaskConfig, script: Script) -> EpisodeMeta:
    """``episode.yaml`` of a script as it stands when the recording begins, with the end already known."""
    version, commit = software()
    dt = round(NANO / robot.policy_rate)
    return EpisodeMeta(
        id=new_ulid(),
        task=task.name,
        instruction=task.instruction,
        robot=robot.name,
        kind=script.kind,
        outcome=script.outcome,
        labelled_by='script',
        seed=script.seed,
        dt=1.0 / robot.policy_rate,
        lockstep=script.lockstep,
        start=script.start,
        end=script.start + script.steps * dt,
        subtasks=tuple(SubtaskRecord(name=s.name, weight=s.weight) for s in task.subtasks),
        version=version,
        commit=commit,
    )


def write_synthetic(root: Path, robot: RobotConfig, task: TaskConfig, script: Script | None = None) -> Path:
    """Write one episode below ``root``; returns its directory.

    Raises:
        EpisodeError: ``root`` cannot be written to.
    """
    script = script or Script()
    cell = SyntheticCell(robot, task, script)
    meta = synthetic_meta(robot, task, script)
    digest = Digest(image_topic(grid_camera(robot)), meta.subtasks, writing_typestore())
    writer = EpisodeWriter(root, meta, cell.topics)
    for item in cell.messages():
        topic = cell.topics[item.index]
        writer.bag.write(item.index, item.stamp, item.stamp, item.data)
        digest.add(topic.name, topic.type, item.data)
    records = tuple(
        TopicRecord(name=topic.name, type=topic.type, messages=count)
        for topic, count in zip(cell.topics, writer.bag.counts, strict=True)
    )
    return writer.finish(replace(digest.apply(meta), topics=records))
