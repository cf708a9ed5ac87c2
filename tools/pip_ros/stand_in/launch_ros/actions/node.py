# SPDX-License-Identifier: Apache-2.0
"""Running a ROS node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launch.actions import ExecuteProcess
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from ..names import (
    check_namespace,
    check_node_name,
    make_namespace_absolute,
    prefix_namespace,
)
from ..parameter_descriptions import Parameter, ParameterFile
from ..parameters import (
    evaluate_parameter_dict,
    normalize_parameters,
    parameter_rule,
    write_parameter_file,
)
from ..substitutions import ExecutableInPackage

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext

_UNSPECIFIED = '<node_name_unspecified>'
_UNSPECIFIED_NAMESPACE = '<node_namespace_unspecified>'


class Node(ExecuteProcess):
    """Runs the `executable` of `package` as a ROS node.

    Args:
        executable: name of the executable, or a path where no package is given.
        package: package that has it.
        name: name of the node; default: its own.
        namespace: namespace of the node, below the pushed one unless absolute.
        exec_name: label of the process; default: the executable.
        parameters: dicts, paths of YAML files, ParameterFile, Parameter; later ones win.
        remappings: (from, to) pairs.
        ros_arguments: more arguments after ``--ros-args``.
        arguments: other arguments of the program.
        **kwargs: those of :class:`launch.actions.ExecuteProcess`.
    """

    UNSPECIFIED_NODE_NAME = _UNSPECIFIED
    UNSPECIFIED_NODE_NAMESPACE = _UNSPECIFIED_NAMESPACE

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Any = None,
        remappings: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        program: SomeSubstitutionsType = (
            executable if package is None
            else ExecutableInPackage(package=package, executable=executable))
        cmd: list[SomeSubstitutionsType] = [program, *(arguments or ())]
        if ros_arguments is not None:
            cmd += ['--ros-args', *ros_arguments]
        cmd.append('--ros-args')
        super().__init__(cmd=cmd, name=exec_name, **kwargs)
        self.node_package = package
        self.node_executable = executable
        self._name = None if name is None else normalize_to_list_of_substitutions(name)
        self._namespace = (
            None if namespace is None else normalize_to_list_of_substitutions(namespace))
        self._parameters = normalize_parameters(parameters if parameters is not None else [])
        self._remappings = [_rule(rule) for rule in remappings or ()]
        self._full_name: str | None = None
        self.expanded_node_namespace = _UNSPECIFIED_NAMESPACE
        self.expanded_remapping_rules: list[tuple[str, str]] | None = None

    @property
    def node_name(self) -> str:
        """The full name of the node.

        Raises:
            RuntimeError: before the action is executed.
        """
        if self._full_name is None:
            raise RuntimeError("cannot access 'node_name' before executing action")
        return self._full_name

    def is_node_name_fully_specified(self) -> bool:
        """Return whether both name and namespace of the node are known here."""
        return _UNSPECIFIED not in self.node_name and _UNSPECIFIED_NAMESPACE not in self.node_name

    def _argue(self, *arguments: str) -> None:
        self.cmd.extend(normalize_to_list_of_substitutions(each) for each in arguments)

    def _perform_substitutions(self, context: LaunchContext) -> None:
        """Perform what is ROS's in this action and extend the command by it, once."""
        if self._full_name is not None:
            return
        name = _UNSPECIFIED
        if self._name is not None:
            name = perform_substitutions(context, self._name)
            check_node_name(name)
            self._argue('-r', f'__node:={name}')
        given = None if self._namespace is None else perform_substitutions(
            context, self._namespace)
        outer = context.launch_configurations.get('ros_namespace')
        namespace = make_namespace_absolute(prefix_namespace(outer, given))
        if namespace is not None:
            check_namespace(namespace)
            self.expanded_node_namespace = namespace
            self._argue('-r', f'__ns:={namespace}')
        self._full_name = prefix_namespace(self.expanded_node_namespace, name)
        self._argue_parameters(context)
        rules = list(context.launch_configurations.get('ros_remaps', []))
        rules += [
            (perform_substitutions(context, source), perform_substitutions(context, target))
            for source, target in self._remappings]
        self.expanded_remapping_rules = rules or None
        for source, target in rules:
            self._argue('-r', f'{source}:={target}')

    def _argue_parameters(self, context: LaunchContext) -> None:
        for entry in context.launch_configurations.get('global_params', []):
            if isinstance(entry, tuple):
                # Unquoted, as upstream: the text '1' arrives as the integer 1.
                self._argue('-p', f'{entry[0]}:={entry[1]}')
            else:
                self._argue_file(Path(entry).absolute())
        for item in self._parameters:
            if isinstance(item, Parameter):
                self._argue('-p', parameter_rule(*item.evaluate(context)))
            elif isinstance(item, ParameterFile):
                self._argue_file(item.evaluate(context))
            else:
                values = evaluate_parameter_dict(context, item)
                target = self.node_name if self.is_node_name_fully_specified() else '/**'
                self._argue_file(write_parameter_file(target, values))

    def _argue_file(self, path: Path) -> None:
        if not path.is_file():
            get_logger('launch_ros.actions.node').warning(
                'Parameter file path is not a file: %s', path)
            return
        self._argue('--params-file', str(path))

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        self._perform_substitutions(context)
        result = super().execute(context)
        if self.is_node_name_fully_specified():
            names: Counter[str] = context.get_locals_as_dict().setdefault(
                'unique_ros_node_names', Counter())
            names[self.node_name] += 1
            context.extend_globals({'unique_ros_node_names': names})
            if names[self.node_name] > 1:
                get_logger(self.name).warning(
                    'there are now at least %d nodes with the name %s created within this '
                    'launch context', names[self.node_name], self.node_name)
        return result

    def describe(self) -> str:
        def text(value: SomeSubstitutionsType | None) -> str:
            parts = [] if value is None else normalize_to_list_of_substitutions(value)
            return ' + '.join(part.describe() for part in parts)

        return (f'{type(self).__name__}(package={text(self.node_package)}, '
                f'executable={text(self.node_executable)})')


def _rule(rule: Any) -> tuple[list[Any], list[Any]]:
    if not isinstance(rule, tuple) or len(rule) != 2:
        raise TypeError(f'remappings: expected (from, to), got {rule!r}')
    source, target = rule
    return normalize_to_list_of_substitutions(source), normalize_to_list_of_substitutions(target)
