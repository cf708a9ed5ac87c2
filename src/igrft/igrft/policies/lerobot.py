# SPDX-License-Identifier: Apache-2.0
"""What LeRobot's flow-matching VLAs share behind the protocol (extra `lerobot`, Python 3.12 or newer).

They count time the other way round (t = 1 is noise, the velocity noise − action), so v(a, τ) = −model(a, 1 − τ). The
families are in :mod:`.lerobot_models`.
"""

from __future__ import annotations

import json
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor

from igrft.config import as_dict, parse
from igrft.policies.normalisation import Normalisation
from igrft.policies.protocol import Inputs, PolicyError, PolicySpec
from igrft.policies.tokens import Pretrained
from igrft.policies.vla import Prefix, TuningConfig, VlaPolicy, average
from igrft.policies.weights_source import locate, locate_tokenizer


@dataclass(frozen=True, kw_only=True)
class LerobotConfig:
    """A LeRobot checkpoint (``config/policies/smolvla.yaml``, ``pi05.yaml``)."""

    weights: str
    """folder of a LeRobot checkpoint (config.json, model.safetensors), or owner/name on the Hugging Face hub"""
    tokenizer: str
    """tokenizer.json of the language model, or a folder or hub name that has it"""
    backbone: str = ''
    """of smolvla: folder or hub name with the language model's configuration; '' takes the checkpoint's own entry"""
    flow_steps: int = 10
    tuning: TuningConfig = TuningConfig()

    def __post_init__(self) -> None:
        if self.flow_steps < 1:
            raise ValueError('flow_steps must be at least 1')
        if self.tuning.gradient_checkpointing:
            raise ValueError(
                "tuning.gradient_checkpointing: LeRobot's models cannot compute their expert again beside a cache; "
                'set it false and take a smaller batch'
            )


