# SPDX-License-Identifier: Apache-2.0
"""What the trunk is pretrained to say of a scene: where the task's things are, seen from the base and from each tool.

The targets of a task are called ``<task>/<thing>.<what>.<axis>``, of several arms ``<task>/<thing>.<arm>.<what>…``:

=========  =========================================================================================================
``base``   x y z in base_link [m]; of a hinged or sliding thing, its centre of mass
``up``     horizontal components of its own z axis in base_link: which way it leans
``angle``  of a hinged thing [rad], travel of a sliding one [m]
``tool``   x y z in the tool's frame [m]
``near``   tanh(x / NEAR) of the way to where it would be held: fine where the tool is close, mute where it is far
``yaw``    cos and sin of its heading in the tool's frame, times its rotational symmetry
``held``   1 while that arm holds it
=========  =========================================================================================================

``<task>/<first>-<second>`` says where the first of two things is from the second: of two loose things ``base`` and
``near``, their difference in base_link; of a loose thing and a fixture ``in``, x y z in the fixture's frame, and its
``cos`` and ``sin`` with the period WAVE, which are fine wherever in the fixture the goal may be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from igrft.policies.target_names import AXES, NEAR, WAVE

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Thing:
    """A body of a task.

    Attributes:
        name: of the body.
        folds: turns about its own z after which it looks the same; 0 any turn.
        free: whether it can be carried about; what cannot is a fixture.
        jointed: whether it hinges or slides.
        grips: [3] m in a tool's frame, where it is when held, one for each way; empty if it cannot be held.
    """

    name: str
    folds: int = 4
    free: bool = True
    jointed: bool = False
    grips: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 0.0),)


def target_names(task: str, things: Sequence[Thing], arms: Sequence[str] = ('arm',)) -> tuple[str, ...]:
    """What the trunk predicts of a task with these things."""
    names: list[str] = []
    for thing in things:
        own = f'{task}/{thing.name}'
        names += [f'{own}.base.{a}' for a in AXES] + [f'{own}.up.{a}' for a in AXES[:2]]
        names += [f'{own}.angle'] if thing.jointed else []
        for arm in arms:
            seen = own if len(arms) == 1 else f'{own}.{arm}'
            names += [f'{seen}.{frame}.{a}' for frame in ('tool', 'near') for a in AXES]
            names += [f'{seen}.yaw.cos', f'{seen}.yaw.sin'] if thing.folds else []
            names += [f'{seen}.held'] if thing.grips else []
    for first, second in pairs(things):
        frames = ('base', 'near') if second.free else ('in', 'cos', 'sin')
        names += [f'{task}/{first.name}-{second.name}.{frame}.{a}' for frame in frames for a in AXES]
    return tuple(names)


def pairs(things: Sequence[Thing]) -> list[tuple[Thing, Thing]]:
    """Of two things the loose one first; two fixtures are no pair."""
    found = []
    for first, second in combinations(things, 2):
        if first.free or second.free:
            found.append((first, second) if first.free else (second, first))
    return found


def rotation(quaternion: npt.ArrayLike) -> Float64:
    """Rotation matrix [3, 3] of a unit quaternion (w, x, y, z)."""
    w, x, y, z = np.asarray(quaternion, np.float64)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def targets(
    things: Sequence[Thing],
    poses: Mapping[str, Float64],
    angles: Mapping[str, float],
    tools: Float64,
    held: Collection[tuple[int, str]],
) -> list[float]:
    """The values behind :func:`target_names`.

    Args:
        things: of the task.
        poses: [7] of each in base_link.
        angles: of the jointed ones [rad] or [m].
        tools: [n_arms, 7] in base_link.
        held: index of an arm and name of what it holds.
    """
    values: list[float] = []
    frames = [rotation(tool[3:]) for tool in tools]
    for thing in things:
        pose = poses[thing.name]
        turned = rotation(pose[3:])
        values += [*pose[:3], *turned[:2, 2]]
        if thing.jointed:
            values.append(angles[thing.name])
        for arm, (tool, frame) in enumerate(zip(tools, frames, strict=True)):
            local = frame.T @ (pose[:3] - tool[:3])
            ways = [local - grip for grip in thing.grips] or [local]
            values += [*local, *np.tanh(min(ways, key=np.linalg.norm) / NEAR)]
            if thing.folds:
                values += _heading(frame.T @ turned, thing.folds)
            if thing.grips:
                values.append(float((arm, thing.name) in held))
    for first, second in pairs(things):
        way = poses[first.name][:3] - poses[second.name][:3]
        if second.free:
            values += [*way, *np.tanh(way / NEAR)]
        else:
            way = rotation(poses[second.name][3:]).T @ way
            values += [*way, *np.cos(2 * np.pi / WAVE * way), *np.sin(2 * np.pi / WAVE * way)]
    return values


def _heading(turned: Float64, folds: int) -> list[float]:
    """Cosine and sine of ``folds`` times the angle of a thing's level axis; they fade out as that axis stands up."""
    # A cube may lie on any face, and then the level one of its axes tells the heading.
    level = turned[:2, np.argmin(np.abs(turned[2])) if folds == 4 else 0]
    size, angle = float(np.linalg.norm(level)), folds * np.arctan2(level[1], level[0])
    return [size * np.cos(angle), size * np.sin(angle)]
