# SPDX-License-Identifier: Apache-2.0
"""Actions that hold for all nodes that follow in their scope (see ``GroupAction``).

What they set lives in launch configurations, as upstream: ``ros_namespace``, ``global_params``,
``ros_remaps``. And as upstream, a list that an outer scope has begun is shared: what a group adds
to it stays. A group that must not do so is put before the first outer one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from launch.action import Action
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from ..names import check_namespace, make_namespace_absolute, prefix_namespace
from ..parameters import evaluate_parameter_dict, normalize_parameter_dict

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class PushROSNamespace(Action):
    """Puts the nodes that follow below `namespace`; absolute ones replace the outer namespace."""

    def __init__(self, namespace: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.namespace = normalize_to_list_of_substitutions(namespace)

    def execute(self, context: LaunchContext) -> None:
        pushed = perform_substitutions(context, self.namespace)
        outer = context.launch_configurations.get('ros_namespace')
        namespace = make_namespace_absolute(prefix_namespace(outer, pushed)) or '/'
        try:
            check_namespace(namespace)
        except ValueError as error:
            raise SubstitutionFailure(
                f"The resulting namespace is invalid: [previous_namespace='{outer}', "
                f"pushed_namespace='{pushed}']: {error}") from error
        context.launch_configurations['ros_namespace'] = namespace


PushRosNamespace = PushROSNamespace


class SetParameter(Action):
    """Sets a parameter of the nodes that follow; their own ``parameters`` override it."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        names = tuple(normalize_to_list_of_substitutions(name))
        self._parameters = normalize_parameter_dict({names: value})

    def execute(self, context: LaunchContext) -> None:
        entries = context.launch_configurations.setdefault('global_params', [])
        entries.extend(evaluate_parameter_dict(context, self._parameters).items())


class SetParametersFromFile(Action):
    """Passes a parameter file to the nodes that follow."""

    def __init__(self, filename: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._filename = normalize_to_list_of_substitutions(filename)

    def execute(self, context: LaunchContext) -> None:
        path = perform_substitutions(context, self._filename)
        context.launch_configurations.setdefault('global_params', []).append(path)


class SetRemap(Action):
    """Remaps a name of the nodes that follow."""

    def __init__(
        self, src: SomeSubstitutionsType, dst: SomeSubstitutionsType, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.src = normalize_to_list_of_substitutions(src)
        self.dst = normalize_to_list_of_substitutions(dst)

    def execute(self, context: LaunchContext) -> None:
        rule = (perform_substitutions(context, self.src), perform_substitutions(context, self.dst))
        context.launch_configurations.setdefault('ros_remaps', []).append(rule)


class SetROSLogDir(Action):
    """Sets where nodes write their logs (``ROS_LOG_DIR``)."""

    def __init__(self, new_log_dir: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log_dir = normalize_to_list_of_substitutions(new_log_dir)

    def execute(self, context: LaunchContext) -> None:
        os.environ['ROS_LOG_DIR'] = perform_substitutions(context, self.log_dir)
