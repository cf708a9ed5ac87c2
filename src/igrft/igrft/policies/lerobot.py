# SPDX-License-Identifier: Apache-2.0
"""``smolvla`` and ``pi05``: LeRobot's own model classes behind the protocol (extra `lerobot`, Python 3.12 or newer).

Both count time the other way round (t = 1 is noise, the velocity noise − action), so v(a, τ) = −model(a, 1 − τ).
π0.5 (Physical Intelligence 2025) reads the proprioception as words of its prompt, SmolVLA (Shukor et al. 2025) as one
token of its prefix.
"""

from __future__ import annotations

import json
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from igrft.config import as_dict, parse
from igrft.policies.normalisation import Normalisation
from igrft.policies.protocol import Inputs, PolicyError, PolicySpec
from igrft.policies.tokens import Pretrained
from igrft.policies.vla import Prefix, TuningConfig, VlaPolicy, average
from igrft.policies.weights_source import locate, locate_tokenizer

STATE_RANGE = 2.33
"""[standard deviations] that π0.5's 256 words of a proprioception component span: the 1st to the 99th percentile."""
STATE_WORDS = 256


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
    """What both families share."""

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
        own = _lerobot_config(self.architecture)
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


class Pi05(LerobotPolicy):
    """π0.5; see the module."""

    name = 'pi05'
    kind = 'pi05'
    text_tokens = 200

    @classmethod
    def _import(cls) -> Any:
        from lerobot.policies.pi05.modeling_pi05 import PI05Policy

        return PI05Policy

    def adjust(self, own: Any) -> None:
        # The precision is this package's business (tuning), for both families alike.
        own.dtype, own.freeze_vision_encoder, own.gradient_checkpointing = 'float32', False, False

    def image_side(self) -> int:
        return int(self.own.image_resolution[0])

    def trunk_width(self) -> int:
        return int(self._trunk.config.text_config.hidden_size)

    @property
    def _trunk(self) -> Any:
        return self.model.paligemma_with_expert.paligemma

    def trunk_modules(self) -> Iterable[nn.Module]:
        return (self._trunk,)

    def projection_modules(self) -> Iterable[nn.Module]:
        m = self.model
        return (m.action_in_proj, m.action_out_proj, m.time_mlp_in, m.time_mlp_out)

    def fixed_keys(self, policy: Any, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        bare = {name.removeprefix('model.'): tensor for name, tensor in weights.items()}
        fixed = policy._fix_pytorch_state_dict_keys(bare, policy.config)
        return {f'model.{name}': tensor for name, tensor in fixed.items()}

    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        share = (self.normalisation.proprio(inputs.proprio) / STATE_RANGE + 1) / 2
        words = (share * STATE_WORDS).floor().clamp(0, STATE_WORDS - 1).long().tolist()
        return self.tokenizer.rows(
            prompts(inputs.instructions, words), self.text_tokens, [self.tokenizer.token('<bos>')]
        )

    def prefill(self, embedded: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Any]:
        from lerobot.policies.common.vla_utils import prepare_attention_masks_4d

        self._trunk.model.language_model.config._attn_implementation = 'eager'
        (hidden, _), cache = self.model.paligemma_with_expert.forward(
            attention_mask=prepare_attention_masks_4d(mask),
            position_ids=positions,
            inputs_embeds=[embedded, None],
            use_cache=True,
        )
        return hidden, cache


class SmolVla(LerobotPolicy):
    """SmolVLA; see the module."""

    name = 'smolvla'
    kind = 'smolvla'
    text_tokens = 48

    @classmethod
    def _import(cls) -> Any:
        from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

        return SmolVLAPolicy

    def adjust(self, own: Any) -> None:
        own.load_vlm_weights, own.freeze_vision_encoder, own.use_cache = False, False, True
        own.vlm_model_name = self.config.backbone or own.vlm_model_name

    def image_side(self) -> int:
        return int(self.own.resize_imgs_with_padding[0])

    def trunk_width(self) -> int:
        return int(self._trunk.config.text_config.hidden_size)

    @property
    def _trunk(self) -> Any:
        return self.model.vlm_with_expert.vlm

    def trunk_modules(self) -> Iterable[nn.Module]:
        return (self._trunk,)

    def projection_modules(self) -> Iterable[nn.Module]:
        m = self.model
        return (m.state_proj, m.action_in_proj, m.action_out_proj, m.action_time_mlp_in, m.action_time_mlp_out)

    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return self.tokenizer.rows([f'{text.strip()}\n' for text in inputs.instructions], self.text_tokens)

    def embed(self, images: list[Tensor], masks: list[Tensor], ids: Tensor, real: Tensor, state: Tensor) -> Any:
        return self.model.embed_prefix(images, masks, ids, real, state=state)

    def prefill(self, embedded: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Any]:
        (hidden, _), cache = self.model.vlm_with_expert.forward(
            attention_mask=mask, position_ids=positions, inputs_embeds=[embedded, None], use_cache=True
        )
        return hidden, cache


def prompts(instructions: Sequence[str], words: Sequence[Sequence[int]]) -> list[str]:
    """π0.5's prompts: the task, and the proprioception as numbers from 0 to 255."""
    found = []
    for text, row in zip(instructions, words, strict=True):
        task = text.strip().replace('_', ' ').replace('\n', ' ')
        found.append(f'Task: {task}, State: {" ".join(map(str, row))};\nAction: ')
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise PolicyError(f'{path}: not readable: {error}') from error
    return found


def _lerobot_config(architecture: Mapping[str, Any]) -> Any:
    from lerobot.configs import PreTrainedConfig

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / 'config.json').write_text(json.dumps(architecture), encoding='utf-8')
        return PreTrainedConfig.from_pretrained(folder)
