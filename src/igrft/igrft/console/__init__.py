# SPDX-License-Identifier: Apache-2.0
"""The operator's web page: state and cameras out, commands in. Knows nothing of ROS, only the Bridge protocol."""
