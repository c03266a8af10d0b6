"""``medft predict``: one question about one image, answered, read and drawn."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_json, add_verb, dumps
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.core.geometry import Spacing

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.models.base import ModelFamily
    from medft_bm.predict.ask import Asked
    from medft_bm.predict.wanted import Wanted
    from medft_bm.predict.weights import Weights

EXAMPLES = """
medft predict scan.nii.gz --model runs/ct --slice axial:42 --overlay seen.png
medft predict ct.dcm --model runs/ct/adapter --part "lesion size" --label tumour --window ct_soft_tissue
medft predict slide.png --model me/histology --task classification --classes benign,malignant --json
medft predict foot.png --model runs/x --task angle_distance --points heel,toe --spacing 0.14 --tag modality=X-ray
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "predict", "ask a model one question about one image", EXAMPLES)
    verb.add_argument("image", type=Path, metavar="IMAGE", help="picture, volume, DICOM file or folder of a series")
    add_model(verb)
    add_image(verb)
    _add_question(verb)
    verb.add_argument("--question", default="", metavar="TEXT", help="ask this instead; the reply is not read")
    verb.add_argument("--overlay", type=Path, metavar="FILE", help="PNG to draw the image and what was found on")
    verb.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="longest reply (default: 64)")
    add_json(verb)
    verb.set_defaults(run=run)


def add_model(verb: argparse.ArgumentParser) -> None:
    """The arguments that say who answers."""
    which = ["base", "adapter", "merged"]
    words = "run folder; or folder or Hub id of a model or an adapter"
    verb.add_argument("--model", required=True, metavar="MODEL", help=words)
    verb.add_argument("--weights", choices=which, help="of a run folder (default: merged, else adapter)")
    verb.add_argument("--base", default="", metavar="MODEL", help="of an adapter, in place of the one it names")
    verb.add_argument("--revision", metavar="NAME", help="branch, tag or commit of MODEL on the Hub")


def add_image(verb: argparse.ArgumentParser) -> None:
    """The arguments that say how the image is shown."""
    image = verb.add_argument_group("the image")
    image.add_argument("--slice", default="", metavar="PLANE:INDEX", help="of a volume, like axial:42; from 0")
    image.add_argument("--spacing", metavar="MM", help="pixel size of a picture: 0.7, or 0.7,0.5 (height, width)")
    image.add_argument("--window", default="", help="intensity window, like ct_soft_tissue (default: as in training)")
    image.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="like modality=CT; repeatable")


def _add_question(verb: argparse.ArgumentParser) -> None:
    asked = verb.add_argument_group("what a run was trained to be asked")
    asked.add_argument("--part", default="", metavar="NAME", help="of the mix; needed where it has several")
    asked.add_argument("--label", default="", metavar="NAME", help="what is asked about; here or with --task")
    own = verb.add_argument_group("a question of your own")
    own.add_argument("--task", default="", metavar="NAME", help="detection, lesion_size, angle_distance, ...")
    own.add_argument("--classes", default="", metavar="A,B", help="for classification")
    own.add_argument("--points", default="", metavar="A,B", help="for angle_distance: two landmarks, or four")
    own.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the task; repeatable")


def run(args: argparse.Namespace) -> int:
    """Ask, read, print; exit code 1 where a task asked and no answer could be read."""
    from medft_bm.predict.picture import require_writable, write_overlay
    from medft_bm.predict.weights import find_weights
    from medft_bm.predict.words import facts, lines

    _require_one_question(args)
    if args.max_new_tokens < 1:
        raise ConfigError(f"{args.max_new_tokens} tokens", where="--max-new-tokens", fix="give at least 1")
    if args.overlay:
        require_writable(args.overlay, args.image)
    weights = find_weights(args.model, args.weights, args.base, args.revision)
    family = weights.bound()
    asked = asked_of(args, weights, family)
    reply = asked.reply(weights.loaded(family), args.max_new_tokens)
    answer = asked.answer(reply)
    if args.overlay:
        write_overlay(args.overlay, asked.shown, answer, reply.text)
    overlay = str(args.overlay) if args.overlay else None
    if args.json:
        print(dumps({**facts(asked, reply, answer), "model": weights.kind, "overlay": overlay}))
    else:
        shown = [f"model     {weights.kind}", *([f"overlay   {overlay}"] if overlay else [])]
        print("\n".join([*lines(asked, reply, answer), *shown]))
    return MedftError.exit_code if answer and answer.why else 0


def asked_of(args: argparse.Namespace, weights: Weights, family: ModelFamily) -> Asked:
    """The image and the question that the arguments name.

    Raises:
        ConfigError: something is missing, unknown or contradicts itself.
        DataError: the image cannot be read, or its pixel size is needed and unknown.
    """
    from medft_bm.predict.ask import ask_again, ask_freely, ask_wanted
    from medft_bm.predict.place import find, show, usual_window
    from medft_bm.predict.taught import lesson, taught_rows

    place = find(args.image, args.slice)
    spacing, tags = spacing_of(args.spacing), pairs_of(args.tag, "--tag")
    if args.question or args.task:
        shown = show(place, args.window or usual_window(place), spacing=spacing)
        if args.question:
            return ask_freely(place, shown, family, args.question)
        return ask_wanted(place, shown, family, _wanted(args, tags))
    if weights.config is None:
        fix = "--task with --label, --classes or --points; --question; or the run folder of a training as --model"
        raise ConfigError("nothing is asked", where="--task", fix=fix)
    taught = lesson(taught_rows(weights.config), args.part, args.label, place.plane)
    usual = taught.example.image
    shown = show(place, args.window or usual.window, usual.frame, spacing)
    return ask_again(place, shown, family, taught, tags)


def _require_one_question(args: argparse.Namespace) -> None:
    """Refuse options that would be left unheard.

    Raises:
        ConfigError: two ways to ask at once, or what goes with ``--task`` without it.
    """
    named = {name: getattr(args, name) for name in ("classes", "points", "option")}
    stray = next((name for name, value in named.items() if value and not args.task), "")
    if stray:
        raise ConfigError(f"--{stray} goes with --task", where=f"--{stray}", fix="add --task NAME, or leave it out")
    ways = [f"--{name}" for name in ("question", "task", "part") if getattr(args, name)]
    if len(ways) > 1:
        raise ConfigError(f"{' and '.join(ways)} each ask a question", where=ways[1], fix="keep one of them")


def _wanted(args: argparse.Namespace, tags: Mapping[str, str]) -> Wanted:
    from medft_bm.predict.wanted import Wanted

    options = pairs_of(args.option, "--option")
    return Wanted(args.task, options, args.label, listed(args.classes), listed(args.points), tags)


def spacing_of(text: str | None) -> Spacing | None:
    """Pixel size from ``0.7`` or ``0.7,0.5`` (height, width).

    Raises:
        ConfigError: not one or two positive numbers.
    """
    if text is None:
        return None
    try:
        y, x = [float(number) for number in (text.split(",") * 2)[:2]]
        if text.count(",") > 1:
            raise ValueError("more than two numbers")
        return Spacing(y, x)
    except (ValueError, MedftError) as error:
        fix = "one number in mm, or two: height,width"
        raise ConfigError(f"{text!r} is no pixel size in mm", where="--spacing", fix=fix) from error


def pairs_of(words: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` words as a mapping.

    Raises:
        ConfigError: a word of another form.
    """
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{word!r} is not NAME=VALUE", where=option, fix=f"like {option} name=value")
        pairs[name] = value
    return pairs


def listed(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name for name in map(str.strip, text.split(",")) if name)
