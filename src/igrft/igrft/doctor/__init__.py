# SPDX-License-Identifier: Apache-2.0
"""Checks of a set-up, each with what to do about it. What ROS knows is handed in as plain data."""
