# SPDX-License-Identifier: Apache-2.0
"""Where cameras and robot are and what they show: calibration, kinematics, the robot's mask, optical flow. No ROS."""
