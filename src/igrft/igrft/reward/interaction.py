# SPDX-License-Identifier: Apache-2.0
"""The interaction signal I_t: what moves in the global camera and is not the robot.

Robot mask M_t, optical flow F_t between consecutive frames, robot pixels excluded; the step is an
interaction step when more than Θ_pixel pixels have ‖F_t(u, v)‖² > δ_flow. Around the paper's rule lie a
dilated mask, hysteresis and a minimum duration (a proxy flickers), and thresholds given at one reference size
and rate, so that they hold for any camera.

Robot pixels are excluded before the flow is computed, not only after it: they keep their old values in the new
frame, so that the arm has no flow that could bleed over its edge into the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from igrft.perception.flow import make_flow
from igrft.types import UInt8


@dataclass(frozen=True, kw_only=True)
class InteractionConfig:
    """Thresholds at the reference size and rate; see :class:`InteractionDetector`."""

    delta_flow: float = 0.05
    """[px²] squared flow per frame above which a pixel moves"""
    theta_pixel: float = 6.0
    """[px] moving pixels above which the step is an interaction step"""
    release_ratio: float = 0.5
    """[-] the signal ends below ``release_ratio * theta_pixel``"""
    min_duration: float = 0.2
    """[s] the signal stays on at least so long"""
    mask_dilation: float = 2.0
    """[px] by which the robot mask grows"""
    max_gap: float = 0.5
    """[s] between two frames beyond which they are not compared (another episode, a stalled camera)"""
    reference_width: int = 128
    """[px] image width that the pixel values above are given for"""
    reference_rate: float = 10.0
    """[Hz] frame rate that the flow values above are given for"""
    flow: str = 'dis'
    """optical flow: dis, or raft (optional extra) with its file of weights"""
    flow_weights: str = ''

    def __post_init__(self) -> None:
        for name in ('delta_flow', 'theta_pixel', 'max_gap', 'reference_width', 'reference_rate'):
            if getattr(self, name) <= 0:
                raise ValueError(f'{name} must be positive')
        if not 0 < self.release_ratio <= 1:
            raise ValueError('release_ratio must lie in (0, 1]')
        if self.min_duration < 0 or self.mask_dilation < 0:
            raise ValueError('min_duration and mask_dilation must not be negative')


@dataclass(frozen=True, slots=True)
class InteractionSample:
    """The signal at one frame.

    Attributes:
        stamp: of the frame [s].
        interacting: I_t.
        moving_pixels: pixels outside the robot mask with ‖F‖² > δ_flow.
        mean_flow: mean ‖F‖ over those pixels [px/frame], 0 where there are none.
    """

    stamp: float
    interacting: bool
    moving_pixels: int
    mean_flow: float


def moving_pixels(flow: npt.NDArray[np.float32], robot: npt.NDArray[np.bool_], delta_flow: float) -> tuple[int, float]:
    """Count of the pixels outside ``robot`` with ‖F‖² > ``delta_flow``, and their mean ‖F‖.

    Args:
        flow: [H, W, 2] px/frame.
        robot: [H, W] True where the robot is.
        delta_flow: [px²].
    """
    squared = np.einsum('hwc,hwc->hw', flow, flow)
    moving = (squared > delta_flow) & ~robot
    count = int(np.count_nonzero(moving))
    return count, float(np.sqrt(squared[moving]).mean()) if count else 0.0


class InteractionDetector:
    """I_t over the frames of one episode, in order; the same code online and on a bag."""

    def __init__(self, config: InteractionConfig | None = None) -> None:
        self.config = config or InteractionConfig()
        self._flow = make_flow(self.config.flow, self.config.flow_weights)
        self.reset()

    def reset(self) -> None:
        """Forget the last frame: a new episode begins."""
        self._gray: UInt8 | None = None
        self._robot: npt.NDArray[np.bool_] | None = None
        self._last: InteractionSample | None = None
        self._on_since = float('-inf')

    @property
    def stamp(self) -> float | None:
        """Stamp of the last frame [s], None before the first."""
        return None if self._last is None else self._last.stamp

    def update(self, frame: UInt8, mask: UInt8 | None, stamp: float) -> InteractionSample:
        """Take the next frame.

        A frame with the stamp of the last one (or an older one) changes nothing and gives the last sample.

        Args:
            frame: [H, W, 3] RGB uint8 of the global camera.
            mask: [H, W] uint8, non-zero where the robot is; None where the robot is never in view.
            stamp: acquisition time [s].

        Raises:
            ValueError: frame and mask differ in size, or the size changed within an episode.
        """
        if self._last is not None and stamp <= self._last.stamp:
            return self._last
        if self._last is not None and stamp - self._last.stamp > self.config.max_gap:
            self.reset()
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        robot = self._dilated(mask, gray.shape)
        count, mean, on = 0, 0.0, False
        if self._gray is not None and self._robot is not None and self._last is not None:
            if self._gray.shape != gray.shape:
                raise ValueError(f'frame of {gray.shape} after frames of {self._gray.shape}')
            count, mean, on = self._measure(gray, robot, stamp)
        self._gray, self._robot = gray, robot
        self._last = InteractionSample(stamp, on, count, mean)
        return self._last

    def _measure(self, gray: UInt8, robot: npt.NDArray[np.bool_], stamp: float) -> tuple[int, float, bool]:
        assert self._gray is not None and self._robot is not None and self._last is not None
        config = self.config
        height, width = gray.shape
        # Where the robot was uncovers background, which moves as little as the robot's new place.
        excluded = robot | self._robot
        flow = self._flow.calc(self._gray, np.where(excluded, self._gray, gray))
        # A flow of one reference pixel per reference frame, in this camera's pixels and frames.
        unit = (width / config.reference_width) * (stamp - self._last.stamp) * config.reference_rate
        count, mean = moving_pixels(flow, excluded, config.delta_flow * unit**2)
        share = count * config.reference_width**2 / (height * width)
        on = self._switch(share, stamp)
        return count, mean, on

    def _switch(self, count: float, stamp: float) -> bool:
        """Hysteresis and minimum duration over the count in reference pixels."""
        assert self._last is not None
        if count > self.config.theta_pixel:
            if not self._last.interacting:
                self._on_since = stamp
            return True
        if not self._last.interacting:
            return False
        held = stamp - self._on_since < self.config.min_duration - 1e-6
        return held or count > self.config.release_ratio * self.config.theta_pixel

    def _dilated(self, mask: UInt8 | None, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        if mask is None:
            return np.zeros(shape, np.bool_)
        if mask.shape != shape:
            raise ValueError(f'robot mask of {mask.shape} for a frame of {shape}')
        radius = round(self.config.mask_dilation * shape[1] / self.config.reference_width)
        if radius:
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            mask = np.asarray(cv2.dilate(mask, kernel), np.uint8)
        return mask > 0
