import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from zakar.checks import statistics
from zakar.models.island.terrain import STEPS

SCORED = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2)), max_size=40)


def lattice(width: int, height: int) -> np.ndarray:
    """Return the neighbours of every cell of a grid, all of it land."""
    found = []
    for x, y in itertools.product(range(width), range(height)):
        at = [(x + dx, y + dy) for dx, dy in STEPS]
        found.append([i * height + j if 0 <= i < width and 0 <= j < height else -1 for i, j in at])
    return np.array(found)


def pareto(draw: np.random.Generator, exponent: float, low: float, high: float, number: int) -> np.ndarray:
    """Draw from a power law between two bounds."""
    rate = exponent - 1
    share = draw.random(number)
    return low * (1 - share * (1 - (high / low) ** -rate)) ** (-1 / rate)


@given(SCORED)
def test_the_auc_is_the_share_of_pairs_that_a_brute_force_counts(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, group = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.array([]),) * 3
    pairs = [
        (a[0] > b[0]) + (a[0] == b[0]) / 2
        for a, b in itertools.product(rows, rows)
        if a[1] and not b[1] and a[2] == b[2]
    ]
    found = statistics.auc_within(score, positive, group)
    assert found == pytest.approx(np.mean(pairs)) if pairs else np.isnan(found)


def test_scores_that_are_no_numbers_have_no_auc() -> None:
    assert np.isnan(statistics.auc(np.full(4, np.nan), np.array([True, True, False, False])))
    assert np.isnan(statistics.auc(np.array([1, np.nan]), np.array([True, False])))


def test_the_auc_of_all_rows_ignores_groups() -> None:
    assert statistics.auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])) == 0.75


def test_a_logistic_regression_finds_the_weights_behind_the_draws() -> None:
    draw = np.random.default_rng(1)
    features = draw.normal([5, -2], [2, 0.1], (20_000, 2))
    positive = draw.random(len(features)) < special.expit(-3 + 0.5 * features[:, 0] + 2 * (features[:, 1] + 2))
    weights = statistics.logistic(features, positive)
    assert weights == pytest.approx([1.0, 0.5, 2.0], abs=0.5)
    assert weights[1] == pytest.approx(0.5, abs=0.03)


def test_classes_that_a_line_parts_have_finite_weights_and_the_constant_feature_none() -> None:
    features = np.column_stack([np.arange(20.0), np.full(20, 7.0)])
    weights = statistics.logistic(features, np.arange(20) >= 10)
    assert np.isfinite(weights).all()
    assert weights[2] == 0
    assert statistics.auc(statistics.linear(features, weights), np.arange(20) >= 10) == 1


def test_a_rare_feature_that_speaks_for_a_class_has_a_positive_weight() -> None:
    draw = np.random.default_rng(13)
    positive = draw.random(20_000) < 0.03
    rare = np.log1p(draw.poisson(np.where(positive, 0.16, 0.008)) * draw.integers(1, 40, 20_000))
    weights = statistics.logistic(rare[:, None], positive)
    chance = special.expit(statistics.linear(rare[:, None], weights))
    assert weights[1] > 0.5
    assert chance.mean() == pytest.approx(positive.mean(), rel=1e-3)  # as the intercept's optimum demands


def test_one_class_alone_cannot_be_told_apart() -> None:
    assert np.isnan(statistics.logistic(np.ones((4, 1)), np.ones(4, bool))).all()
    assert np.isnan(statistics.auc(np.ones(4), np.ones(4, bool)))


def test_a_word_as_frequent_in_both_classes_weighs_nothing() -> None:
    odds = statistics.word_odds(np.array([9.0, 0.0, 5.0]), np.array([0.0, 9.0, 5.0]))
    assert odds == pytest.approx([np.log(10), -np.log(10), 0])


@pytest.mark.parametrize("shape", [0.3, 0.789, 2.5])
def test_the_shape_of_a_gamma_is_found_again(shape: float) -> None:
    amounts = np.random.default_rng(2).gamma(shape, 6.0, 20_000)
    assert statistics.gamma_shape(amounts) == pytest.approx(shape, rel=0.04)


@pytest.mark.parametrize("exponent", [0.8, 1.0001, 1.54, 1.99, 3.0])
def test_the_exponent_of_a_truncated_power_law_is_found_again(exponent: float) -> None:
    sizes = pareto(np.random.default_rng(3), exponent, 1, 5_000, 20_000)
    found, density = statistics.power_law(np.concatenate([sizes, [0.5, 6_000]]), 1, 5_000)
    assert found == pytest.approx(exponent, abs=0.03)
    assert len(density) == len(sizes)


