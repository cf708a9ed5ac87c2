# SPDX-License-Identifier: Apache-2.0
"""Messages between a policy's client and its server: one safetensors block each, JSON in its metadata. Nothing is code.

=========  ================================================================================================
``hello``  from the server, at first and after a load: protocol, version, checkpoint, policy, spec
``load``   id of a checkpoint to serve, '' for the one that is served
``act``    an observation: stamp, instruction, seed of the noise, temperature (null: 𝒯(s) by ``constants``); tensors
           ``proprio``, ``image.<camera>``, and ``committed`` with frozen and guidance where a chunk runs meanwhile
``chunk``  the answer to ``act``: tensor ``actions``, and everything else of an action chunk
``error``  why a message was not answered
=========  ================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from igrft.config import as_dict, parse
from igrft.method.temperature import TemperatureConfig
from igrft.policies.real_time_chunking import Committed
from igrft.types import ActionChunk, Observation

PROTOCOL = 1
"""Number of this format; client and server must have the same."""
MAX_SIZE = 64 << 20
"""[bytes] of a message"""

Arrays = Mapping[str, npt.NDArray[Any]]


class WireError(ValueError):
    """A message that cannot be read."""


def pack(kind: str, arrays: Arrays | None = None, **values: Any) -> bytes:
    """A message."""
    tensors = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    block: bytes = save(tensors, {'igrft': json.dumps({'kind': kind, **values})})
    return block


def unpack(data: bytes | str, *kinds: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """A message's values and arrays.

    Args:
        data: from the wire.
        kinds: that are expected here; an ``error`` always may come.

    Raises:
        WireError: not a message, of another kind, or an ``error`` with its text.
    """
    try:
        if isinstance(data, str):
            raise ValueError('text where bytes are expected')
        size = int.from_bytes(data[:8], 'little')
        values: dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])['__metadata__']['igrft'])
        arrays = load(data)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WireError(f'not a message of this protocol: {error}') from error
    kind = values.get('kind')
    if kind == 'error':
        raise WireError(str(values.get('text')))
    if kind not in kinds:
        raise WireError(f"expected {' or '.join(kinds)}, got '{kind}'")
    return values, arrays


def pack_act(
    observation: Observation,
    seed: int,
    temperature: float | None,
    meanwhile: Committed | None,
    constants: TemperatureConfig,
) -> bytes:
    """The message ``act``."""
    arrays: dict[str, Any] = {f'image.{name}': image for name, image in observation.images.items()}
    arrays['proprio'] = observation.proprio
    values: dict[str, Any] = {}
    if meanwhile is not None:
        arrays['committed'] = meanwhile.actions.numpy()
        values = {'frozen': meanwhile.frozen, 'guidance': meanwhile.guidance}
    about = {
        'stamp': observation.stamp,
        'instruction': observation.instruction,
        'constants': as_dict(constants),
    }
    return pack('act', arrays, seed=seed, temperature=temperature, **about, **values)


Asked = tuple[Observation, int, float | None, Committed | None, TemperatureConfig]
"""What a client asks with: see :func:`pack_act`."""


def unpack_act(values: Mapping[str, Any], arrays: Arrays) -> Asked:
    """What :func:`pack_act` was given.

    Raises:
        WireError: something is missing or misshapen.
    """
    try:
        images = {name.removeprefix('image.'): array for name, array in arrays.items() if name.startswith('image.')}
        observation = Observation(float(values['stamp']), images, arrays['proprio'], str(values['instruction']))
        meanwhile = None
        if 'committed' in arrays:
            actions = torch.from_numpy(np.array(arrays['committed'], np.float32))
            meanwhile = Committed(actions, int(values['frozen']), float(values['guidance']))
        given = values['temperature']
        constants = parse(values['constants'], TemperatureConfig, 'act: constants')
        return observation, int(values['seed']), None if given is None else float(given), meanwhile, constants
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f'act: {error!r}') from error


def pack_chunk(chunk: ActionChunk) -> bytes:
    """The message ``chunk``."""
    values = asdict(chunk)
    actions = values.pop('actions')
    return pack('chunk', {'actions': actions}, **values)


def unpack_chunk(values: Mapping[str, Any], arrays: Arrays) -> ActionChunk:
    """What :func:`pack_chunk` was given.

    Raises:
        WireError: something is missing or misshapen.
    """
    try:
        rest = {name: value for name, value in values.items() if name != 'kind'}
        return ActionChunk(actions=np.array(arrays['actions'], np.float32), **rest)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f'chunk: {error!r}') from error
