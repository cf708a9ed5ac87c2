# SPDX-License-Identifier: Apache-2.0
"""Conditions: whether an action is executed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ._refuse import module_getattr
from .condition import Condition
from .some_substitutions_type import SomeSubstitutionsType
from .substitution import Substitution
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from .launch_context import LaunchContext

__all__ = [
    'IfCondition',
    'InvalidConditionExpressionError',
    'LaunchConfigurationEquals',
    'LaunchConfigurationNotEquals',
    'UnlessCondition',
    'evaluate_condition_expression',
]


class InvalidConditionExpressionError(Exception):
    """A condition's text is neither true nor false."""


def evaluate_condition_expression(
    context: LaunchContext, expression: Iterable[Substitution]
) -> bool:
    """Return the truth of the performed `expression`: true/1 or false/0, in any case.

    Raises:
        InvalidConditionExpressionError: for any other text, the empty one included.
    """
    text = perform_substitutions(context, expression).strip().lower()
    if text in ('true', '1'):
        return True
    if text in ('false', '0'):
        return False
    raise InvalidConditionExpressionError(
        f"invalid condition '{text}': expected one of true, 1, false, 0")


class IfCondition(Condition):
    """Holds where the text is true."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self._expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(
            predicate=lambda context: evaluate_condition_expression(context, self._expression))

    def describe(self) -> str:
        return f"IfCondition({' + '.join(sub.describe() for sub in self._expression)})"


class UnlessCondition(Condition):
    """Holds where the text is false."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self._expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(
            predicate=lambda context: not evaluate_condition_expression(context, self._expression))

    def describe(self) -> str:
        return f"UnlessCondition({' + '.join(sub.describe() for sub in self._expression)})"


class LaunchConfigurationEquals(Condition):
    """Holds where a launch configuration has this value; None: where it is not set."""

    def __init__(
        self, launch_configuration_name: str, expected_value: SomeSubstitutionsType | None
    ) -> None:
        expected = (
            None if expected_value is None else normalize_to_list_of_substitutions(expected_value))

        def equal(context: LaunchContext) -> bool:
            value = context.launch_configurations.get(launch_configuration_name)
            if value is None or expected is None:
                return value is None and expected is None
            return bool(value == perform_substitutions(context, expected))

        super().__init__(predicate=equal)


class LaunchConfigurationNotEquals(LaunchConfigurationEquals):
    """Holds where :class:`LaunchConfigurationEquals` does not."""

    def evaluate(self, context: LaunchContext) -> bool:
        return not super().evaluate(context)


__getattr__ = module_getattr(__name__, __all__)
