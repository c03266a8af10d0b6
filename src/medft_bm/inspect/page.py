"""The page of an inspection: one file, no request to anywhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from medft_bm import __version__
from medft_bm.config.schema import Config
from medft_bm.core.geometry import PixelMap
from medft_bm.core.types import SPLITS
from medft_bm.evaluate.report.facts import model_name
from medft_bm.evaluate.report.marks import shown_size
from medft_bm.evaluate.report.words import DEMO_NOTE, with_unit
from medft_bm.inspect.batches import Fed
from medft_bm.inspect.examples import Example, Variant
from medft_bm.inspect.histogram import histogram
from medft_bm.inspect.marks import Lines, lines_on
from medft_bm.inspect.pictures import area, data_uri, number

if TYPE_CHECKING:
    from medft_bm.inspect.make import Inspection

TEMPLATES = Path(__file__).parent / "templates"
LONG_SIDE = 640
"""Of a slice as it is drawn, in pixels."""
MIX_KEYS = ("limit", "limit_per_task", "limit_per_source", "mixing", "split")


def render(seen: Inspection, config: Config) -> str:
    """The page.

    Args:
        seen: what is on it.
        config: resolved.
    """
    shown = [_example(one) for one in seen.examples]
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.globals |= {"area": area, "number": number}
    report = files("medft_bm.evaluate.report") / "templates" / "report.css"  # one look for all pages
    return environment.get_template("inspect.html.jinja").render(
        css=report.read_text(encoding="utf-8") + (TEMPLATES / "inspect.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "inspect.js").read_text(encoding="utf-8"),
        version=__version__,
        model=model_name(config),
        demo_note=DEMO_NOTE if config.demo else "",
        seen=seen,
        splits=SPLITS,
        tokens=_tokens(seen),
        budget=_budget(config),
        mix=list(_mix(config)),
        sizes=list(dict.fromkeys(name for part in seen.parts for name in part.sizes)),
        examples=shown,
        parts=sorted({one["part"] for one in shown}),
        labels=sorted({one["label"] for one in shown}),
    )


def _tokens(seen: Inspection) -> list[dict[str, Any]]:
    """Lengths of the rows that stand for the split, with the percentiles of ``medft plan``."""
    lengths = seen.lengths
    columns = {"prompt": lengths.text - lengths.answer, "image": lengths.image, "answer": lengths.answer}
    shares = lengths.percentiles()
    lines = []
    for name, values in (*columns.items(), ("sequence", lengths.total)):
        drawn = values[: lengths.spread].tolist()
        of = shares.get(name) or {"p50": round(histogram(drawn, (), drawn).median)}
        lines.append({"name": name, "shape": histogram(drawn, (), drawn), "most": int(values.max()), **of})
    return lines


def _budget(config: Config) -> str:
    """The pixel budget that the config sets."""
    limits = {"model.min_pixels": config.model.min_pixels, "model.max_pixels": config.model.max_pixels}
    return " and ".join(f"{key} {value:,}" for key, value in limits.items() if value is not None)


def _mix(config: Config) -> Iterator[tuple[str, str]]:
    """What of limits, shares and balance differs from the default, by key."""
    data = config.data
    for key in MIX_KEYS:
        for name, value in getattr(data, key).model_dump(mode="json", exclude_defaults=True).items():
            yield f"data.{key}.{name}", _plain(value)
    for part in data.mix:
        limits = part.limit.model_dump(exclude_defaults=True)
        told = [f"limit.{split} {_plain(value)}" for split, value in limits.items()] + ["balance"] * part.balance
        if told:
            yield part.name, ", ".join(told)


def _plain(value: Any) -> str:
    # A path would say where on this machine it lies.
    return Path(value).name if isinstance(value, str) and "/" in value else str(value)


def _example(one: Example) -> dict[str, Any]:
    item, sample = one.fed.item, one.fed.item.sample
    size = shown_size(sample.size, sample.spacing, LONG_SIDE)
    slice_picture = item.image.resize((size.w, size.h), Image.Resampling.BICUBIC)
    return {
        "place": one.place,
        "part": one.part,
        "label": sample.tags.get("label", ""),
        "sample": sample,
        "slice": _picture(slice_picture, lines_on(sample, PixelMap.identity(sample.size)), _scene(item)),
        **_fed(one.fed),
        "variants": [_variant(variant) for variant in one.variants],
    }


def _variant(variant: Variant) -> dict[str, Any]:
    return {"epoch": variant.epoch, "changed": variant.changed, **_fed(variant.fed)}


def _fed(fed: Fed) -> dict[str, Any]:
    """What the template needs of a row: the picture that the model sees, and the tokens."""
    item = fed.item
    seen = None
    if fed.image is not None:
        lines = lines_on(item.sample, item.view.from_slice)
        seen = _picture(Image.fromarray(fed.image), lines, f"{_scene(item)}, as the model sees it")
    return {
        "fed": fed,
        "item": item,
        "seen": seen,
        "answer": with_unit(item.answer_text, item.task.unit),
        "counts": {kind: fed.count(kind) for kind in ("prompt", "image", "loss")},
    }


def _scene(item: Any) -> str:
    tags = item.sample.tags
    words: Sequence[str] = [tags[key] for key in ("plane", "modality", "anatomy") if tags.get(key)]
    return " ".join(words) or "image"


def _picture(picture: Image.Image, lines: Lines, alt: str) -> dict[str, Any]:
    return {"uri": data_uri(picture), "w": picture.width, "h": picture.height, "lines": lines, "alt": alt}
