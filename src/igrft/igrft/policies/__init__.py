# SPDX-License-Identifier: Apache-2.0
"""Flow-matching policies behind one protocol (:mod:`.protocol`), made and loaded by name (:mod:`.registry`)."""
