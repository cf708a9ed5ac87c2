# SPDX-License-Identifier: Apache-2.0
"""Descriptions of what nodes are given; composable nodes are not in the stand-in."""

from launch._refuse import module_getattr

from .parameter_descriptions import Parameter, ParameterFile, ParameterValue

__all__ = ['Parameter', 'ParameterFile', 'ParameterValue']

__getattr__ = module_getattr(__name__, __all__)
