# SPDX-License-Identifier: Apache-2.0
"""The simulated cell: a MuJoCo arm, its cameras, tasks, scripted experts, and the nodes around them."""

import ctypes.util
import os

# MuJoCo reads this once, on its first import: EGL where it is, the software renderer otherwise.
os.environ.setdefault('MUJOCO_GL', 'egl' if ctypes.util.find_library('EGL') else 'osmesa')

__version__ = '0.1.0'
