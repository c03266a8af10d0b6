"""How good one or several lengths in mm are: what the tasks that answer in mm report."""

from __future__ import annotations

from collections.abc import Sequence

from medft_bm.core.types import Metric, Sample
from medft_bm.metrics.measurement import absolute_error, relative_error, within
from medft_bm.tasks.reading.measurements import diagonal_mm

LENGTH_METRICS = (
    Metric("absolute_error", "mm", higher_is_better=False, unscored=None),
    Metric("relative_error", higher_is_better=False, unscored=None),
    Metric("normalised_error", higher_is_better=False, unscored=None),
    Metric("within_10_percent"),
    Metric("within_20_percent"),
    Metric("within_30_percent"),
    Metric("within_2_mm"),
    Metric("within_5_mm"),
)

_SHARES = tuple((f"within_{percent}_percent", percent / 100) for percent in (10, 20, 30))
_BOUNDS_MM = tuple((f"within_{bound}_mm", bound) for bound in (2, 5))


def length_scores(sample: Sample, said: Sequence[float], true: Sequence[float]) -> dict[str, float]:
    """Values of :data:`LENGTH_METRICS` for the lengths of one sample.

    Errors are means over the lengths (MAE and MRE when averaged over samples); a sample is within a bound when all of
    its lengths are. The normalised error is the absolute one as a share of the image's diagonal in mm, so that images
    of different size can be compared; it is left out where the pixel size is unknown.

    The bounds are those that something hangs on: RECIST 1.1 calls growth by 20 % and 5 mm progress, shrinkage by 30 %
    response (Eisenhauer et al. 2009, European Journal of Cancer 45(2)); landmarks are held to 2 mm (Wang et al. 2016,
    Medical Image Analysis 31).

    Args:
        sample: whose image it is.
        said: lengths in mm.
        true: as many, each above 0.

    Raises:
        GeometryError: a true length is not above 0.
    """
    errors = [absolute_error(one, other) for one, other in zip(said, true, strict=True)]
    shares = [relative_error(one, other) for one, other in zip(said, true, strict=True)]
    mean = sum(errors) / len(errors)
    values = {"absolute_error": mean, "relative_error": sum(shares) / len(shares)}
    if sample.spacing is not None:
        values["normalised_error"] = mean / diagonal_mm(sample.size, sample.spacing)
    largest_share, largest = max(shares), max(errors)
    for name, bound in _SHARES:
        values[name] = within(largest_share, bound)
    for name, bound in _BOUNDS_MM:
        values[name] = within(largest, bound)
    return values
