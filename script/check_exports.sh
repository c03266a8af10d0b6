#!/usr/bin/env bash
# Have the other projects' own loaders read what `medft export` writes, and compare it with our rows.
#
#   bash script/check_exports.sh                       # all of them: half an hour, 7 GB of disk at a time
#   bash script/check_exports.sh ms-swift lmms-eval    # some of them
#
# Every project is installed into an environment of its own, which is deleted afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=script/environment.sh
source script/environment.sh
ensure_environment train "${TRAIN_MODULES[@]}"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/medft-exports-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export HF_HOME="$scratch/hf" HF_HUB_OFFLINE=1 MODELSCOPE_CACHE="$scratch/modelscope" SCRATCH="$scratch/trained"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# The demo's models and a Qwen3-VL, with the patches of the published ones, which ms-swift takes for granted, and with a
# budget that enlarges some pictures of the demo and shrinks others.
cp -r script/demo/base "$scratch/base"
"$python" - "$scratch/base/qwen3_vl" <<'PYTHON'
import sys
from pathlib import Path

from medft_bm.models.tiny import build_tiny

build_tiny("qwen3_vl", Path(sys.argv[1]), ["An axial image. [0.1, 2] 12.3 mm"], seed=1, hidden=64, layers=(1, 1), heads=4)
PYTHON
budget() { # MODEL PATCH LEAST MOST
  sed -i "s/\"patch_size\": 8/\"patch_size\": $2/; s/_edge\": 2048/_edge\": $3/; s/_edge\": 4096/_edge\": $4/" \
    "$scratch/base/$1/processor_config.json"
}
budget qwen2_5_vl 14 4704 6272
budget qwen3_vl 16 6144 8192

write() { # MODEL FORMAT: prints the folder
  "$python" -m medft_bm.cli.main export tasks/demo.yaml --format "$2" --out "$scratch/$1/$2" \
    "model.name=$scratch/base/$1" "data.root=$scratch/raw" "data.cache=$scratch/cache" \
    data.limit_per_task.train=40 >"$scratch/export.log"
  echo "$scratch/$1/$2"
}

environment() { # NAME PACKAGE...: prints its Python
  "$python" -m venv "$scratch/$1"
  env -u PYTHONPATH "$scratch/$1/bin/python" -m pip install --quiet "${@:2}" >&2
  echo "$scratch/$1/bin/python"
}

check() { # FORMAT MODEL...
  local format=$1 model other exported plain
  echo "== $format"
  case $format in
    # The newest torch needs a torchaudio that does not exist.
    llamafactory) other=$(environment "$format" llamafactory==0.9.5 'torch==2.11.*' 'torchaudio==2.11.*') ;;
    ms-swift) other=$(environment "$format" ms-swift==4.6.0 qwen-vl-utils==0.0.14 torch torchvision) ;;
    # The tasks import medft_bm, from this checkout; this is what lmms-eval does not bring of what it needs.
    lmms-eval) other=$(environment "$format" lmms-eval==0.7.3 scipy SimpleITK isal filelock) ;;
    *) echo "there is no check for $format" >&2 && return 2 ;;
  esac
  for model in "${@:2}"; do
    exported=$(write "$model" "$format")
    plain=$(write "$model" jsonl)
    "$other" "script/exports/check_${format//-/_}.py" "$exported" "$plain"
  done
  rm -rf "${scratch:?}/$format"
}

(($#)) || set -- llamafactory ms-swift lmms-eval
for format in "$@"; do
  check "$format" gemma3 qwen2_5_vl qwen3_vl
done
