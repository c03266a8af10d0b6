"""``medft plan``: what a training will need, before a GPU is booked for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, table
from medft_bm.cli.prepare import prepared_rows
from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.plan.dry_run import Measured
    from medft_bm.plan.machines import Choice
    from medft_bm.plan.make import Plan, Verdict

GIB = 2**30
BAR = 40
"""Characters of the longest bar of the histogram."""
TOWERS = ("vision", "projector", "language")
PARTS = ("weights", "gradients", "optimizer", "activations", "gathered", "reserve")

EXAMPLES = """
medft plan tasks/demo.yaml
medft plan tasks/real_samples.yaml model.name=google/medgemma-4b-it --gpu L4 4xH100 --price-per-hour 2.5
medft plan tasks/demo.yaml --dry-run      # also train two steps on the largest samples, here, and measure
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "plan", "say what a training will need: tokens, memory, time; prepares the rows", EXAMPLES)
    add_config(verb)
    verb.add_argument("--gpu", nargs="+", action="extend", default=[], metavar="NAME", help="like L4, or 8xH100")
    verb.add_argument("--price-per-hour", type=float, metavar="PRICE", help="of one GPU, to state the cost")
    verb.add_argument(
        "--dry-run", action="store_true", help="also take two real steps on the largest samples and measure memory"
    )
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Plan and print."""
    words = [word for word in args.gpu if "=" in word]  # argparse gives them to --gpu when they come after it
    args.words = [*args.words, *words]
    if args.price_per_hour is not None and args.price_per_hour < 0:
        raise ConfigError(f"a price of {args.price_per_hour:g}", where="--price-per-hour", fix="give 0 or more")
    config = load(args).config

    from medft_bm.plan.machines import machines
    from medft_bm.plan.make import make_plan
    from medft_bm.train.settings import typed_sft

    typed_sft(config.train.sft)
    chosen = machines([word for word in args.gpu if word not in words])
    prepared, family = prepared_rows(config)
    plan = make_plan(prepared, family, config, chosen, args.price_per_hour)
    measured = None
    if args.dry_run:
        from medft_bm.plan.dry_run import dry_run

        measured = dry_run(prepared, family, config)
    if args.json:
        print(dumps({**plan.as_json(), "dry_run": measured and measured.as_json()}))
    else:
        print("\n".join([*_lines(plan), *(_measured(measured) if measured else ())]))
    return 0


def _lines(plan: Plan) -> Iterator[str]:
    lengths = plan.lengths
    rows = f"{lengths.rows:,} training samples"
    if len(lengths.places) < lengths.rows:
        rows += f", the text of {len(lengths.places):,} of them encoded: evenly spread ones and the longest"
    yield f"Tokens: {rows}"
    yield table([{"": name, **shares} for name, shares in lengths.percentiles().items()])
    yield "\nImage tokens"
    top = max(share for *_, share in plan.histogram)
    for low, high, share in plan.histogram:
        name = f"{low}" if low == high else f"{low}-{high}"
        yield f"  {name:>11}  {share:6.1%}  {'#' * max(1, round(BAR * share / top)) if share else ''}"
    yield "\nParameters, in millions"
    sums = {"all": (sum(plan.total.values()), sum(plan.trainable.values()))}
    counts = {part: (plan.total[part], plan.trainable[part]) for part in TOWERS} | sums
    yield table([_parameters(name, *pair) for name, pair in counts.items()])
    yield from _memory(plan)
    yield from _verdicts(plan)


def _parameters(name: str, total: int, trained: int) -> dict[str, str | float]:
    share = f"{trained / total:.2%}" if total else ""
    return {"": name, "total": f"{total / 1e6:,.2f}", "trained": f"{trained / 1e6:,.2f}", "share": share}


def _memory(plan: Plan) -> Iterator[str]:
    first = plan.verdicts[0]
    yield (
        f"\nMemory per GPU in GiB, with the config as it is, for the largest sample ({plan.largest.tokens:,} tokens);\n"
        f"frozen weights in {plan.precision.weights}, trained ones in float32; {_settings(first.configured)}"
    )
    yield table(
        [_parts(count, choice) for count, choice in {one.count: one.configured for one in plan.verdicts}.items()]
    )


def _parts(count: int, choice: Choice) -> dict[str, str]:
    sizes = choice.memory.parts()
    return {"GPUs": f"{count}", **{name: _gib(sizes[name]) for name in PARTS}, "total": _gib(choice.memory.total)}


def _verdicts(plan: Plan) -> Iterator[str]:
    priced = any(one.duration is not None and one.duration.cost is not None for one in plan.verdicts)
    yield "\nWhere the config fits, and the fastest settings that do"
    yield table([_verdict(one, priced=priced) for one in plan.verdicts])
    yield (
        "\nconfig, needs: GiB per GPU. batch: train.device_batch x train.accumulation.\n"
        "recompute: train.gradient_checkpointing. hours: one training with these settings, without\n"
        f"evaluation, at {plan.assumed_share:.0%} of the GPU's peak, which is an assumption: `medft train` logs the "
        "real\nshare as mfu. --json has all numbers."
    )
    for one in plan.verdicts:
        if one.suggested and one.suggested.memory.host:
            host = _gib(one.suggested.memory.host)
            yield f"{one.machine}: {one.suggested.strategy} also needs {host} GiB of the machine's own memory per GPU."
    if not all(one.suggested for one in plan.verdicts):
        yield "too much: try train.method=qlora, fewer pixels (model.max_pixels), or more GPUs, as 4xH100."


def _verdict(one: Verdict, *, priced: bool) -> dict[str, str]:
    said = {
        "GPU": one.machine,
        "usable": _gib(one.usable),
        "config": _gib(one.configured.memory.total),
        "fits": "yes" if one.fits else "no",
        **_suggestion(one.suggested),
        "hours": "" if one.duration is None else f"{one.duration.hours:,.2f}",
    }
    if priced:
        said["cost"] = "" if one.duration is None else f"{one.duration.cost:,.2f}"
    return said


def _suggestion(choice: Choice | None) -> dict[str, str]:
    if choice is None:
        return dict.fromkeys(("batch", "recompute", "strategy"), "-") | {"needs": "too much"}
    return {
        "batch": f"{choice.device_batch} x {choice.accumulation}",
        "recompute": "yes" if choice.checkpointing else "no",
        "strategy": choice.strategy,
        "needs": _gib(choice.memory.total),
    }


def _settings(choice: Choice) -> str:
    again = "checkpointing" if choice.checkpointing else "no checkpointing"
    return f"batch {choice.device_batch} x {choice.accumulation}, {again}, {choice.strategy}"


def _measured(measured: Measured) -> Iterator[str]:
    yield f"\nDry run: two steps on the largest samples, on {measured.device}; MiB"
    yield table(
        [
            {"": name, "estimated": f"{estimated / 2**20:,.1f}", "measured": f"{found / 2**20:,.1f}"}
            for name, (estimated, found) in measured.parts().items()
        ]
    )


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}" if size < 10 * GIB else f"{size / GIB:.1f}"
