# SPDX-License-Identifier: Apache-2.0
"""One thin node a file."""

from igrft.startup import leave_quietly_while_importing

leave_quietly_while_importing()
