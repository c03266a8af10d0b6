"""``medft predict``: one question about one image, answered, read and drawn."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.asked import add_image, add_model, listed, pairs_of, require_utf8, spacing_of
from medft_bm.cli.common import add_json, add_verb, dumps
from medft_bm.core.errors import ConfigError, MedftError

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
    verb.add_argument("--question", metavar="TEXT", help="ask this instead; the reply is not read")
    verb.add_argument("--overlay", type=Path, metavar="FILE", help="PNG to draw the image and what was found on")
    verb.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="longest reply (default: 64)")
    add_json(verb)
    verb.set_defaults(run=run)


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
    from medft_bm.predict.taught import lesson, shown_as_taught, taught_rows

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
    shown = shown_as_taught(taught, place, args.window, spacing)
    return ask_again(place, shown, family, taught, tags)


def _require_one_question(args: argparse.Namespace) -> None:
    """Refuse options that would be left unheard.

    Raises:
        ConfigError: two ways to ask at once, an empty question, or what goes with another way.
    """
    if args.question is not None and not args.question.strip():
        raise ConfigError("the question is empty", where="--question", fix="write one, or leave it out")
    require_utf8(args.question or "", "--question")
    named = {name: getattr(args, name) for name in ("classes", "points", "option")}
    stray = next((name for name, value in named.items() if value and not args.task), "")
    if stray:
        raise ConfigError(f"--{stray} goes with --task", where=f"--{stray}", fix="add --task NAME, or leave it out")
    ways = [f"--{name}" for name in ("question", "task", "part") if getattr(args, name)]
    if len(ways) > 1:
        raise ConfigError(f"{' and '.join(ways)} each ask a question", where=ways[1], fix="keep one of them")
    stray = next((name for name in ("label", "tag") if getattr(args, name) and args.question), "")
    if stray:
        what = f"--{stray} is part of a task's question, and --question asks in your own words"
        raise ConfigError(what, where=f"--{stray}", fix="leave it out, or write it into the question")


def _wanted(args: argparse.Namespace, tags: Mapping[str, str]) -> Wanted:
    from medft_bm.predict.wanted import Wanted

    options = pairs_of(args.option, "--option")
    return Wanted(args.task, options, args.label, listed(args.classes), listed(args.points), tags)
