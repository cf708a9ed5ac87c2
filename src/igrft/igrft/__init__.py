# SPDX-License-Identifier: Apache-2.0
"""igrft: interaction-guided reinforced fine-tuning of vision-language-action policies over ROS 2."""

__version__ = '0.1.0'
