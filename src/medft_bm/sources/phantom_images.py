"""Draw phantoms whose truth is known by construction: volumes, landmark images and textures, in two styles.

``shapes`` are plain geometric bodies; ``anatomy`` looks a little like patients. A model pre-trained on one has to learn
the other's looks and words, which is what the demo shows. Nothing here resembles any real patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medft_bm.core.volume import VolumeGeometry

Style: TypeAlias = Literal["anatomy", "shapes"]
Float: TypeAlias = NDArray[np.float64]

LABELS: dict[Style, dict[int, str]] = {
    "anatomy": {1: "liver", 2: "kidney", 3: "lesion"},
    "shapes": {1: "ball", 2: "block", 3: "hole"},
}
GRADES = ("grade 1", "grade 2", "grade 3", "grade 4")
"""Classes of textures in both styles, which mean other patterns in each: words alone carry nothing over."""
ENDS: dict[Style, tuple[str, str, str, str]] = {
    "anatomy": ("forehead", "occiput", "left ear", "right ear"),
    "shapes": ("head", "tail", "left tip", "right tip"),
}


@dataclass(frozen=True)
class PhantomVolume:
    """Voxels ``[i, j, k]`` in HU, their label map, and where they are."""

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    geometry: VolumeGeometry


@dataclass(frozen=True)
class PhantomHead:
    """A grey image of an oval, its spacing (y, x) in mm, and the ends of its axes in continuous pixels (y, x)."""

    image: NDArray[np.uint8]
    spacing_yx: tuple[float, float]
    ends: dict[str, tuple[float, float]]


def volume(style: Style, rng: np.random.Generator, max_bodies: int = 3) -> PhantomVolume:
    """A small CT-like volume with anisotropic voxels, stored in one of several orientations.

    Args:
        style: see the module.
        rng: the same generator gives the same volume.
        max_bodies: the volume holds one to so many of the style's three bodies.
    """
    slices = rng.integers(8, 13) if style == "anatomy" else rng.integers(4, 6)
    shape = (int(rng.integers(60, 90)), int(rng.integers(52, 76)), int(slices))
    spacing = np.array([rng.uniform(1.2, 1.7), rng.uniform(1.5, 2.1), rng.uniform(4, 6)])
    centre = (np.array(shape) - 1) / 2
    mm = [(np.arange(n) - c) * s for n, c, s in zip(shape, centre, spacing, strict=True)]
    grid = np.meshgrid(*mm, indexing="ij")
    extent = np.array([m[-1] for m in mm])
    hu = np.full(shape, 20.0 if style == "shapes" else -160.0)
    if style == "anatomy":
        hu[_ellipsoid(grid, np.zeros(3), extent * [0.95, 0.93, 9], 0.0)] = 40.0
    labels = np.zeros(shape, np.uint8)
    for value, (body, level) in _bodies(style, max_bodies, grid, extent, rng).items():
        labels[body] = value
        hu[body] = level
    hu += ndimage.gaussian_filter(rng.normal(0, 40, shape), 0.6) + rng.normal(0, 4, shape)
    return _store(np.round(hu).astype(np.int16), labels, spacing, rng)


def _bodies(
    style: Style, max_bodies: int, grid: Sequence[Float], extent: Float, rng: np.random.Generator
) -> dict[int, tuple[NDArray[np.bool_], float]]:
    def anywhere(low: tuple[float, float], high: tuple[float, float]) -> Float:
        return np.array([rng.uniform(low[0], high[0]), rng.uniform(low[1], high[1]), rng.uniform(-0.2, 0.2)]) * extent

    def radii(low: float, high: float) -> Float:
        return np.array([rng.uniform(low, high), rng.uniform(low, high), rng.uniform(24, 40)])

    turn = float(rng.uniform(0, np.pi))
    if style == "shapes":
        place, long = (-0.6, -0.6), np.array([1, 1, 3])
        ball = _ellipsoid(grid, anywhere(place, (0.6, 0.6)), radii(11, 30) * long, turn)
        block = _block(grid, anywhere(place, (0.6, 0.6)), radii(9, 26))
        hole = _ellipsoid(grid, anywhere(place, (0.6, 0.6)), radii(10, 26) * long, turn + 1)
        bodies = {
            1: (ball, rng.uniform(110, 150)),
            2: (block, rng.uniform(190, 220)),
            3: (hole, rng.uniform(-110, -70)),
        }
    else:
        # The liver is on the patient's right, which is image left once the slice is shown the radiological way.
        liver = _ellipsoid(grid, anywhere((0.1, -0.45), (0.5, 0.45)), radii(17, 30), turn)
        kidney = _ellipsoid(grid, anywhere((-0.6, -0.5), (-0.2, 0.5)), radii(9, 17), turn + 1)
        lesion = _ellipsoid(grid, anywhere((-0.45, -0.45), (0.45, 0.45)), radii(6, 20), turn + 2)
        bodies = {
            1: (liver, rng.uniform(90, 115)),
            2: (kidney, rng.uniform(170, 210)),
            3: (lesion, rng.uniform(-50, -20)),
        }
    shown = rng.permutation([1, 2, 3])[: rng.integers(1, max_bodies + 1)]
    return {value: bodies[value] for value in sorted(shown.tolist())}


def _ellipsoid(grid: Sequence[Float], centre: Float, radii: Float, turn: float) -> NDArray[np.bool_]:
    x, y, z = (axis - c for axis, c in zip(grid, centre, strict=True))
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    inside: NDArray[np.bool_] = (u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (z / radii[2]) ** 2 <= 1
    return inside


def _block(grid: Sequence[Float], centre: Float, radii: Float) -> NDArray[np.bool_]:
    parts = [np.abs(axis - c) <= r for axis, c, r in zip(grid, centre, radii, strict=True)]
    inside: NDArray[np.bool_] = parts[0] & parts[1] & parts[2]
    return inside


def _store(hu: NDArray[np.int16], labels: NDArray[np.uint8], spacing: Float, rng: np.random.Generator) -> PhantomVolume:
    """Volumes are drawn in RAS; half are stored as LPS, as scanners do, so that orientation matters."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    if rng.random() < 0.5:
        affine[:2, 3] += affine[[0, 1], [0, 1]] * (np.array(hu.shape[:2]) - 1)
        affine[[0, 1], [0, 1]] *= -1
        hu, labels = hu[::-1, ::-1], labels[::-1, ::-1]
    i, j, k = hu.shape
    return PhantomVolume(hu, labels, VolumeGeometry((i, j, k), affine))


