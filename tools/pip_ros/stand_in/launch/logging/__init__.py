# SPDX-License-Identifier: Apache-2.0
"""Launch's log: ``[INFO] [talker-1]: …`` on the screen, all of it in a file of this launch."""

from __future__ import annotations

import datetime
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._refuse import module_getattr

__all__ = ['LaunchConfig', 'get_logger', 'get_output_loggers', 'launch_config']

_DESTINATIONS = ('screen', 'log', 'own_log')
_ALIASES: dict[str, dict[str, set[str]]] = {
    'screen': {'both': {'screen'}},
    'log': {'both': {'log'}, 'stderr': {'screen'}},
    'both': {'both': {'log', 'screen'}},
    'own_log': {'both': {'own_log'}, 'stdout': {'own_log'}, 'stderr': {'own_log'}},
    'full': {
        'both': {'screen', 'log', 'own_log'}, 'stdout': {'own_log'}, 'stderr': {'own_log'}},
}


def _log_root() -> Path:
    root = os.environ.get('ROS_LOG_DIR')
    if root:
        return Path(root).expanduser()
    return Path(os.environ.get('ROS_HOME') or '~/.ros').expanduser() / 'log'


class _ScreenHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard output is at that time; a closed one is not an error."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        try:
            self.stream.write(self.format(record) + '\n')
            self.stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads the screen any more; the log file still gets it all.
            return


class LaunchConfig:
    """Where the log goes: one directory a launch, made when first needed."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self._log_dir: str | None = None
        self._files: dict[str, logging.Handler] = {}

    @property
    def log_dir(self) -> str:
        """The directory of this launch's log files; ``latest`` beside it links to it."""
        if self._log_dir is None:
            root = _log_root()
            stamp = datetime.datetime.now().strftime('%Y-%m-%d-%H-%M-%S-%f')
            path = root / f'{stamp}-{socket.gethostname()}-{os.getpid()}'
            path.mkdir(parents=True)
            self._log_dir = str(path)
            self._renew_latest(root, path)
        return self._log_dir

    @log_dir.setter
    def log_dir(self, value: str) -> None:
        if not Path(value).is_dir():
            raise ValueError(f'{value} is not a directory')
        self._log_dir = value

    @staticmethod
    def _renew_latest(root: Path, path: Path) -> None:
        new = root / f'.latest-{os.getpid()}'
        try:
            new.symlink_to(path, target_is_directory=True)
            new.replace(root / 'latest')
        except OSError as error:
            new.unlink(missing_ok=True)
            warnings.warn(f'Cannot create a symlink to latest log directory: {error}',
                          stacklevel=2)

    def file_handler(self, name: str, pattern: str) -> logging.Handler:
        """Return a handler that formats by `pattern` and appends to log file `name`."""
        key = f'{name}\0{pattern}'
        if key not in self._files:
            handler = logging.FileHandler(Path(self.log_dir, name), encoding='utf-8')
            handler.setFormatter(logging.Formatter(pattern, style='{'))
            self._files[key] = handler
        return self._files[key]


launch_config = LaunchConfig()
_loggers: dict[str, logging.Logger] = {}


def _screen(pattern: str) -> logging.Handler:
    handler = _ScreenHandler()
    handler.setFormatter(logging.Formatter(pattern, style='{'))
    return handler


def get_logger(name: str | None = None) -> logging.Logger:
    """Return the launch logger of that name: screen and launch.log.

    These are no children of Python's root logger, so that a library that configures that one
    (or a node library in this process) does not print launch's lines twice.
    """
    name = name or 'root'
    logger = _loggers.get(name)
    if logger is None:
        logger = _loggers[name] = logging.Logger(name)
        logger.addHandler(_screen('[{levelname}] [{name}]: {message}'))
        logger.addHandler(
            launch_config.file_handler('launch.log', '{created:.7f} [{levelname}] [{name}]: {message}'))
    logger.setLevel(launch_config.level)
    return logger


def _destinations(config: Any) -> dict[str, set[str]]:
    result: dict[str, set[str]] = {'both': set(), 'stdout': set(), 'stderr': set()}
    if isinstance(config, str):
        if config not in _ALIASES:
            raise ValueError(f"'{config}' is not an output configuration: expected one of "
                             f"{', '.join(_ALIASES)}, or a dict")
        return {**result, **_ALIASES[config]}
    if not isinstance(config, Mapping):
        raise ValueError(f'{config!r} is not an output configuration')
    for source, wanted in config.items():
        if source not in result:
            raise ValueError(f"'{source}' is not an output source: stdout, stderr or both")
        names: Iterable[str] = [wanted] if isinstance(wanted, str) else wanted
        for name in names:
            if name not in _DESTINATIONS:
                raise ValueError(f"'{name}' is not an output destination: screen, log, own_log")
        result[source] = set(names)
    return result


def get_output_loggers(
    process_name: str, output_config: Any
) -> tuple[logging.Logger, logging.Logger]:
    """Return the loggers that take a process's stdout and stderr lines.

    Args:
        process_name: e.g. ``talker-1``.
        output_config: screen, log, both, own_log, full, or a dict of source → destinations.

    Raises:
        ValueError: for any other configuration.
    """
    destinations = _destinations(output_config)
    loggers = []
    for source in ('stdout', 'stderr'):
        logger = logging.Logger(f'{process_name}-{source}', logging.DEBUG)
        wanted = destinations['both'] | destinations[source]
        if 'screen' in wanted:
            logger.addHandler(_screen('{message}'))
        if 'log' in wanted:
            logger.addHandler(
                launch_config.file_handler('launch.log', '{created:.7f} {message}'))
        if 'own_log' in destinations[source]:
            logger.addHandler(
                launch_config.file_handler(f'{process_name}-{source}.log', '{message}'))
        if 'own_log' in destinations['both']:
            logger.addHandler(launch_config.file_handler(f'{process_name}.log', '{message}'))
        loggers.append(logger)
    return loggers[0], loggers[1]


__getattr__ = module_getattr(__name__, __all__)