class LerobotPolicy(VlaPolicy):
    """See the module; a family says what its model differs in."""

    kind: ClassVar[str]
    """the `type` of LeRobot's config.json"""
    text_tokens: ClassVar[int]

    def __init__(
        self,
        spec: PolicySpec,
        config: LerobotConfig,
        architecture: Mapping[str, Any] | None = None,
        tokenizer: Pretrained | None = None,
    ) -> None:
        """Build the model with the weights that the configuration names.

        Args:
            spec: what it is made for.
            config: its settings.
            architecture: LeRobot's config.json, of a checkpoint whose weights come later.
            tokenizer: of such a checkpoint.

        Raises:
            PolicyError: LeRobot is not installed; or weights that cannot be read, or do not fit the robot.
        """
        super().__init__()
        self.spec = spec
        self.config = config
        self.tuning = config.tuning
        self.flow_steps = config.flow_steps
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        policy_class = self.lerobot_class()
        folder = None
        if architecture is None:
            folder = locate(config.weights, 'model.weights')
            architecture = _read_json(folder / 'config.json')
        self.architecture = dict(architecture)
        found = self.architecture.get('type')
        if found != self.kind:
            raise PolicyError(f"{self.name}: config.json: type is {found!r}, expected '{self.kind}'")
        own = own_config(self.architecture)
        own.chunk_size = own.n_action_steps = spec.horizon
        own.device, own.compile_model, own.train_expert_only = 'cpu', False, False
        self.adjust(own)
        try:
            policy = policy_class(own)
        except (OSError, ValueError, ImportError) as error:
            raise PolicyError(f'{self.name}: the model cannot be built: {error}') from error
        if folder is not None:
            tokenizer = Pretrained.read(locate_tokenizer(config.tokenizer))
            self._fill(policy, folder / 'model.safetensors')
        assert tokenizer is not None
        self.tokenizer = tokenizer
        self.model: Any = policy.model
        self.own = own
        self.check_widths(own.max_state_dim, own.max_action_dim)
        if spec.image_size != self.image_side():
            raise PolicyError(
                f'{self.name}: the weights take images of {self.image_side()} px, spec.image_size is {spec.image_size}'
            )
        self.feature_dim = self.trunk_width()
        self.model.requires_grad_(True)
        self.tune(self.model)

    @classmethod
    def lerobot_class(cls) -> Any:
        """LeRobot's policy class.

        Raises:
            PolicyError: it is not installed.
        """
        try:
            return cls._import()
        except ImportError as error:
            raise PolicyError(
                f"policy '{cls.name}' needs LeRobot: pip install './src/igrft[lerobot]' "
                f'with Python 3.12 or newer ({error})'
            ) from error

    @classmethod
    @abstractmethod
    def _import(cls) -> Any:
        """LeRobot's policy class; ImportError where it is not there."""

    @abstractmethod
    def adjust(self, own: Any) -> None:
        """Change LeRobot's configuration before the model is built."""

    @abstractmethod
    def image_side(self) -> int:
        """[px] that the model takes."""

    @abstractmethod
    def trunk_width(self) -> int:
        """Width of the trunk's hidden state."""

    @abstractmethod
    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """The prompt's ids and which are real: [B, T]."""

    @abstractmethod
    def prefill(self, embedded: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Any]:
        """Run the trunk: its last hidden state [B, T, F] and its cache.

        Args:
            embedded: the prefix, [B, T, F].
            mask: [B, T, T] bool, what attends to what.
            positions: [B, T].
        """

    def embed(self, images: list[Tensor], masks: list[Tensor], ids: Tensor, real: Tensor, state: Tensor) -> Any:
        """The prefix, which of its tokens are real, and its blocks of attention."""
        return self.model.embed_prefix(images, masks, ids, real)

    def fixed_keys(self, policy: Any, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint's weights by the names of the present LeRobot."""
        return weights

    def _fill(self, policy: Any, path: Path) -> None:
        try:
            weights = self.fixed_keys(policy, load_file(path))
            missing = policy.load_state_dict(weights, strict=False).missing_keys
        except (OSError, RuntimeError, ValueError) as error:
            raise PolicyError(f'{path}: not readable: {error}') from error
        tied = {name for name in missing if name.endswith(('lm_head.weight', 'embed_tokens.weight'))}
        absent = sorted(set(missing) - (tied if len(tied) == 1 else set()))
        if absent:
            raise PolicyError(f'{path}: {len(absent)} weights are missing, first {absent[0]}')

    def config_dict(self) -> dict[str, Any]:
        own = {'architecture': self.architecture, 'tokenizer_bytes': self.tokenizer.size}
        return {**as_dict(self.config), **own}

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> LerobotPolicy:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        own = dict(settings)
        architecture, size = own.pop('architecture', {}), int(own.pop('tokenizer_bytes', 0))
        return cls(spec, parse(own, LerobotConfig, cls.name), architecture, Pretrained(size))

    @classmethod
    def outline(cls, spec: PolicySpec, config: LerobotConfig) -> LerobotPolicy:
        raise PolicyError(f"the size of '{cls.name}' is in its weights; docs/policies.md works π0.5 and SmolVLA out")

    @property
    def flow_dim(self) -> int:
        return int(self.own.max_action_dim)

    def read(self, inputs: Inputs) -> Prefix:
        from lerobot.policies.common.vla_utils import make_att_2d_masks

        images = [self.images(inputs)[name].movedim(-1, 1).float().div(127.5).sub(1.0) for name in self.spec.cameras]
        seen = [torch.ones(len(inputs), dtype=torch.bool, device=self.device) for _ in images]
        ids, real = self.tokens(inputs)
        state = self.padded_state(inputs.proprio, self.own.max_state_dim)
        embedded, mask, blocks = self.embed(images, seen, ids.to(self.device), real.to(self.device), state)
        hidden, cache = self.prefill(embedded, make_att_2d_masks(mask, blocks), mask.cumsum(1) - 1)
        return Prefix(cache, mask, average(hidden, mask), state)

    def velocity(self, noisy: Tensor, tau: Tensor, context: Prefix) -> Tensor:
        from igrft.policies.prefix_cache import ReadOnly

        with self.computing():
            found = self.model.denoise_step(context.mask, ReadOnly(context.cache), noisy, 1.0 - tau)
        velocity: Tensor = -found.float()
        return velocity


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise PolicyError(f'{path}: not readable: {error}') from error
    return found


def own_config(architecture: Mapping[str, Any]) -> Any:
    """LeRobot's configuration object from the content of its config.json."""
    from lerobot.configs import PreTrainedConfig

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'config.json').write_text(json.dumps(architecture), encoding='utf-8')
        return PreTrainedConfig.from_pretrained(folder)
