"""A picture of one case: the slice in its true proportions, truth and prediction on it, a scale bar, a legend."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.types import Sample
from medft_bm.evaluate.report.marks import Mark, box_mark, predicted_marks, scale_bar_mm, shown_size, truth_marks

Colour = tuple[int, int, int]

# Sky blue and orange of Okabe and Ito: told apart with every common colour vision deficiency, and by solid and dashed.
TRUTH: Colour = (86, 180, 233)
PREDICTED: Colour = (230, 159, 0)
PAPER: Colour = (18, 22, 27)
INK: Colour = (238, 241, 244)

_FINE = 3  # lines are drawn this much larger and shrunk, which smooths them
_LINE, _HALO, _DASH, _TEXT, _PAD = 4, 8, 13, 23, 11
_LEAST = 480  # width that words need


def draw_case(
    image: Image.Image,
    sample: Sample,
    predicted: Any,
    *,
    truth_text: str,
    reply_text: str,
    long_side: int = 640,
) -> Image.Image:
    """Draw one case.

    Args:
        image: RGB, the sample's slice pixel for pixel.
        sample: the question, with its truth.
        predicted: as in :class:`~medft_bm.core.types.Score`; ``None`` when nothing could be read.
        truth_text: for the legend.
        reply_text: for the legend.
        long_side: of the slice on the picture, in pixels.

    Returns:
        RGB picture; a legend stands below the slice, so that no anatomy is covered by text.
    """
    marks = [(mark, TRUTH, False) for mark in truth_marks(sample)]
    marks += [(mark, PREDICTED, True) for mark in predicted_marks(sample, predicted)]
    shown = _shown(image, sample.size, sample.spacing, marks, long_side)
    return _with_legend(shown, [(f"truth: {truth_text}", TRUTH, False), (f"reply: {reply_text}", PREDICTED, True)])


def draw_prediction(
    image: Image.Image, spacing: Spacing | None, box: Box | None, reply: str, *notes: str, long_side: int = 640
) -> Image.Image:
    """Draw a prediction whose truth nobody knows.

    Args:
        image: RGB, pixel for pixel what the box refers to.
        spacing: of the image; ``None`` is unknown, and there is no scale bar.
        box: what was found; ``None`` draws nothing.
        reply: for the legend.
        notes: for the legend, below the reply.
        long_side: of the image on the picture, in pixels.

    Returns:
        RGB picture; the legend stands below the image.
    """
    marks = [] if box is None else [(box_mark((box.y0, box.x0, box.y1, box.x1)), PREDICTED, True)]
    shown = _shown(image, Size(image.height, image.width), spacing, marks, long_side)
    # The first line explains the dashes, where there are any to explain.
    colour, width = (PREDICTED if box else None), _legend_width(shown, strokes=box is not None)
    first, *rest = [line for text in (f"reply: {reply}", *notes) for line in _wrapped(text, width)]
    return _with_legend(shown, [(first, colour, True), *((line, None, False) for line in rest)])


def _shown(
    image: Image.Image, own: Size, spacing: Spacing | None, marks: Sequence[tuple[Mark, Colour, bool]], long_side: int
) -> Image.Image:
    """The image in its true proportions with marks (colour, dashed or not) and a scale bar."""
    size = shown_size(own, spacing, long_side)
    shown = image.convert("RGB").resize((size.w, size.h), Image.Resampling.BICUBIC)
    lines = Image.new("RGBA", (size.w * _FINE, size.h * _FINE))
    pen = ImageDraw.Draw(lines)
    to_pen = PixelMap.stretch(own, Size(lines.height, lines.width))
    for mark, colour, dashed in marks:
        _draw_mark(pen, mark, to_pen, colour, dashed=dashed)
    if spacing is not None:
        _draw_scale_bar(pen, own, spacing, to_pen)
    smooth = lines.resize(shown.size, Image.Resampling.LANCZOS)
    shown.paste(smooth, mask=smooth.getchannel("A"))
    return shown


def _draw_mark(pen: ImageDraw.ImageDraw, mark: Mark, to_pen: PixelMap, colour: Colour, *, dashed: bool) -> None:
    points = to_pen.points(mark.yx)
    if mark.closed:
        points = np.vstack([points, points[:1]])
    reach = 4 * math.hypot(to_pen.dst.h, to_pen.dst.w)
    points = np.clip(points, -reach, reach)  # a reply may claim kilometres
    pieces = _dashes(points, _DASH * _FINE) if dashed else list(pairwise(points))
    for width, ink in ((_HALO, (0, 0, 0, 150)), (_LINE, (*colour, 255))):
        for a, b in pieces:
            pen.line([_xy(a), _xy(b)], fill=ink, width=width * _FINE)
        for y, x in points if mark.dots or (mark.closed and not dashed) else ():
            # Dots mark landmarks; on a closed outline they only fill the gap that thick lines leave at a corner.
            r = (width * 1.3 if mark.dots else width / 2) * _FINE
            pen.ellipse([x - r, y - r, x + r, y + r], fill=ink)


def _dashes(points: NDArray[np.float64], dash: float) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Pieces of a polyline, each a dash long and followed by a gap of two thirds of one."""
    pieces = []
    for a, b in pairwise(points):
        length = float(np.linalg.norm(b - a))
        count = max(1, round(length / (dash * 5 / 3)))
        starts = np.arange(count) / count
        pieces += [(a + (b - a) * s, a + (b - a) * (s + 0.6 / count)) for s in starts]
        if length:
            pieces.append((b - (b - a) * min(1.0, dash / 3 / length), b))  # so that every end can be seen
    return pieces


