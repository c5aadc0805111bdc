"""Statistics as small pure functions: NumPy arrays in, numbers out, NaN where there is too little to tell."""

from collections.abc import Callable

import numpy as np
from scipy import optimize, special, stats

RARE = 0.001  # a chance below which a check fails; four such fail one honest island in 250
_NEWTON_STEPS = 50


# Two classes told apart.


def poisson_range(mean: float) -> tuple[float, float]:
    """Return by how much a Poisson number may be less and more than its mean, without being RARE."""
    low, high = stats.poisson.interval(1 - RARE, mean)
    return float(low) - mean, float(high) - mean


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, a tie counting half."""
    return auc_within(score, positive, np.zeros(len(score), np.int64))


def auc_within(score: np.ndarray, positive: np.ndarray, group: np.ndarray) -> float:
    """Return how often a positive scores above a negative of its own group, over all such pairs, a tie counting half.

    All of shape (rows,): ``score`` any numbers, ``positive`` bool, ``group`` integers. NaN where a score is: what could
    not be learned must not be scored by the order of the rows.
    """
    if not len(score) or np.isnan(score).any():
        return np.nan
    order = np.lexsort((score, group))
    score, positive, group = score[order], np.asarray(positive, bool)[order], group[order]
    new_group = np.concatenate([[True], group[1:] != group[:-1]])
    new_score = new_group | np.concatenate([[True], score[1:] != score[:-1]])
    tie, block = np.cumsum(new_score) - 1, np.cumsum(new_group) - 1
    # Of each row: the negatives of its group that score less, and half of those that score the same.
    negatives_before = np.cumsum(~positive) - ~positive
    first_of_tie, first_of_group = np.flatnonzero(new_score), np.flatnonzero(new_group)
    tied = np.bincount(tie, ~positive)
    beaten = negatives_before[first_of_tie][tie] - negatives_before[first_of_group][block] + tied[tie] / 2
    pairs = np.bincount(block, positive) * np.bincount(block, ~positive)
    return float(beaten[positive].sum() / pairs.sum()) if pairs.any() else np.nan


def logistic(features: np.ndarray, positive: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Fit a logistic regression; return intercept and weights, shape (1 + k,), for features as they are given.

    ``features``: (rows, k). The penalty ``ridge * |weights|^2 / 2`` is on weights of standardised features, so that
    classes which can be told apart without error have finite weights. NaN without both classes.
    """
    positive = np.asarray(positive, float)
    if positive.all() or not positive.any():
        return np.full(features.shape[1] + 1, np.nan)
    mean, sd = features.mean(axis=0), features.std(axis=0)
    sd = np.where(sd > 0, sd, 1)
    design = np.column_stack([np.ones(len(features)), (features - mean) / sd])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0
    weights = np.zeros(design.shape[1])
    weights[0] = special.logit(positive.mean())

    def cost(weights: np.ndarray) -> float:
        score = design @ weights
        return float((np.logaddexp(0, score) - positive * score).sum() + (penalty * weights**2).sum() / 2)

    def slope(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chance = special.expit(design @ weights)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        return design.T @ (chance - positive) + penalty * weights, curvature

    weights = _least(cost, slope, weights)
    slopes = weights[1:] / sd
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def _least(
    cost: Callable[[np.ndarray], float],
    slope: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    weights: np.ndarray,
) -> np.ndarray:
    """Return where a convex ``cost`` is least: Newton's method, with steps halved until they lead down.

    ``slope`` returns gradient and curvature.
    """
    now = cost(weights)
    for _ in range(_NEWTON_STEPS):
        gradient, curvature = slope(weights)
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        while np.abs(step).max() > 1e-9 and not cost(weights - step) < now:
            step /= 2
        if np.abs(step).max() <= 1e-9:
            break
        weights = weights - step
        now = cost(weights)
    return weights


def linear(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the scores, shape (rows,), that the weights of ``logistic`` give to features of shape (rows, k)."""
    return np.asarray(weights[0] + features @ weights[1:])


def word_odds(in_positive: np.ndarray, in_negative: np.ndarray) -> np.ndarray:
    """Return each word's weight in a multinomial naive Bayes classifier, given how often it occurs in each class.

    The logarithm of the ratio of its shares, with one occurrence added to each (Laplace). Shape (words,).
    """
    positive, negative = in_positive + 1.0, in_negative + 1.0
    return np.asarray(np.log(positive / positive.sum()) - np.log(negative / negative.sum()))


# Distributions.


def gamma_shape(amounts: np.ndarray) -> float:
    """Return the maximum-likelihood shape of a gamma distribution of positive ``amounts``."""
    amounts = amounts[amounts > 0].astype(float)
    if len(amounts) < 10:
        return np.nan
    gap = np.log(amounts.mean()) - np.log(amounts).mean()
    if gap <= 0:
        return np.nan
    # The likelihood equation is log k - digamma(k) = gap, whose left side falls from infinity to 0.
    return float(np.exp(optimize.brentq(lambda x: x - special.digamma(np.exp(x)) - gap, -20, 20)))


def power_law(sizes: np.ndarray, low: float, high: float) -> tuple[float, np.ndarray]:
    """Fit p(x) ~ x^-a to the sizes within ``low`` to ``high``; return a and the log density of each such size.

    Maximum likelihood with truncation at both ends: log(x / low) is a truncated exponential.
    """
    sizes = sizes[(sizes >= low) & (sizes <= high)].astype(float)
    if len(sizes) < 10:
        return np.nan, np.full(len(sizes), np.nan)
    u, length = np.log(sizes / low), np.log(high / low)

    def normaliser(rate: float) -> float:  # log of the integral of exp(-rate u) over 0 to length
        if abs(rate) * length < 1e-9:
            return float(np.log(length))
        return float(np.log(np.expm1(-rate * length) / -rate))

    mean = float(u.mean())
    best = optimize.minimize_scalar(lambda r: r * mean + normaliser(r), bounds=(-10, 20), options={"xatol": 1e-9})
    rate = float(best.x)
    return rate + 1, -rate * u - normaliser(rate) - np.log(sizes)


def lognormal(sizes: np.ndarray, low: float, high: float) -> tuple[float, float, np.ndarray]:
    """Fit a lognormal to the sizes within ``low`` to ``high``; return mu, sigma, and the log density of each such size.

    Maximum likelihood with truncation at both ends.
    """
    sizes = sizes[(sizes >= low) & (sizes <= high)].astype(float)
    if len(sizes) < 10:
        return np.nan, np.nan, np.full(len(sizes), np.nan)
    u = np.log(sizes)
    bottom, top = np.log(low), np.log(high)
    mean, square = float(u.mean()), float((u**2).mean())

    def constant(mu: float, sigma: float) -> float:  # minus the log density of u, without the quadratic term
        a, b = sorted((abs(bottom - mu) / sigma, abs(top - mu) / sigma))
        inside = bottom <= mu <= top
        # Log of the normal probability between the bounds, from the tail in which it does not cancel.
        mass = (
            np.log1p(-special.ndtr(-a) - special.ndtr(-b))
            if inside
            else special.log_ndtr(-a) + np.log1p(-np.exp(special.log_ndtr(-b) - special.log_ndtr(-a)))
        )
        return float(np.log(sigma) + np.log(2 * np.pi) / 2 + mass)

    def cost(parameters: np.ndarray) -> float:
        mu, sigma = float(parameters[0]), float(np.exp(parameters[1]))
        # Beyond lies the power law, as a limit; sizes that are all alike have no spread.
        if not (mean - 300 < mu < mean + 300 and 1e-6 < sigma < 100):
            return np.inf
        return constant(mu, sigma) + (square - 2 * mean * mu + mu * mu) / (2 * sigma**2)

    start = np.array([mean, np.log(max(float(u.std()), 1e-3))])
    best = optimize.minimize(cost, start, method="Nelder-Mead", options={"maxiter": 2000, "fatol": 1e-10})
    mu, sigma = float(best.x[0]), float(np.exp(best.x[1]))
    return mu, sigma, -constant(mu, sigma) - (u - mu) ** 2 / (2 * sigma**2) - u


def likelihood_ratio(one: np.ndarray, other: np.ndarray) -> float:
    """Return Vuong's normalised log-likelihood ratio of two fits, positive where ``one`` fits better.

    ``one``, ``other``: log density of each observation. Beyond +-2 one of the two fits better beyond chance.
    """
    difference = one - other
    if len(difference) < 10 or not difference.std() > 0:
        return np.nan
    return float(difference.mean() / difference.std() * np.sqrt(len(difference)))


def pooled_p(observed: np.ndarray, expected: np.ndarray, variance: np.ndarray, least: float = 5.0) -> float:
    """Return the chance of a chi-square as large, of counts against what is expected of them.

    All of shape (counts,). Counts of less variance than ``least`` are put together with those after them.
    """
    groups = np.empty(len(variance), np.int64)
    number, total = 0, 0.0
    for i, part in enumerate(variance):
        groups[i] = number
        total += part
        if total >= least:
            number, total = number + 1, 0.0
    groups = np.minimum(groups, max(number - 1, 0))  # what is left over goes to the last
    if not number:
        return np.nan
    gap, spread = np.bincount(groups, observed - expected), np.bincount(groups, variance)
    return float(stats.chi2.sf(float((gap**2 / spread).sum()), number))


def same_mean_p(one: np.ndarray, other: np.ndarray) -> float:
    """Return the chance of two means as far apart, of values whose spread is the same (Student's t)."""
    if min(len(one), len(other)) < 1 or len(one) + len(other) < 4:
        return np.nan
    freedom = len(one) + len(other) - 2
    pooled = (((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()) / freedom
    if not pooled > 0:
        return np.nan
    t = (one.mean() - other.mean()) / np.sqrt(pooled * (1 / len(one) + 1 / len(other)))
    return float(2 * stats.t.sf(abs(t), freedom))


# Series of days.


def harmonics(day_of_year: np.ndarray, number: int) -> np.ndarray:
    """Return a design of a constant and ``number`` harmonics of the year, shape (days, 1 + 2 * number)."""
    angle = 2 * np.pi * np.asarray(day_of_year, float)[:, None] * np.arange(1, number + 1) / 365.25
    return np.concatenate([np.ones((len(angle), 1)), np.cos(angle), np.sin(angle)], axis=1)


def off_season(values: np.ndarray, day_of_year: np.ndarray, number: int = 2) -> np.ndarray:
    """Return values of shape (days, ...) minus the harmonics of the year that fit them best."""
    design = harmonics(day_of_year, number)
    flat = values.reshape(len(values), -1).astype(float)
    fitted, *_ = np.linalg.lstsq(design, flat, rcond=None)
    return np.asarray((flat - design @ fitted).reshape(values.shape))


def lag_correlation(series: np.ndarray, used: np.ndarray) -> float:
    """Return the correlation of a series with its next day, over pairs of days that are both ``used``."""
    pairs = used[:-1] & used[1:]
    return correlation(series[:-1][pairs], series[1:][pairs])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two series; NaN where one is constant or there are fewer than three values."""
    if len(one) < 3 or not one.std() > 0 or not other.std() > 0:
        return np.nan
    return float(np.corrcoef(one, other)[0, 1])


def runs(flags: np.ndarray) -> np.ndarray:
    """Return the length of each run of true values, in order."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.asarray(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1))


def seasonal_rate(counts: np.ndarray, day_of_year: np.ndarray, number: int = 3) -> np.ndarray:
    """Return the rate of each day, from a Poisson regression of daily counts on harmonics of the year.

    The year's cycle alone, the same each year. Newton's method; shape (days,).
    """
    if not counts.any():
        return np.zeros(len(counts))
    design = harmonics(day_of_year, number)
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(counts.mean())
    penalty = np.full(len(weights), 1e-3)  # slight: it keeps months without any event finite
    penalty[0] = 0

    def cost(weights: np.ndarray) -> float:
        score = np.minimum(design @ weights, 50)  # of a step too far, which is taken back
        return float((np.exp(score) - counts * score).sum() + (penalty * weights**2).sum() / 2)

    def slope(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rate = np.exp(design @ weights)
        return design.T @ (rate - counts) + penalty * weights, (design * rate[:, None]).T @ design + np.diag(penalty)

    return np.asarray(np.exp(design @ _least(cost, slope, weights)))


def dispersion(counts: np.ndarray, rate: np.ndarray) -> float:
    """Return the variance of counts about their rates over their mean: 1 where they are Poisson."""
    return float(((counts - rate) ** 2).sum() / rate.sum()) if rate.sum() > 0 else np.nan


def half_life(excess: np.ndarray) -> float:
    """Return after how many days a series has fallen to half of its first value, days between interpolated.

    NaN if the first value is not positive or the series never falls to half of it.
    """
    if not len(excess) or not excess[0] > 0:
        return np.nan
    half = excess[0] / 2
    below = np.flatnonzero(excess <= half)
    if not len(below):
        return np.nan
    day = int(below[0])
    before, after = float(excess[day - 1]), float(excess[day])
    if after > 0:  # a decay is a straight line in logarithms
        return day - 1 + float(np.log(before / half) / np.log(before / after))
    return day - 1 + float((before - half) / (before - after))


# Maps.


def morans_i(values: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Return Moran's I of values of shape (..., places), each neighbour having the same weight.

    ``neighbours``: (places, k), the places of a place's neighbours, -1 for none. NaN where values are constant.
    """
    z = values - values.mean(axis=-1, keepdims=True)
    lagged = np.zeros_like(z)
    for column in neighbours.T:
        lagged += np.where(column >= 0, z[..., column], 0)
    links, square = np.count_nonzero(neighbours >= 0), (z**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((z * lagged).sum(axis=-1) / square * values.shape[-1] / np.float64(links))


def among(neighbours: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the neighbours that some places, ascending, have among themselves, renumbered by their order."""
    number = np.full(len(neighbours) + 1, -1, np.int64)  # the last stands for no neighbour
    number[places] = np.arange(len(places))
    return np.asarray(number[neighbours[places]])


# Texts, as numbers of words in a row with the number of the text that each belongs to.


def distinct(words: np.ndarray, text: np.ndarray, n: int) -> float:
    """Return the share of different ones among all runs of ``n`` words within a text (Li et al. 2016)."""
    if len(words) < n:
        return np.nan
    vocabulary = int(words.max()) + 1
    grams = words[: len(words) - n + 1].astype(np.int64)
    for i in range(1, n):
        _, grams = np.unique(grams, return_inverse=True)
        grams = grams * vocabulary + words[i : len(words) - n + 1 + i]
    grams = grams[text[: len(grams)] == text[n - 1 :]]
    return len(np.unique(grams)) / len(grams) if len(grams) else np.nan


def zipf_slope(words: np.ndarray, ranks: int = 1000) -> float:
    """Return the slope of log frequency on log rank over the most frequent words."""
    counts = np.sort(np.bincount(words))[::-1]
    counts = counts[:ranks][counts[:ranks] > 0]
    if len(counts) < 10:
        return np.nan
    return float(np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0])


# Samples and bands.


def sampled(keys: np.ndarray, share: float) -> np.ndarray:
    """Return which keys are in a fixed sample of about ``share`` of all, by a hash of each key alone (SplitMix64)."""
    z = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)).astype(float) < share * 2.0**53)


def joint_band(samples: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest accepted value of each figure, so that ``share`` of the rows have all inside.

    ``samples``: (rows, figures), NaN where a row has no such figure. As many rows are cut off at both ends of every
    figure (the global rank envelope of Myllymaki et al. 2017); with few rows nothing is.
    """
    ordered = np.sort(samples, axis=0)  # NaN last
    known = np.count_nonzero(~np.isnan(samples), axis=0)
    low = high = np.full(samples.shape[1], np.nan)
    for cut in range((int(known.min()) + 1) // 2):
        columns = np.arange(samples.shape[1])
        least, most = ordered[cut], ordered[known - 1 - cut, columns]
        inside = ((samples >= least) & (samples <= most)) | np.isnan(samples)
        if cut and np.mean(inside.all(axis=1)) < share:
            break
        low, high = least, most
    return low, high
