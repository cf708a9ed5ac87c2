# SPDX-License-Identifier: Apache-2.0
"""Second looks: windows that follow things, headings carried from frame to frame, other tasks left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.policies.glimpse import GlimpseConfig, Glimpses, Lens, tool_headings
from igrft.policies.target_names import WAVE
from igrft.types import proprioception

AXES = ('x', 'y', 'z')
PIXELS = GlimpseConfig().pixels
THINGS = ('stack/red', 'stack/blue', 'pack/lid')
TARGETS = (
    *(f'{thing}.{frame}.{axis}' for thing in THINGS for frame in ('base', 'tool') for axis in AXES),
    *(f'{thing}.yaw.{part}' for thing in THINGS for part in ('cos', 'sin')),
    *(f'stack/red-blue.base.{axis}' for axis in AXES),
)
# From above: x of the frame is up in the image, y is right, at a distance of 1 m a tenth of a metre is a fifth of it.
ABOVE = Lens('base', torch.tensor([[0.0, 2.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 1.0]]))


@pytest.fixture
def looks() -> Glimpses:
    torch.manual_seed(0)
    return Glimpses(TARGETS, {'front': ABOVE}, 17).eval()


def predictions(**places: tuple[float, float, float]) -> torch.Tensor:
    found = torch.zeros(1, len(TARGETS))
    for thing, place in places.items():
        for axis, value in zip(AXES, place, strict=True):
            found[0, TARGETS.index(f'stack/{thing}.base.{axis}')] = value
    return found


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(0.0, 0.5))
def test_a_window_is_centred_on_the_thing(x: float, y: float, z: float) -> None:
    looks = Glimpses(TARGETS, {'front': ABOVE}, 17)
    side = 64
    column, row = ((1 + place) * side / 2 - 0.5 for place in (2 * y / (1 - z), -2 * x / (1 - z)))
    # brightness falls off around the thing
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing='ij')
    image = (-((rows - row) ** 2 + (columns - column) ** 2)).float().expand(1, 3, side, side)
    places = looks.positions(predictions(red=(x, y, z)))[:, 0, :1]
    seen = looks.windows(image, 0, places)
    assert seen.shape == (1, 3, PIXELS, PIXELS)
    inside = all(side * 0.25 < where < side * 0.75 for where in (row, column))
    if inside:
        brightest = divmod(int(seen[0, 0].argmax()), PIXELS)
        assert all(abs(where - (PIXELS - 1) / 2) <= 2 for where in brightest)


def test_a_window_spans_the_same_length_at_any_distance(looks: Glimpses) -> None:
    """A square of 5 cm fills the same share of it, near and far."""
    side, shares = 400, []
    for z in (0.0, 0.5):
        half = 0.025 * 2 / (1 - z) * side / 2
        image = torch.zeros(1, 3, side, side)
        low, high = round(side / 2 - half), round(side / 2 + half)
        image[:, :, low:high, low:high] = 1
        places = looks.positions(predictions(red=(0.0, 0.0, z)))[:, 0, :1]
        shares.append(float(looks.windows(image, 0, places).mean()))
    assert shares[0] == pytest.approx(shares[1], rel=0.05)
    assert shares[0] == pytest.approx(0.25, rel=0.15)


@given(st.floats(-3, 3))
def test_the_heading_of_a_tool_is_read_from_proprioception(yaw: float) -> None:
    down = np.array([0.0, np.cos(yaw / 2), np.sin(yaw / 2), 0.0])
    state = torch.from_numpy(proprioception(np.zeros(7), 0.5, np.zeros(3), down))[None]
    assert float(tool_headings(state, 1)) == pytest.approx(yaw, abs=1e-4)


@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([1, 2, 4]))
def test_a_heading_said_in_base_link_is_carried_into_the_tools_frame(thing: float, tool: float, folds: int) -> None:
    looks = Glimpses(TARGETS, {'front': ABOVE}, 17)
    looks.folds.fill_(folds)
    with torch.no_grad():
        looks.heading.weight.zero_()
        looks.heading.bias.copy_(torch.tensor([np.cos(folds * thing), np.sin(folds * thing)]))
        said = looks.headings(torch.zeros(1, 1, 128), [0], torch.tensor([[tool]]))[0, 0]
    # as the targets of pretraining say it: the tool points down, so its frame turns the other way round
    frame = np.array([[np.cos(tool), np.sin(tool)], [np.sin(tool), -np.cos(tool)]])
    level = frame.T @ [np.cos(thing), np.sin(thing)]
    angle = folds * np.arctan2(level[1], level[0])
    cos, sin = looks.yaws[0]
    assert said[cos].item() == pytest.approx(np.cos(angle), abs=1e-4)
    assert said[sin].item() == pytest.approx(np.sin(angle), abs=1e-4)


def test_another_tasks_predictions_are_left_alone(looks: Glimpses) -> None:
    found = torch.randn(2, len(TARGETS))
    images = {'front': torch.randint(0, 256, (2, 32, 32, 3)).byte()}
    state, tools = torch.randn(2, 17), torch.zeros(2, 1)
    with torch.no_grad():
        only, every = looks(images, found, state, tools, 'stack'), looks(images, found, state, tools)
    own = torch.tensor([name.startswith('stack/') for name in TARGETS])
    torch.testing.assert_close(only[:, own], every[:, own])
    assert torch.equal(only[:, ~own], found[:, ~own])
    assert bool((only[:, own] != found[:, own]).all())


def test_the_image_at_a_thing_matters_and_reaches_its_pair(looks: Glimpses) -> None:
    found = predictions(red=(0.1, 0.1, 0.0), blue=(-0.15, -0.15, 0.0))
    image = torch.zeros(1, 64, 64, 3).byte()
    other = image.clone()
    other[0, 22:30, 34:42] = 255  # where the red one is
    with torch.no_grad():
        first, second = (looks({'front': i}, found, torch.zeros(1, 17), torch.zeros(1, 1)) for i in (image, other))
    changed = {name for name, a, b in zip(TARGETS, first[0], second[0], strict=True) if a != b}
    assert {'stack/red.base.x', 'stack/red-blue.base.x'} <= changed
    assert 'stack/blue.base.x' not in changed


@given(st.floats(-0.3, 0.3), st.floats(0.5, 2.0))
def test_the_waves_of_a_place_in_a_fixture_are_calculated_from_it(place: float, scale: float) -> None:
    names = [f'shelve/{what}.x' for what in ('can.base', 'rack.base', 'can-rack.in', 'can-rack.cos', 'can-rack.sin')]
    looks = Glimpses(names, {'front': ABOVE}, 17)
    looks.scale.fill_(scale)
    looks.mean.fill_(0.1)
    # nothing is corrected: only what follows from the place changes
    for layer in (looks.correct, looks.compare[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    first = torch.randn(1, 5)
    first[0, 2] = (place - 0.1) / scale
    with torch.no_grad():
        found = looks({'front': torch.zeros(1, 16, 16, 3)}, first, torch.zeros(1, 17), torch.zeros(1, 1))
    assert torch.equal(found[:, :3], first[:, :3])
    angle = 2 * np.pi * place / WAVE
    metres = found[0, 3:] * scale + 0.1
    assert metres.tolist() == pytest.approx([np.cos(angle), np.sin(angle)], abs=1e-4)


@pytest.mark.parametrize('wrong', [{'pixels': 20}, {'pixels': 0}, {'known': 1}])
def test_a_size_that_cannot_be_built_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GlimpseConfig(**wrong)
