# SPDX-License-Identifier: Apache-2.0
"""One thin node a file."""