@pytest.mark.parametrize("fit", ["power_law", "lognormal"])
def test_the_densities_that_are_fitted_integrate_to_one(fit: str) -> None:
    sizes = np.exp(np.linspace(0, np.log(2_000), 4_000))
    *_, density = getattr(statistics, fit)(sizes, 1, 2_000)
    assert np.trapezoid(np.exp(density), sizes) == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize(("mu", "sigma"), [(2.0, 1.5), (0.0, 2.0), (-3.0, 2.5), (6.0, 1.0)])
def test_the_parameters_of_a_truncated_lognormal_are_found_again(mu: float, sigma: float) -> None:
    draws = np.exp(np.random.default_rng(4).normal(mu, sigma, 200_000))
    found_mu, found_sigma, _ = statistics.lognormal(draws, 1, 1_000)
    assert found_mu == pytest.approx(mu, abs=0.35)
    assert found_sigma == pytest.approx(sigma, abs=0.15)


def test_the_likelihood_ratio_takes_the_side_of_the_law_that_was_drawn() -> None:
    draw = np.random.default_rng(5)
    for sizes, favours in ((np.exp(draw.normal(3, 0.7, 2_000)), -1), (pareto(draw, 1.7, 1, 5_000, 2_000), 0)):
        _, one = statistics.power_law(sizes, 1, 5_000)
        *_, other = statistics.lognormal(sizes, 1, 5_000)
        ratio = statistics.likelihood_ratio(one, other)
        assert ratio < -5 if favours else abs(ratio) < 2.5


def test_pooled_counts_that_are_drawn_as_expected_have_evenly_spread_p_values() -> None:
    draw = np.random.default_rng(6)
    trials, chance = np.tile([15, 400], 12), np.linspace(0.02, 0.5, 24)
    expected, variance = trials * chance, trials * chance * (1 - chance)
    p = [statistics.pooled_p(draw.binomial(trials, chance), expected, variance) for _ in range(1_000)]
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.06)
    assert np.mean(np.array(p) < 0.01) < 0.03
    assert statistics.pooled_p(expected + 3 * np.sqrt(variance), expected, variance) < 1e-6


def test_the_chance_of_two_means_is_that_of_students_t() -> None:
    # t = -2.4495 with 4 degrees of freedom
    assert statistics.same_mean_p(np.array([1.0, 2, 3]), np.array([3.0, 4, 5])) == pytest.approx(0.0705, abs=1e-4)


def test_a_season_is_taken_off_and_the_rest_stays() -> None:
    day = np.arange(1, 3_653.0) % 365.25
    rest = np.random.default_rng(7).normal(size=(len(day), 3))
    season = 10 * np.cos(2 * np.pi * (day - 215) / 365.25)[:, None]
    assert statistics.off_season(rest + season, day) == pytest.approx(statistics.off_season(rest, day), abs=1e-9)
    assert np.abs(statistics.off_season(rest + season, day) - rest).max() < 0.3


def test_the_lag_correlation_of_an_autoregression_is_its_coefficient_and_skips_days_not_used() -> None:
    draw = np.random.default_rng(8)
    series = np.zeros(20_000)
    for day in range(1, len(series)):
        series[day] = 0.62 * series[day - 1] + draw.normal()
    used = draw.random(len(series)) < 0.9
    broken = np.where(used, series, 1e6)
    assert statistics.lag_correlation(broken, used) == pytest.approx(0.62, abs=0.02)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_those_of_a_text_search(flags: list[bool]) -> None:
    text = "".join("x" if flag else " " for flag in flags)
    assert statistics.runs(np.array(flags, bool)).tolist() == [len(run) for run in text.split()]


def test_counts_drawn_from_a_season_are_not_dispersed_and_clustered_ones_are() -> None:
    draw = np.random.default_rng(9)
    day = np.arange(3_653) % 365.25
    rate = 0.1 + 0.8 * np.exp(-(((day - 215) / 40) ** 2))
    even, clustered = draw.poisson(rate), draw.poisson(rate * draw.gamma(0.4, 1 / 0.4, len(rate)))
    assert statistics.seasonal_rate(even, day) == pytest.approx(rate, abs=0.15)
    assert statistics.dispersion(even, statistics.seasonal_rate(even, day)) == pytest.approx(1, abs=0.1)
    assert statistics.dispersion(clustered, statistics.seasonal_rate(clustered, day)) > 1.5


