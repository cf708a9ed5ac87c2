# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in process: what the method achieves and what it costs. No ROS in here."""
