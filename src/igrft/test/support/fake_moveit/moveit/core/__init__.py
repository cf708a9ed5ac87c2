# SPDX-License-Identifier: Apache-2.0
"""`moveit.core`."""
