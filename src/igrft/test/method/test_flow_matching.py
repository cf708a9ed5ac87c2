# SPDX-License-Identifier: Apache-2.0
"""Flow matching and the temperature of its noise."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.method.flow_matching import draw, initial_noise, integrate, interpolate, squared_error
from igrft.method.temperature import TemperatureConfig, temperature

shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 7))


@given(shapes, st.integers(1, 20), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_the_sampler_is_exact_on_the_straight_path(shape: tuple[int, int, int], steps: int, seed: int) -> None:
    """For a known target a the conditional field is (a − a_τ) / (1 − τ); Euler follows it exactly for any number of
    steps.
    """
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(shape, generator=generator)
    goal = torch.randn(shape, generator=generator)
    reached = integrate(lambda a, tau: (goal - a) / (1 - tau)[:, None, None], start, steps)
    torch.testing.assert_close(reached, goal, atol=1e-4, rtol=1e-4)


def test_the_sampler_converges_on_a_linear_field() -> None:
    """da/dτ = λ a has the solution a_0 exp(λ); Euler's error shrinks like 1 / steps."""
    start = torch.full((1, 1, 1), 2.0)
    exact = 2.0 * torch.tensor(-0.7).exp()
    errors = [float((integrate(lambda a, tau: -0.7 * a, start, n) - exact).abs()) for n in (10, 20, 40)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.1)


def test_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match='at least one'):
        integrate(lambda a, tau: a, torch.zeros(1, 1, 1), 0)


@given(shapes, st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_a_draw_lies_on_the_path_and_its_target_is_the_paths_velocity(shape: tuple[int, int, int], seed: int) -> None:
    actions = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
    sample = draw(actions, torch.Generator().manual_seed(seed))
    noise = actions - sample.target
    torch.testing.assert_close(sample.noisy, interpolate(noise, actions, sample.tau))
    assert float(squared_error(sample.target, sample.target).sum()) == 0
    later = interpolate(noise, actions, sample.tau + 0.25)
    torch.testing.assert_close((later - sample.noisy) / 0.25, sample.target, atol=1e-4, rtol=1e-3)


def test_the_ends_of_the_path_are_noise_and_action() -> None:
    noise, actions = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert torch.equal(interpolate(noise, actions, torch.zeros(2)), noise)
    assert torch.equal(interpolate(noise, actions, torch.ones(2)), actions)


def test_noise_of_an_element_does_not_depend_on_the_batch() -> None:
    def generators(seeds: list[int]) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    both = initial_noise((2, 3, 4), torch.tensor([0.5, 2.0]), generators([1, 2]))
    alone = initial_noise((1, 3, 4), 2.0, generators([2]))
    assert torch.equal(both[1:], alone)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0, 2), st.floats(0, 1), st.floats(0, 1))
def test_temperature_falls_with_interaction_within_its_bounds(
    p: list[float], base: float, alpha: float, least: float
) -> None:
    config = TemperatureConfig(sigma_base=base, alpha=alpha, sigma_min=least)
    values = temperature(torch.tensor(sorted(p), dtype=torch.float64), config)
    assert bool((values[1:] <= values[:-1] + 1e-12).all())
    assert float(values.min()) >= least - 1e-9
    assert float(values.max()) <= base + least + 1e-9


def test_without_a_critic_the_temperature_is_the_widest() -> None:
    config = TemperatureConfig(sigma_base=0.9, alpha=0.8, sigma_min=0.1)
    assert temperature(torch.tensor([float('nan')]), config).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize('bad', [{'alpha': 1.5}, {'sigma_base': -1.0}, {'sigma_min': -0.1}])
def test_temperature_constants_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        TemperatureConfig(**bad)
