# SPDX-License-Identifier: Apache-2.0
"""The simulated operator: watches, takes over, corrects, lets go, labels. No ROS in here.

Under the protocol ``watching`` he looks all the time. Under ``called`` he is elsewhere until the policy asks for help:
then he comes, looks, and stays until a subtask is done; where nothing looks wrong the policy may go on under his eyes.
Subtasks and the end of an episode are judged from ground truth in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from igrft.control.inputs import hold_action
from igrft.types import Kind, Outcome
from igrft_sim.tasks.base import Expert, Float64, SuccessHold, Task, TaskState

PROTOCOLS = ('watching', 'called')


@dataclass(frozen=True, slots=True)
class Habits:
    """How the operator is.

    Attributes:
        noise: of the hand in demonstrations and corrections, 1 is a practised operator.
        patience: [ticks] without a completed subtask, after which the operator steps in.
        reaction: [ticks] between seeing that it goes wrong and taking over.
        finish_task: keep the control until the task is done, not only the current subtask.
        protocol: ``watching`` or ``called``.
        coming: [ticks] from a call to being there.
        persistence: [ticks] of driving without a completed subtask, after which the episode is given up as failed,
            e.g. where the arm has got so close to a singularity that the servo lets it go nowhere.
    """

    noise: float = 1.0
    patience: int = 25
    reaction: int = 3
    finish_task: bool = False
    protocol: str = 'watching'
    coming: int = 20
    persistence: int = 300

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol '{self.protocol}'; known are: {', '.join(PROTOCOLS)}")


@dataclass(frozen=True, slots=True)
class Decision:
    """The operator's answer to one tick.

    Attributes:
        engaged: the operator drives.
        action: [n_arms * 7] float32; standing still when not engaged.
        marks: indices of the subtasks completed in this tick.
        outcome: the label that ends the episode, if this is the tick to give it.
        reason: why the operator took over, in the tick of a takeover.
        attends: this tick takes the operator's time: coming, watching or driving.
        dismisses: the operator has come, sees nothing wrong and lets the policy go on.
    """

    engaged: bool
    action: npt.NDArray[np.float32]
    marks: tuple[int, ...] = ()
    outcome: Outcome | None = None
    reason: str = ''
    attends: bool = False
    dismisses: bool = False


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
        self._seed = seed
        self._habits = habits
        self._hold = SuccessHold()
        self._lost = SuccessHold()
        self._completed = 0
        self._since_progress = 0
        self._in_vain = 0
        self._seen_trouble = 0
        self._takeovers = 0
        self._goal = 0
        self._expert: Expert | None = None
        self._supervises = kind == Kind.CORRECTION
        self._there = self._supervises and habits.protocol == 'watching'
        self._coming: int | None = None
        if kind == Kind.DEMONSTRATION:
            self._engage(len(task.subtasks))

    def tick(
        self, state: TaskState, tools: Float64, openings: Float64, call: int | None = None, stopped: bool = False
    ) -> Decision:
        """Look at the cell and decide; call once a policy step.

        Args:
            state, tools, openings: as in ``Expert.act``.
            call: [ticks] since the policy began to ask for help, None while it does not. When the operator comes
                depends on this alone, not on the tick in which a call is first heard.
            stopped: the arm is under a stop. Nobody pushes on then, for it is only reset when nobody does.
        """
        completed = sum(state.subtasks)
        marks = tuple(range(self._completed, completed))
        self._since_progress = 0 if marks else self._since_progress + 1
        self._in_vain = 0 if marks or self._expert is None else self._in_vain + (not stopped)
        self._completed = max(completed, self._completed)
        arrives = self._supervises and not self._there and self._arrives(call)
        drove, reason, dismisses = self._expert is not None, '', False
        if self._there:
            reason = self._supervise(state, tools, openings)
            dismisses = arrives and not self._seen_trouble and self._expert is None
        attends = self._there or self._coming is not None or self._expert is not None
        done = drove or (bool(marks) and not self._seen_trouble)
        if self._habits.protocol == 'called' and done and self._expert is None:
            self._there = False
        outcome = None
        if self._hold.update(state.success):
            outcome = Outcome.SUCCESS
        elif self._lost.update(self._task.lost(state)) or self._in_vain > self._habits.persistence:
            outcome = Outcome.FAILURE
        if self._expert is None or stopped:
            still = hold_action(np.asarray(openings, np.float32))
            return Decision(False, still, marks, outcome, attends=attends, dismisses=dismisses)
        action = self._expert.act(state, tools, openings)
        return Decision(True, action, marks, outcome, reason, attends)

    def _arrives(self, call: int | None) -> bool:
        """Whether the operator, who was called, is there from this tick on."""
        if self._coming is None and call is not None:
            self._coming = max(0, self._habits.coming - call)
        elif self._coming is not None:
            self._coming -= 1
        if self._coming != 0:
            return False
        self._there, self._coming = True, None
        self._since_progress = self._seen_trouble = 0
        return True

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
