"""The shape of the island: elevation, coast, slope. Arrays of shape (width, height), x eastward, y northward."""

from dataclasses import dataclass

import numpy as np

from zakar.seeds import Seeds

_EIGHT = np.ones((3, 3), bool)  # land also holds together at its corners
_LOWEST_M = 3.0  # of land at the shore
_MEDIAN = 0.2  # half of the land is lower than this share of the summit's height
_SHORE_KM = 0.8  # how far inland cliffs are worn down
_SEA_BED = 0.25  # depth of the sea for the height of land as far above sea level in the potential


@dataclass(frozen=True)
class Relief:
    """``elevation_m``: metres, negative under the sea. ``land``: bool, one piece. Both of shape (width, height)."""

    elevation_m: np.ndarray
    land: np.ndarray


def raised(
    width: int, height: int, land_share: float, summit_m: float, hurst: float, noise: float, seeds: Seeds
) -> Relief:
    """Draw a relief of ``width`` x ``height`` km whose main island covers about ``land_share`` of it.

    A dome, stretched and turned at random, and ``noise`` times as much of a rough surface are cut off at a sea level;
    what is not connected with the summit, at ``summit_m``, is drowned, and hollows inside are turned into hills.
    """
    draw = seeds.stream("island/relief")
    potential = _dome(width, height, draw) + noise * _rough_surface(width, height, hurst, draw)
    sea_level, land = _coast(potential, land_share)
    rise = np.abs(potential - sea_level)
    depth = _LOWEST_M + _SEA_BED * summit_m * rise / rise[land].max()
    return Relief(np.where(land, _hills(rise, land, summit_m), -depth), land)


def _hills(rise: np.ndarray, land: np.ndarray, summit_m: float) -> np.ndarray:
    """Return ``rise`` as heights above the sea, low towards the shore, bent so that the median is as it should be."""
    share = rise * (1 - np.exp(-coast_km(land) / _SHORE_KM))
    share = share / share[land].max()
    bend = np.log(_MEDIAN) / np.log(np.clip(np.median(share[land]), 0.01, 0.99))
    hills: np.ndarray = _LOWEST_M + (summit_m - _LOWEST_M) * share ** np.clip(bend, 0.8, 2.2)
    return hills


def slope_and_aspect(relief: Relief) -> tuple[np.ndarray, np.ndarray]:
    """Return the steepness of the surface of 1 km squares and its downhill direction from north, both in degrees."""
    east, north = np.gradient(np.maximum(relief.elevation_m, 0.0), 1000.0)
    slope = np.degrees(np.arctan(np.hypot(east, north)))
    return slope, np.degrees(np.arctan2(-east, -north)) % 360


def coast_km(land: np.ndarray) -> np.ndarray:
    """Return the distance of the cells' centres from the shore; beyond the grid there is sea."""
    from scipy import ndimage

    distance: np.ndarray = np.maximum(ndimage.distance_transform_edt(np.pad(land, 1))[1:-1, 1:-1] - 0.5, 0)
    return distance


def clumps(shape: tuple[int, ...], range_km: float, draw: np.random.Generator) -> np.ndarray:
    """Draw a smooth random field of mean 0 and variance 1 whose patches are about ``range_km`` wide."""
    from scipy import ndimage

    field = ndimage.gaussian_filter(draw.standard_normal(shape), range_km / 2)
    return _standard(field)


def _dome(width: int, height: int, draw: np.random.Generator) -> np.ndarray:
    """Return 1 - r^2 over a turned ellipse about a centre near the grid's own, and a moat at the grid's edge."""
    x = (np.arange(width) + 0.5)[:, None] * 2 / width - 1
    y = (np.arange(height) + 0.5)[None, :] * 2 / height - 1
    turn, stretch, *shift = draw.uniform([0, 1.0, -0.08, -0.08], [np.pi, 1.3, 0.08, 0.08])
    along = (x - shift[0]) * np.cos(turn) + (y - shift[1]) * np.sin(turn)
    across = (y - shift[1]) * np.cos(turn) - (x - shift[0]) * np.sin(turn)
    moat = np.maximum(np.maximum(np.abs(x), np.abs(y)) - 0.85, 0) / 0.15  # 0 to 1 towards the grid's edge
    dome: np.ndarray = 1 - (along / stretch) ** 2 - (across * stretch) ** 2 - 2 * moat**2
    return dome


def _rough_surface(width: int, height: int, hurst: float, draw: np.random.Generator) -> np.ndarray:
    """Draw a surface of variance 1 with the isotropic power spectrum k^-(2 hurst + 2) of fractional Brownian relief.

    Twice as large as needed and cropped, since what comes out of the transform has no edge: it repeats itself.
    """
    from scipy import fft

    size = fft.next_fast_len(2 * max(width, height), real=True)
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    k[0, 0] = np.inf  # no mean
    surface = np.fft.irfft2(np.fft.rfft2(draw.standard_normal((size, size))) * k ** -(hurst + 1), s=(size, size))
    return _standard(_untilted(surface[:width, :height]))


def _untilted(surface: np.ndarray) -> np.ndarray:
    """Return ``surface`` less its mean slope, which would push the island over the grid's edge."""
    x = np.arange(surface.shape[0])[:, None] - (surface.shape[0] - 1) / 2
    y = np.arange(surface.shape[1])[None, :] - (surface.shape[1] - 1) / 2
    eastward = (x * surface).mean() / (x**2).mean()
    northward = (y * surface).mean() / (y**2).mean()
    level: np.ndarray = surface - eastward * x - northward * y
    return level


def _standard(field: np.ndarray) -> np.ndarray:
    """Return ``field`` with mean 0 and variance 1."""
    standard: np.ndarray = (field - field.mean()) / field.std()
    return standard


def _coast(potential: np.ndarray, land_share: float) -> tuple[float, np.ndarray]:
    """Return the sea level at which the island around the summit has about ``land_share`` of the cells, and its cells.

    The island only grows as the sea falls, so bisection finds it.
    """
    levels = np.sort(potential, axis=None)
    land_cells = land_share * levels.size
    low, high = 0, levels.size - 1  # the island is larger than wanted at ``low``, no larger at ``high``
    while high - low > 1:
        middle = (low + high) // 2
        if _island(potential, levels[middle]).sum() > land_cells:
            low = middle
        else:
            high = middle
    larger, smaller = (_island(potential, levels[place]) for place in (low, high))
    if (
        int(larger.sum()) * int(smaller.sum()) < land_cells**2
    ):  # an islet that joins there may take it far above its share
        return float(levels[low]), larger
    return float(levels[high]), smaller


def _island(potential: np.ndarray, sea_level: float) -> np.ndarray:
    """Return the cells connected with the summit above ``sea_level``, and the hollows that they enclose."""
    from scipy import ndimage

    parts, _ = ndimage.label(potential >= sea_level, _EIGHT)
    filled: np.ndarray = ndimage.binary_fill_holes(parts == parts.flat[potential.argmax()])
    return filled