@pytest.mark.parametrize("life", [0.4, 1.0, 1.7])
def test_the_half_life_of_an_exponential_is_found_between_days(life: float) -> None:
    assert statistics.half_life(7 * 0.5 ** (np.arange(9) / life)) == pytest.approx(life)


def test_a_series_that_drops_below_nothing_is_interpolated_straight_and_one_that_stays_has_no_half_life() -> None:
    assert statistics.half_life(np.array([8.0, -8.0])) == pytest.approx(0.25)
    assert np.isnan(statistics.half_life(np.array([8.0, 7.0])))
    assert np.isnan(statistics.half_life(np.array([-1.0, 0.0])))


def test_morans_i_is_one_on_a_slope_about_nothing_on_noise_and_negative_on_a_chessboard() -> None:
    x, y = np.divmod(np.arange(900), 30)
    noise = np.random.default_rng(10).normal(size=900)
    maps = np.stack([x + y, noise, (x % 2).astype(float)])
    slope, none, stripes = statistics.morans_i(maps, lattice(30, 30))
    assert slope > 0.9
    assert abs(none) < 0.06
    assert stripes < -0.2


@given(st.lists(st.floats(-5, 5), min_size=12, max_size=12).filter(lambda v: np.std(v) > 0.01))
def test_morans_i_is_the_double_sum_of_its_definition(values: list[float]) -> None:
    neighbours, z = lattice(3, 4), np.array(values) - np.mean(values)
    pairs = [(i, j) for i, row in enumerate(neighbours) for j in row if j >= 0]
    told = len(z) / len(pairs) * sum(z[i] * z[j] for i, j in pairs) / (z**2).sum()
    assert float(statistics.morans_i(np.array(values), neighbours)) == pytest.approx(told, abs=1e-9)


@given(st.sets(st.integers(0, 11)))
def test_neighbours_among_some_places_are_those_pairs_of_which_both_belong(chosen: set[int]) -> None:
    places, neighbours = np.array(sorted(chosen), np.int64), lattice(3, 4)
    found = statistics.among(neighbours, places)
    told = {(i, int(j)) for i in chosen for j in neighbours[i] if int(j) in chosen}
    assert {(int(places[i]), int(places[j])) for i, row in enumerate(found) for j in row if j >= 0} == told


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=8), st.integers(1, 3))
def test_distinct_n_is_that_of_a_set_of_tuples(texts: list[list[int]], n: int) -> None:
    words = np.array([word for text in texts for word in text], np.int64)
    text = np.array([number for number, text in enumerate(texts) for _ in text], np.int64)
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    found = statistics.distinct(words, text, n)
    assert found == pytest.approx(len(set(grams)) / len(grams)) if grams else np.isnan(found)


def test_the_slope_of_words_drawn_by_zipfs_law_is_its_exponent() -> None:
    words = np.repeat(np.arange(500), np.round(1e5 / np.arange(1, 501)).astype(int))
    assert statistics.zipf_slope(words) == pytest.approx(-1, abs=0.01)


def test_a_sample_has_its_share_and_a_key_is_in_it_whatever_the_others_are() -> None:
    keys = np.arange(200_000)
    chosen = statistics.sampled(keys, 0.03)
    assert chosen.mean() == pytest.approx(0.03, rel=0.1)
    assert statistics.sampled(keys[::-7], 0.03).tolist() == chosen[::-7].tolist()
    assert statistics.sampled(keys, 1).all()
    assert not statistics.sampled(keys, 0).any()


def test_the_joint_band_holds_its_share_of_the_rows_and_of_new_ones() -> None:
    draw = np.random.default_rng(11)
    samples, others = draw.normal(size=(2_000, 6)), draw.normal(size=(2_000, 6))
    low, high = statistics.joint_band(samples, 0.95)
    assert ((samples >= low) & (samples <= high)).all(axis=1).mean() == pytest.approx(0.95, abs=0.01)
    assert ((others >= low) & (others <= high)).all(axis=1).mean() == pytest.approx(0.95, abs=0.03)


def test_the_joint_band_of_few_rows_is_all_of_them_and_leaves_out_what_is_not_known() -> None:
    low, high = statistics.joint_band(np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 4.0]]), 0.95)
    assert low.tolist() == [1, 4]
    assert high.tolist() == [3, 5]


def test_sizes_that_are_all_alike_have_a_lognormal_without_spread() -> None:
    mu, sigma, _ = statistics.lognormal(np.full(20, 50.0), 1, 100)
    assert mu == pytest.approx(np.log(50), abs=1e-3)
    assert sigma < 0.01
