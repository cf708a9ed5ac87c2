# SPDX-License-Identifier: Apache-2.0
"""The simulated operator: watches, takes over, corrects, lets go, labels. No ROS in here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from igrft.control.inputs import hold_action
from igrft.types import Kind, Outcome
from igrft_sim.tasks.base import Expert, Float64, SuccessHold, Task, TaskState


@dataclass(frozen=True, slots=True)
class Habits:
    """How the operator is.

    Attributes:
        noise: of the hand in demonstrations and corrections, 1 is a practised operator.
        patience: [ticks] without a completed subtask, after which the operator steps in.
        reaction: [ticks] between seeing that it goes wrong and taking over.
        finish_task: keep the control until the task is done, not only the current subtask.
    """

    noise: float = 1.0
    patience: int = 25
    reaction: int = 3
    finish_task: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The operator's answer to one tick.

    Attributes:
        engaged: the operator drives.
        action: [n_arms * 7] float32; standing still when not engaged.
        marks: indices of the subtasks completed in this tick.
        outcome: the label that ends the episode, if this is the tick to give it.
        reason: why the operator took over, in the tick of a takeover.
    """

    engaged: bool
    action: npt.NDArray[np.float32]
    marks: tuple[int, ...] = ()
    outcome: Outcome | None = None
    reason: str = ''


class Operator:
    """One episode's operator.

    Args:
        task: the cell's task; its expert is the operator's skill.
        kind: in a demonstration the operator drives throughout, in a correction when needed, else never.
        seed: of the hand's noise.
        habits: see there.
    """

    def __init__(self, task: Task, kind: Kind, seed: int, habits: Habits = Habits()) -> None:
        self._task = task
        self._kind = kind
        self._seed = seed
        self._habits = habits
        self._hold = SuccessHold()
        self._lost = SuccessHold()
        self._completed = 0
        self._since_progress = 0
        self._seen_trouble = 0
        self._takeovers = 0
        self._goal = 0
        self._expert: Expert | None = None
        if kind == Kind.DEMONSTRATION:
            self._engage(len(task.subtasks))

    def tick(self, state: TaskState, tools: Float64, openings: Float64) -> Decision:
        """Look at the cell and decide; call once a policy step. Arguments as in ``Expert.act``."""
        completed = sum(state.subtasks)
        marks = tuple(range(self._completed, completed))
        self._since_progress = 0 if marks else self._since_progress + 1
        self._completed = max(completed, self._completed)
        reason = ''
        if self._kind == Kind.CORRECTION:
            reason = self._supervise(state, tools, openings)
        outcome = None
        if self._hold.update(state.success):
            outcome = Outcome.SUCCESS
        elif self._lost.update(self._task.lost(state)):
            outcome = Outcome.FAILURE
        if self._expert is None:
            return Decision(False, hold_action(np.asarray(openings, np.float32)), marks, outcome)
        action = self._expert.act(state, tools, openings)
        return Decision(True, action, marks, outcome, reason)

    def _supervise(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        """Take over or let go; returns the reason in the tick of a takeover."""
        if self._expert is not None:
            if self._completed >= self._goal:
                self._expert = None
                self._since_progress = 0
            return ''
        reason = self._task.trouble(state, tools, openings)
        if not reason and self._since_progress > self._habits.patience:
            parts = (*self._task.subtasks, 'the end')
            reason = f'no progress towards {parts[self._completed]}'
        self._seen_trouble = self._seen_trouble + 1 if reason else 0
        if not reason or self._seen_trouble <= self._habits.reaction:
            return ''
        self._engage(len(self._task.subtasks) + 1 if self._habits.finish_task else self._completed + 1)
        return reason

    def _engage(self, goal: int) -> None:
        """Drive until ``goal`` subtasks are done; one more than there are: to the very end."""
        rng = np.random.default_rng((self._seed, 7, self._takeovers))
        self._expert = self._task.expert(rng, self._habits.noise)
        self._takeovers += 1
        self._seen_trouble = 0
        self._goal = goal