def head(style: Style, rng: np.random.Generator) -> PhantomHead:
    """An oval outline (anatomy) or a filled oval (shapes) on speckle, with the ends of its two axes."""
    h, w = int(rng.integers(64, 92)), int(rng.integers(72, 110))
    spacing = np.array([rng.uniform(0.8, 1.1), rng.uniform(0.7, 1.0)])
    extent = np.array([h, w]) * spacing
    centre = extent * rng.uniform(0.42, 0.58, 2)
    half_major = rng.uniform(0.22, 0.46) * extent.min()
    half_minor = half_major * rng.uniform(0.62, 0.88)
    turn = rng.uniform(-0.6, 0.6)
    along, across = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    yx_mm = np.stack(np.meshgrid((np.arange(h) + 0.5), (np.arange(w) + 0.5), indexing="ij"), -1) * spacing - centre
    radius = np.sqrt((yx_mm @ along / half_major) ** 2 + (yx_mm @ across / half_minor) ** 2)
    signal = np.exp(-(((radius - 1) * half_minor / 1.6) ** 2)) if style == "anatomy" else (radius <= 1) * 0.7
    speckle = ndimage.gaussian_filter(rng.rayleigh(0.12, (h, w)), 0.5)
    image = np.clip(255 * (0.75 * signal + speckle), 0, 255).astype(np.uint8)
    offsets = (half_major * along, -half_major * along, half_minor * across, -half_minor * across)
    ends = [(centre + offset) / spacing for offset in offsets]
    return PhantomHead(
        image,
        (float(spacing[0]), float(spacing[1])),
        {name: (float(y), float(x)) for name, (y, x) in zip(ENDS[style], ends, strict=True)},
    )


def texture(style: Style, class_id: int, stain: Float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An RGB tile ``(h, w, 3)`` of one grade; ``stain`` (3,) in 0..1 is the subject's own colour."""
    h, w = 72, 96
    noise = rng.normal(0, 1, (h, w))
    patterns = (_rings, _stripes, _dots, _cells) if style == "anatomy" else (_dots, _cells, _rings, _stripes)
    pattern = patterns[class_id](h, w, rng)
    pattern = 0.85 * pattern + 0.15 * (ndimage.gaussian_filter(noise, 1.2) * 2 + 0.5)
    dark = stain[None, None] if style == "anatomy" else np.array([0.1, 0.1, 0.1])
    light = np.array([0.96, 0.86, 0.93]) if style == "anatomy" else np.array([0.9, 0.9, 0.9])
    rgb = light + np.clip(pattern, 0, 1)[..., None] * (dark - light) + rng.normal(0, 0.02, (h, w, 3))
    tile: NDArray[np.uint8] = np.clip(255 * rgb, 0, 255).astype(np.uint8)
    return tile


def _coordinates(h: int, w: int, rng: np.random.Generator) -> tuple[Float, Float]:
    y, x = np.mgrid[:h, :w].astype(np.float64)
    return y + rng.uniform(0, 20), x + rng.uniform(0, 20)


def _rings(h: int, w: int, rng: np.random.Generator) -> Float:
    y, x = _coordinates(h, w, rng)
    pitch = rng.uniform(20, 26)
    radius = np.hypot((y % pitch) - pitch / 2, (x % pitch) - pitch / 2)
    ring: Float = np.exp(-(((radius - pitch * 0.34) / 2.2) ** 2))
    return ring


def _stripes(h: int, w: int, rng: np.random.Generator) -> Float:
    y, x = _coordinates(h, w, rng)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(7, 11)
    bend = 3 * np.sin((x - y) / 17)
    wave: Float = 0.5 + 0.5 * np.sin(2 * np.pi * (np.cos(turn) * x + np.sin(turn) * y + bend) / pitch)
    return wave


def _dots(h: int, w: int, rng: np.random.Generator) -> Float:
    seeds = (rng.random((h, w)) < 0.012).astype(np.float64)
    spread: Float = np.clip(ndimage.gaussian_filter(seeds, 1.7) * 22, 0, 1)
    return spread


def _cells(h: int, w: int, rng: np.random.Generator) -> Float:
    points: NDArray[Any] = np.stack([rng.uniform(-8, h + 8, 34), rng.uniform(-8, w + 8, 34)], 1)
    y, x = np.mgrid[:h, :w]
    nearest = np.sort(np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1]), axis=-1)
    wall: Float = np.exp(-(((nearest[..., 1] - nearest[..., 0]) / 1.8) ** 2))
    return wall
