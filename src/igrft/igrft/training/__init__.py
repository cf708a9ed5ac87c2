# SPDX-License-Identifier: Apache-2.0
"""The three stages as settings of one learner; checkpoints; resuming."""
