"""What an unknown image processor does, found out by showing it pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from medft_bm.core.errors import INSTALL, ConfigError, DependencyError
from medft_bm.core.geometry import Size
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.models.checkpoint import unloadable

Grid: TypeAlias = npt.NDArray[np.float64]

SIZES = (Size(211, 340), Size(340, 211), Size(512, 512), Size(1201, 873), Size(260, 2111), Size(2111, 260))
ODD = (Size(1, 1), Size(3, 50), Size(50, 3), Size(3001, 2400))
"""Too small to show a pattern, or large enough for a processor to begin with tiles: only their size is compared."""
RANDOM = 6
WAVES = 6
"""Periods over each side; a shift by one pixel of 224 changes the brightest slope by 17 grey levels of 255."""
EDGE = 0.06
"""Share of each side that is not compared: what a filter does at the rim is its own affair."""
MOVED_PX = 0.25
BLURRED = 0.04
"""How far a grey value (0 to 1) may be off after resampling; a contrast or a crop changes more."""
ONE_IMAGE = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "pixel_values"}
"""What a processor returns for one image of one size; masks, grids and crop counts come with tiles and padding."""


@dataclass(frozen=True)
class Seen:
    """What a processor makes of every image.

    Attributes:
        size: of the image after the processor.
        image_tokens: placeholders in the text.
    """

    size: Size
    image_tokens: int


def probe(checkpoint: str, revision: str | None) -> Seen:
    """Prove on pictures of many sizes that the processor stretches every image to one size, and nothing else.

    Args:
        checkpoint: folder or Hub id; only its processor is loaded.
        revision: branch, tag or commit on the Hub.

    Raises:
        ConfigError: the processor cannot be loaded or crops, pads, tiles, turns or otherwise changes images.
        DependencyError: transformers is not installed.
    """
    return _Probe(checkpoint, _processor(checkpoint, revision)).run()


def _processor(checkpoint: str, revision: str | None) -> Any:
    try:
        from transformers import AutoProcessor
    except ImportError as error:
        raise DependencyError(f"model.family=generic needs more: {error}", where=checkpoint, fix=INSTALL) from error
    try:
        return AutoProcessor.from_pretrained(checkpoint, revision=revision)
    except Exception as error:  # whatever its tokenizer or image processor fails with
        raise unloadable(checkpoint, revision, error) from error


@dataclass(frozen=True)
class _Probe:
    checkpoint: str
    processor: Any

    def run(self) -> Seen:
        for part in ("tokenizer", "image_processor", "chat_template", "image_token_id"):
            if getattr(self.processor, part, None) is None:
                self.refuse(f"its processor has no {part}")
        first = SIZES[0]
        black, tokens = self.shown(first, np.zeros((first.h, first.w, 3)))
        white, _ = self.shown(first, np.ones((first.h, first.w, 3)))
        if not (_flat(black) and _flat(white) and np.all(white.mean((1, 2)) > black.mean((1, 2)))):
            self.refuse("an image of one colour does not stay one: it is padded, or its grey values are changed")
        low, high = black.mean((1, 2), keepdims=True), white.mean((1, 2), keepdims=True)
        for size in _sizes():
            seen, count = self.shown(size, _waves(size.h, size.w))
            if seen.shape != black.shape or count != tokens:
                self.refuse(
                    f"{first.h} x {first.w} pixels become {black.shape[1]} x {black.shape[2]} ({tokens} tokens), "
                    f"but {size.h} x {size.w} become {seen.shape[1]} x {seen.shape[2]} ({count} tokens)"
                )
            if size not in ODD and (why := _not_stretched((seen - low) / (high - low))):
                self.refuse(f"an image of {size.h} x {size.w} pixels is not just stretched to one size: {why}")
        return Seen(Size(*black.shape[1:]), tokens)

    def shown(self, size: Size, picture: Grid) -> tuple[Grid, int]:
        """Pixels ``(3, h, w)`` and number of image tokens that the processor makes of grey values between 0 and 1."""
        image = Image.fromarray((picture * 255).round().astype(np.uint8))
        batch = self.encoded(image)
        if more := sorted(set(batch) - ONE_IMAGE):
            self.refuse(f"besides pixels its processor returns {', '.join(more)}: it tiles, pads or packs images")
        pixels = batch["pixel_values"].float().numpy().astype(np.float64)
        if pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
            self.refuse(f"one image becomes an array of shape {pixels.shape}, not one image of three channels")
        return pixels[0], batch["input_ids"][0].tolist().count(self.processor.image_token_id)

    def encoded(self, image: Image.Image) -> Any:
        try:
            return encode_prompts(self.processor, [prompt_messages("?")], [image])
        except Exception as error:  # a processor may refuse an image in any way
            why = f"its processor fails on an image of {image.height} x {image.width} pixels: {error}"
            raise self.refusal(why) from error

    def refuse(self, why: str) -> NoReturn:
        raise self.refusal(why)

    def refusal(self, why: str) -> ConfigError:
        return ConfigError(
            f"model.family=generic cannot tell what this model sees: {why}",
            where=self.checkpoint,
            fix="choose a model of another family (`medft models`), or add a family: docs/add-a-model.md",
        )


def _sizes() -> Iterator[Size]:
    yield from SIZES
    yield from ODD
    yield from (Size(int(h), int(w)) for h, w in np.random.default_rng(0).integers(200, 1400, (RANDOM, 2)))


def _flat(image: Grid) -> bool:
    return bool(np.ptp(image, axis=(1, 2)).max() < 1e-3)


def _waves(h: int, w: int) -> Grid:
    """A pattern along x in the first channel and along y in the second; no flip, turn, shift or scale leaves it."""
    y, x = (np.arange(h)[:, None] + 0.5) / h, (np.arange(w) + 0.5) / w
    return np.stack(np.broadcast_arrays(_wave(x), _wave(y), 0.5), axis=-1)


def _wave(at: Grid) -> Grid:
    return np.asarray(0.5 + 0.3 * np.sin(2 * np.pi * WAVES * at) + 0.15 * (2 * at - 1))


def _slope(at: Grid) -> Grid:
    return np.asarray(0.6 * np.pi * WAVES * np.cos(2 * np.pi * WAVES * at) + 0.3)


def _not_stretched(seen: Grid) -> str:
    """Why grey values ``(3, h, w)`` are not those of :func:`_waves` stretched to that size; empty when they are."""
    _, h, w = seen.shape
    wanted = np.moveaxis(_waves(h, w), -1, 0)
    rim = tuple(slice(int(side * EDGE), side - int(side * EDGE)) for side in (h, w))
    if (off := float(np.abs(seen - wanted)[:, *rim].max())) > BLURRED:
        return f"grey values are off by up to {off:.2f} of the range; it is cropped, padded, turned or changed"
    for axis, profile in (("x", seen[0].mean(axis=0)), ("y", seen[1].mean(axis=1))):
        at = (np.arange(len(profile)) + 0.5) / len(profile)
        inner = slice(int(len(at) * EDGE), len(at) - int(len(at) * EDGE))
        # To first order, what is moved by a + b * at differs from the pattern by its slope times that.
        basis = np.stack([_slope(at), _slope(at) * at], axis=1)
        (a, b), *_ = np.linalg.lstsq(basis[inner], (profile - _wave(at))[inner], rcond=None)
        if (moved := len(at) * max(abs(a), abs(a + b))) > MOVED_PX:
            return f"along {axis} it is moved by {moved:.2f} pixels"
    return ""
