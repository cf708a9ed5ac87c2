# SPDX-License-Identifier: Apache-2.0
"""Substitutions that compare and combine; they perform to ``true`` or ``false``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from ..utilities.type_utils import is_substitution, perform_typed_substitution
from ._base import SubstitutionFailure

if TYPE_CHECKING:
    from ..launch_context import LaunchContext

Texts = list[Substitution]


def _truth(context: LaunchContext, subs: Texts) -> bool:
    try:
        return bool(perform_typed_substitution(context, subs, bool))
    except (TypeError, ValueError) as error:
        raise SubstitutionFailure(str(error)) from error


def _word(value: bool) -> str:
    return 'true' if value else 'false'


class NotSubstitution(Substitution):
    """Whether `value` is false."""

    def __init__(self, value: SomeSubstitutionsType) -> None:
        self.value = normalize_to_list_of_substitutions(value)

    def perform(self, context: LaunchContext) -> str:
        return _word(not _truth(context, self.value))


class AnySubstitution(Substitution):
    """Whether at least one of `args` is true; all are evaluated."""

    def __init__(self, *args: SomeSubstitutionsType) -> None:
        self.args = [normalize_to_list_of_substitutions(arg) for arg in args]

    def perform(self, context: LaunchContext) -> str:
        return _word(any([_truth(context, arg) for arg in self.args]))


class AllSubstitution(Substitution):
    """Whether all of `args` are true; all are evaluated."""

    def __init__(self, *args: SomeSubstitutionsType) -> None:
        self.args = [normalize_to_list_of_substitutions(arg) for arg in args]

    def perform(self, context: LaunchContext) -> str:
        return _word(all([_truth(context, arg) for arg in self.args]))


class AndSubstitution(AllSubstitution):
    """Whether `left` and `right` are true."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        super().__init__(left, right)


class OrSubstitution(AnySubstitution):
    """Whether `left` or `right` is true."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        super().__init__(left, right)


def _texts(value: Any) -> Texts:
    if not is_substitution(value):
        if value is None:
            value = ''
        elif isinstance(value, bool):
            value = _word(value)
        else:
            value = str(value)
    return normalize_to_list_of_substitutions(value)


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class EqualsSubstitution(Substitution):
    """Whether two values are equal: as booleans, as numbers (nearly), or as text."""

    def __init__(self, left: Any, right: Any) -> None:
        self.left = _texts(left)
        self.right = _texts(right)

    def _equal(self, context: LaunchContext) -> bool:
        left = perform_substitutions(context, self.left)
        right = perform_substitutions(context, self.right)
        booleans = ('true', 'false', '1', '0')
        if left.lower() in booleans and right.lower() in booleans:
            return (left.lower() in ('true', '1')) == (right.lower() in ('true', '1'))
        left_number, right_number = _as_float(left), _as_float(right)
        if left_number is not None and right_number is not None:
            return math.isclose(left_number, right_number)
        return left == right

    def perform(self, context: LaunchContext) -> str:
        return _word(self._equal(context))


class NotEqualsSubstitution(EqualsSubstitution):
    """Whether two values differ."""

    def perform(self, context: LaunchContext) -> str:
        return _word(not self._equal(context))


class IfElseSubstitution(Substitution):
    """`if_value` where `condition` is true, else `else_value`."""

    def __init__(
        self,
        condition: SomeSubstitutionsType,
        if_value: SomeSubstitutionsType = '',
        else_value: SomeSubstitutionsType = '',
    ) -> None:
        if if_value == else_value == '':
            raise RuntimeError('IfElseSubstitution: give if_value or else_value')
        self.condition = normalize_to_list_of_substitutions(condition)
        self.if_value = normalize_to_list_of_substitutions(if_value)
        self.else_value = normalize_to_list_of_substitutions(else_value)

    def perform(self, context: LaunchContext) -> str:
        chosen = self.if_value if _truth(context, self.condition) else self.else_value
        return perform_substitutions(context, chosen)
