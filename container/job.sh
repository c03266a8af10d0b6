#!/usr/bin/env bash
# A whole job where machines come and go: prepare, train, merge, evaluate before and after. Start it again after a stop.
#
#   RUN_FOLDER=runs/one bash container/job.sh tasks/demo.yaml train.lr=1e-4
#
# SIGTERM and SIGUSR1 are passed on, and a training saves. The exit code is then 75, which means: the same again, please.
# Any other code but 0 is that of the step that failed. Words are key=value settings and win over everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${RUN_FOLDER:?where everything goes, on a disk that outlives this machine}"
: "${DATA_ROOT:=}" "${CACHE:=}"
config=${1:?usage: job.sh CONFIG.yaml [key=value ...]}
shift
words=("run.folder=$RUN_FOLDER")
[[ -z $DATA_ROOT ]] || words+=("data.root=$DATA_ROOT")
[[ -z $CACHE ]] || words+=("data.cache=$CACHE")
words+=("$@")

readonly AGAIN=75
stopping='' heard='' child=''
pass_on() { # SIGNAL
  stopping=1 heard=1
  [[ -z $child ]] || kill -s "$1" "$child" 2>/dev/null || true
}
trap 'pass_on TERM' TERM
trap 'pass_on USR1' USR1

step() { # COMMAND...: in the background, because bash hears signals only while it waits
  [[ -z $stopping ]] || exit "$AGAIN"
  printf '\n== %s\n' "$*"
  local code
  "$@" &
  child=$!
  while true; do
    heard='' code=0
    wait "$child" || code=$?
    [[ -n $heard ]] || break # what interrupted the waiting was a signal, not the end
  done
  child=
  # Whatever was stopped: torchrun makes a 1 of the training's 75, and before the training begins it is 143.
  if ((code != 0)) && [[ -n $stopping ]]; then exit "$AGAIN"; fi
  ((code == 0)) || exit "$code"
}

gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
trainer=(medft)
if ((gpus > 1)); then
  export PET_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1
  export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-300}"
  trainer=(torchrun --standalone --nproc_per_node "$gpus" -m medft_bm.cli.main)
fi

step medft prepare "$config" "${words[@]}"
step "${trainer[@]}" train "$config" "${words[@]}"
if [[ ! -f $RUN_FOLDER/merged/merge_report.json ]]; then step medft merge "$config" "${words[@]}"; fi
step medft evaluate "$config" --model base "${words[@]}"
step medft evaluate "$config" --model merged "${words[@]}"