def _draw_scale_bar(pen: ImageDraw.ImageDraw, size: Size, spacing: Spacing, to_pen: PixelMap) -> None:
    bar_mm = scale_bar_mm(size.w * spacing.x)
    length = to_pen.scale_x * bar_mm / spacing.x
    x, y, tick = to_pen.dst.w - _PAD * _FINE, to_pen.dst.h - _PAD * _FINE, 4 * _FINE
    font, words = _font(_TEXT * _FINE), f"{bar_mm:g} mm"
    for width, ink in ((_HALO, (0, 0, 0, 170)), (_LINE, (255, 255, 255, 255))):
        for line in (
            [(x - length, y), (x, y)],
            [(x - length, y - tick), (x - length, y + tick)],
            [(x, y - tick), (x, y + tick)],
        ):
            pen.line(line, fill=ink, width=width * _FINE * 2 // 3)
    centre = max(font.getlength(words) / 2, length / 2)
    pen.text(
        (x - centre, y - 9 * _FINE),
        words,
        font=font,
        anchor="ms",
        fill=(255, 255, 255, 255),
        stroke_width=2 * _FINE,
        stroke_fill=(0, 0, 0, 255),
    )


def _with_legend(shown: Image.Image, rows: Sequence[tuple[str, Colour | None, bool]]) -> Image.Image:
    """The picture above its legend.

    Args:
        shown: the picture.
        rows: text of each line, colour of the stroke that it explains (``None`` for none), and whether that is dashed.
    """
    row = _TEXT + _PAD
    picture = Image.new("RGB", (max(shown.width, _LEAST), shown.height + len(rows) * row + _PAD), PAPER)
    picture.paste(shown, ((picture.width - shown.width) // 2, 0))
    pen, font = ImageDraw.Draw(picture), _font(_TEXT)
    start, width = 4 * _DASH, _legend_width(shown, strokes=any(colour for _, colour, _ in rows))
    for index, (text, colour, dashed) in enumerate(rows):
        y = shown.height + _PAD + index * row + _TEXT // 2
        ends = np.array([[y, _PAD], [y, _PAD + start]], np.float64)
        for a, b in _dashes(ends, _DASH) if dashed else [(ends[0], ends[1])]:
            if colour:
                pen.line([_xy(a), _xy(b)], fill=colour, width=_LINE)
        left = picture.width - width - _PAD
        words = _fitting(" ".join(text.split()), font, width)
        pen.text((left, y), words, font=font, anchor="lm", fill=INK)
    return picture


def _legend_width(shown: Image.Image, *, strokes: bool) -> float:
    """Room for the words of a legend, right of its strokes if there are any."""
    return max(shown.width, _LEAST) - 2 * _PAD - (_PAD + 4 * _DASH if strokes else 0)


def _wrapped(text: str, width: float) -> list[str]:
    """Its first 400 characters in as many lines as they need."""
    font, lines = _font(_TEXT), [""]
    for word in textwrap.shorten(text, 400, placeholder=" ...").split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    text = text[:400]
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _xy(yx: NDArray[np.float64]) -> tuple[float, float]:
    return float(yx[1]), float(yx[0])
