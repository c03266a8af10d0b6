"""The command ``medft``: parse, run one verb, turn errors into one message and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from medft_bm.cli import (
    chat,
    compare,
    config,
    doctor,
    evaluate,
    export,
    inspect,
    merge,
    plan,
    predict,
    prepare,
    push,
    registry,
    train,
)
from medft_bm.core.errors import INSTALL, ConfigError, DependencyError, MedftError

OURS = "medft_bm"
EXIT_CODES = "exit codes: 0 ok, 1 failure, 2 configuration, 3 missing package, 4 data, 75 stopped and saved"
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        The exit code: 0 ok, 1 failure, 2 configuration, 3 missing package, 4 data.
    """
    # TRL reports every training to the Hub; a hospital's machine should say nothing unless told to.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    _set_up_messages()
    args = _parse(sys.argv[1:] if argv is None else argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except MedftError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        return _fail(_missing(error)) if _is_foreign(error) else _bug(error)
    except KeyboardInterrupt:
        print("medft: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough, as in `medft config keys | head`; keep the interpreter's own last
        # flush from complaining about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the one place where anything becomes one line
        return _bug(error)
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line; imports nothing heavy."""
    made = argparse.ArgumentParser(
        prog="medft",
        description="Fine-tune medical vision-language models to measure, and evaluate them before and after.",
        epilog=f"`medft VERB --help` shows an example of every verb.\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"medft {_version()}")
    verbs = made.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in (
        prepare,
        inspect,
        export,
        plan,
        train,
        evaluate,
        compare,
        predict,
        chat,
        merge,
        push,
        registry,
        config,
        doctor,
    ):
        module.add(verbs)
    return made


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    top = parser()
    if not argv:
        top.print_help()
        raise SystemExit(ConfigError.exit_code)
    # argparse stops collecting words at the first option after CONFIG; the rest of them comes back as unknown.
    args, rest = top.parse_known_args(argv)
    if any(word.startswith("-") for word in rest) or (rest and not hasattr(args, "words")):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.words = [*args.words, *rest]
    return args


def _set_up_messages() -> None:
    log = logging.getLogger(OURS)
    # Under a launcher every process would say the same; the first one speaks for all.
    log.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
    if not os.environ.get("MEDFT_DEBUG"):
        # Libraries warn each other about their next versions; that is news for us, not for a user.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft|torch|accelerate)\b")
        # Pillow's, about a bomb; up to twice that size it reads the picture all the same.
        warnings.filterwarnings("ignore", message=r"Image size \(\d+ pixels\) exceeds limit")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False
    # DeepSpeed, wherever it is installed, writes to standard output, which belongs to results.
    logging.getLogger("DeepSpeed").addFilter(_pass_on)


def _pass_on(record: logging.LogRecord) -> bool:
    if not record.getMessage().startswith("Setting accelerator to CPU"):  # no news on a machine without a GPU
        logging.getLogger(OURS).handle(record)
    return False


def _fail(error: MedftError) -> int:
    if os.environ.get("MEDFT_DEBUG"):
        traceback.print_exception(error)
    print(f"medft: {error}", file=sys.stderr)
    return error.exit_code


def _is_foreign(error: ModuleNotFoundError) -> bool:
    return error.name is not None and not error.name.startswith(OURS)


def _missing(error: ModuleNotFoundError) -> DependencyError:
    return DependencyError(f"this needs the package {error.name!r}", where=f"import {error.name}", fix=INSTALL)


def _bug(error: Exception) -> int:
    if os.environ.get("MEDFT_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split()) or "no message"
    print(f"medft: unexpected {type(error).__name__}: {text}", file=sys.stderr)
    print("  fix: MEDFT_DEBUG=1 shows the traceback; please report it with the command", file=sys.stderr)
    return MedftError.exit_code


def _version() -> str:
    try:
        return version(OURS)
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":  # `accelerate launch -m medft_bm.cli.main` starts a module, not a command
    sys.exit(main())
