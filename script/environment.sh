#!/usr/bin/env bash
# One Python for every script: the active one if it has what is needed, else .venv in the repository.
#
#   source script/environment.sh
#   ensure_environment train,dev pytest torch     # extras of pyproject.toml, modules that must be importable
#
# Run from the repository's root. Sets $python, and puts this checkout and that Python's commands first.

# What the extra `train` brings.
# shellcheck disable=SC2034
TRAIN_MODULES=(torch torchvision transformers trl peft accelerate datasets tensorboard psutil)

has_modules() { # PYTHON MODULE...
  "$1" -c 'import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))' \
    "${@:2}" 2>/dev/null
}

ensure_environment() { # EXTRAS MODULE...
  local extras=$1
  shift
  python=$(command -v python || command -v python3 || true)
  if [[ -z $python ]] || ! has_modules "$python" medft_bm "$@"; then
    python=$PWD/.venv/bin/python
    venv_is_ready "$extras" "$@" || make_venv "$extras" "$@"
  fi
  PATH=$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH
  # An environment made for another checkout lends its packages; the code that runs is this one's.
  export PATH PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
}

venv_is_ready() { # EXTRAS MODULE...
  local stamp=.venv/.medft-$1
  [[ -x $python ]] && has_modules "$python" medft_bm "${@:2}" &&
    [[ ! -e $stamp || $(<"$stamp") == "$(cksum <pyproject.toml)" ]]
}

make_venv() { # EXTRAS MODULE...
  mkdir -p .venv
  # Two scripts started at once must not install into each other.
  exec 9>.venv/.lock
  if command -v flock >/dev/null; then flock 9; fi
  if ! venv_is_ready "$@"; then
    echo "Setting up .venv with medft_bm[$1]: once, a few minutes, several GB" >&2
    "$(find_python)" -m venv .venv
    local quiet=()
    [[ -t 2 ]] || quiet=(--quiet)
    "$python" -m pip install --disable-pip-version-check "${quiet[@]}" --editable ".[$1]"
    cksum <pyproject.toml >".venv/.medft-$1"
  fi
  exec 9>&-
}

find_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "medft: no Python 3.11 or newer found; install one and put it on PATH" >&2
  return 1
}
