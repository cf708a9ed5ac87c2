# SPDX-License-Identifier: Apache-2.0
"""Running a command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..descriptions import Executable
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from .execute_local import ExecuteLocal


class ExecuteProcess(ExecuteLocal):
    """Runs a command as a child process.

    Args:
        cmd: program and arguments, each text, a substitution or a list of them.
        prefix, name, cwd, env, additional_env: see :class:`launch.descriptions.Executable`.
        **kwargs: shell, sigterm_timeout, sigkill_timeout [s], emulate_tty, output, output_format,
            cached_output, log_cmd, on_exit, respawn, respawn_delay [s], respawn_max_retries,
            condition.
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Mapping[Any, Any] | None = None,
        additional_env: Mapping[Any, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        executable = Executable(
            cmd=cmd, prefix=prefix, name=name, cwd=cwd, env=env, additional_env=additional_env)
        super().__init__(process_description=executable, **kwargs)

    @property
    def name(self) -> str | None:
        """The final label of the process, or None before it is known."""
        return self.process_description.final_name or None

    @property
    def cmd(self) -> list[list[Substitution]]:
        """The command, before substitution."""
        return self.process_description.cmd

    def describe(self) -> str:
        words = ' '.join(
            ''.join(sub.describe() for sub in part) for part in self.process_description.cmd)
        return f'{type(self).__name__}(cmd=[{words}])'
