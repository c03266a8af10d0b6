"""What augmentation does to pixels: one resampling, and changes of intensity in 8 bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from medft_bm.core.motion import Motion

MIDDLE = 128
"""The grey level that stands for no noise."""


@dataclass(frozen=True)
class Intensity:
    """A change of grey levels that moves nothing.

    Attributes:
        brightness: added, as a share of the range.
        contrast: factor about the image's mean.
        gamma: exponent; below 1 the dark parts become brighter.
        noise: standard deviation, as a share of the range; the same in every colour.
        seed: of the noise.
    """

    brightness: float
    contrast: float
    gamma: float
    noise: float
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> Intensity:
        """At random, no further than ``strength`` from 0 to 1."""
        brightness, contrast, gamma = rng.uniform(-strength, strength, 3)
        return cls(
            brightness=0.15 * float(brightness),
            contrast=math.exp(0.35 * float(contrast)),
            gamma=math.exp(0.4 * float(gamma)),
            noise=0.04 * float(rng.uniform(0, strength)),
            seed=int(rng.integers(2**32)),
        )

    def apply(self, image: Image.Image) -> Image.Image:
        """The changed image; grey or RGB, as it came."""
        levels = (np.arange(256) / 255) ** self.gamma
        mean = float(levels[np.asarray(image)[::4, ::4]].mean())
        levels = 255 * ((levels - mean) * self.contrast + mean + self.brightness)
        changed = image.point(np.clip(np.rint(levels), 0, 255).astype(int).tolist() * len(image.getbands()))
        if not self.noise:
            return changed
        draws = np.random.default_rng(self.seed).integers(0, 256, (image.height, image.width), np.uint8)
        grain = Image.fromarray(draws).point(np.rint(MIDDLE + 255 * self.noise * _normal()).astype(int).tolist())
        return ImageChops.add(changed, grain if image.mode == "L" else Image.merge("RGB", [grain] * 3), 1, -MIDDLE)


@cache
def _normal() -> NDArray[np.float64]:
    """A normal distribution as 256 equally likely values; drawing bytes is ten times faster than drawing floats."""
    from scipy.special import ndtri

    values: NDArray[np.float64] = ndtri((np.arange(256) + 0.5) / 256)
    return values


def move_picture(image: Image.Image, motion: Motion) -> Image.Image:
    """The image after a motion, resampled once; black where it shows what was not there before.

    Args:
        image: grey or RGB, of size ``motion.src``.
        motion: a flip or a crop by whole pixels copies them; all else is interpolated between neighbours, after an
            average over the size of the new pixels where they are larger.
    """
    size, (back, shift) = (motion.dst.w, motion.dst.h), motion.inverse
    if motion.lossless:
        return _copied(image, motion)
    scale = math.sqrt(abs(float(np.linalg.det(back))))
    if scale > 1:
        image = image.filter(ImageFilter.BoxBlur((scale - 1) / 2))
    # Pillow asks for every pixel's place before, x first, and counts from the corner as we do.
    rows = (back[1, 1], back[1, 0], shift[1], back[0, 1], back[0, 0], shift[0])
    return image.transform(size, Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)


def _copied(image: Image.Image, motion: Motion) -> Image.Image:
    (y0, x0), (y1, x1) = np.sort(_corners_before(motion), axis=0).round().astype(int).tolist()
    cut = image.crop((x0, y0, x1, y1))
    if motion.flips_x:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return cut.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if motion.flips_y else cut


def _corners_before(motion: Motion) -> NDArray[np.float64]:
    back, shift = motion.inverse
    corners: NDArray[np.float64] = np.array([[0, 0], [motion.dst.h, motion.dst.w]]) @ back.T + shift
    return corners
