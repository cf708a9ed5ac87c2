# SPDX-License-Identifier: Apache-2.0
"""The base class of everything that may happen while a launch runs."""


class Event:
    """Something that happened; event handlers decide what follows from it."""

    name = 'launch.Event'
