# SPDX-License-Identifier: Apache-2.0
"""How a trunk's predictions are called, and the scales that their values are told in (``igrft.training.targets``)."""

from __future__ import annotations

from dataclasses import dataclass

AXES = ('x', 'y', 'z')
WAVE = 0.16
"""[m] period of the predictions that resolve a place in a fixture."""
NEAR = 0.04
"""[m] scale of the predictions that resolve the neighbourhood of the tool."""
NEARLY = 0.999
"""One of them beyond that says no more than that its thing is far."""


@dataclass(frozen=True, slots=True)
class TargetName:
    """``<task>/<thing>.<what>.<axis>`` or ``<task>/<thing>.<arm>.<what>.<axis>``, '' for what a name does not have.

    Attributes:
        thing: with its task; of a pair ``<task>/<first>-<second>``.
    """

    thing: str
    arm: str
    what: str
    axis: str

    @classmethod
    def of(cls, target: str) -> TargetName:
        """Read a name."""
        task, slash, said = target.rpartition('/')
        thing, *rest = said.split('.')
        axis = rest.pop() if len(rest) > 1 and rest[-1] in (*AXES, 'cos', 'sin') else ''
        what = rest.pop() if rest else ''
        return cls(f'{task}{slash}{thing}', '.'.join(rest), what, axis)

    @property
    def task(self) -> str:
        """Whose thing it is."""
        return self.thing.rpartition('/')[0]

    @property
    def pair(self) -> tuple[str, ...]:
        """Both things, with their task; () where it is one."""
        return pair_of(self.thing)


def pair_of(thing: str) -> tuple[str, ...]:
    """Both things of ``<task>/<first>-<second>``, with their task; () of a thing alone."""
    task, slash, said = thing.rpartition('/')
    first, _, second = said.partition('-')
    return (f'{task}{slash}{first}', f'{task}{slash}{second}') if second else ()
