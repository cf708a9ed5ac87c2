# SPDX-License-Identifier: Apache-2.0
"""Where a launch description comes from, once it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .launch_description import LaunchDescription
from .some_substitutions_type import SomeSubstitutionsType
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class LaunchDescriptionSource:
    """A launch description, or the place to load one from.

    Args:
        launch_description: given where it is known already.
        location: path of the launch file, for loading and for messages.
        load: path → launch description.
    """

    def __init__(
        self,
        launch_description: LaunchDescription | None = None,
        location: SomeSubstitutionsType = '<script>',
        method: str = 'unspecified mechanism from a script',
        *,
        load: Callable[[str], LaunchDescription] | None = None,
    ) -> None:
        self._launch_description = launch_description
        self._location = normalize_to_list_of_substitutions(location)
        self._expanded: str | None = None
        self.method = method
        self._load = load

    @property
    def location(self) -> str:
        """The path, or its description as long as it is not known."""
        if self._expanded is None:
            return ' + '.join(sub.describe() for sub in self._location)
        return self._expanded

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """Return the description if it can be had before launching, else None."""
        from .launch_context import LaunchContext

        try:
            return self.get_launch_description(LaunchContext())
        except Exception:  # noqa: BLE001 - launch files may raise anything
            # E.g. the path depends on a launch argument: then nothing is known of it yet.
            self._expanded = None
            return None

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """Return the description, loading it at the first call.

        Raises:
            InvalidLaunchFileError: if it cannot be loaded.
        """
        if self._expanded is None:
            self._expanded = perform_substitutions(context, self._location)
        if self._launch_description is None:
            if self._load is None:
                raise RuntimeError('this LaunchDescriptionSource has nothing to load from')
            self._launch_description = self._load(self._expanded)
        return self._launch_description
