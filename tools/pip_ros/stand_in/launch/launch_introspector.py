# SPDX-License-Identifier: Apache-2.0
"""A launch description as an indented tree, for ``ros2 launch --print``."""

from __future__ import annotations

from collections.abc import Iterable

from .launch_description_entity import LaunchDescriptionEntity


def _tree(entities: Iterable[LaunchDescriptionEntity]) -> list[str]:
    lines = []
    for entity in entities:
        lines.append(f'├── {entity.describe()}')
        below = _tree(entity.describe_sub_entities())
        for condition, conditional in entity.describe_conditional_sub_entities():
            below += [f'├── {condition}', *(f'│   {line}' for line in _tree(conditional))]
        lines += [f'│   {line}' for line in below]
    return lines


class LaunchIntrospector:
    """Describes a launch description without launching it."""

    def format_launch_description(self, launch_description: LaunchDescriptionEntity) -> str:
        """Return the tree."""
        return '\n'.join(
            ['<LaunchDescription>', *_tree(launch_description.describe_sub_entities())])
