# SPDX-License-Identifier: Apache-2.0
"""Interaction-guided advantage-weighted regression (IG-AWR), in the order in which the algorithm runs.

1. :mod:`.flow_matching`: the policy is a flow from noise to an action chunk.
2. :mod:`.critic`: V(s) and p_int(s) on the policy's features.
3. :mod:`.temperature`: p_int(s) scales the noise that a rollout starts from.
4. :mod:`.advantage`: Â(s, a) from rewards and V.
5. :mod:`.weights`: exp(Â / β), clipped.
6. :mod:`.awr`: which step gets which weight, and the loss.

Tensors in, tensors out: no file, no topic, no configuration file in here.
"""
