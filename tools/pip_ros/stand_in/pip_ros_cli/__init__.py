# SPDX-License-Identifier: Apache-2.0
"""A stand-in for ros2cli: the same command lines over rclpy alone, for machines without it."""
