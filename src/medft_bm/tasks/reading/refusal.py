"""Why there is no answer in a reply."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """The reasons, in words for a report: few, and free of values, so that they can be counted."""

    EMPTY = "empty"
    DECLINED = "declines to answer"
    UNFINISHED = "breaks off before the answer is complete"
    CONTRADICTS = "gives different answers"
    NO_NUMBER = "no number"
    TOO_FEW = "fewer numbers than asked for"
    TOO_MANY = "more numbers than asked for"
    UNCLEAR = "a number that can be read in two ways"
    RANGE = "a range or a limit"
    UNIT = "another unit than asked for"
    NEGATIVE = "below zero"
    TOO_LONG = "longer than the image"
    ANGLE = "an angle outside the range asked for"
    COORDINATES = "other coordinates than asked for"
    SEVERAL_BOXES = "several boxes"
    OUTSIDE = "a box outside the image"
    NO_AREA = "corners that make no box"
    NO_CLASS = "names no class"
    SEVERAL_CLASSES = "names several classes"
    DENIED = "denies the class it names"
