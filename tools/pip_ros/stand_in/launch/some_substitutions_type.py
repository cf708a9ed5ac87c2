# SPDX-License-Identifier: Apache-2.0
"""What may be given where text is wanted: a string, a substitution or a list of both."""

from collections.abc import Iterable

from .substitution import Substitution

SomeSubstitutionsType = str | Substitution | Iterable[str | Substitution]
SomeSubstitutionsType_types_tuple = (str, Substitution, Iterable)
