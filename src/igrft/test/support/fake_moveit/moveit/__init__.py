# SPDX-License-Identifier: Apache-2.0
"""Stands in for MoveItPy (2.12) in tests of what calls it: the same names, keyword arguments and types, strictly.

What it does is chosen by joint 1 of the goal: at most 1 rad is reached after a moment, up to 2 rad execution fails,
beyond that there is no plan. Every call is appended to the file named by FAKE_MOVEIT_LOG.
"""
