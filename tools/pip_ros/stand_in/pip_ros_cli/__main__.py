# SPDX-License-Identifier: Apache-2.0
"""``python -m pip_ros_cli``: the same as ``ros2``."""

import sys

from .main import main

if __name__ == '__main__':
    sys.exit(main())
