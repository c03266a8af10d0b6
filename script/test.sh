#!/usr/bin/env bash
# Set up what is missing, then run every check and every test.
#
#   bash script/test.sh                 # everything
#   bash script/test.sh -k geometry     # words go to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=script/environment.sh
source script/environment.sh
ensure_environment train,dev "${TRAIN_MODULES[@]}" pytest xdist hypothesis skimage ruff mypy importlinter codespell_lib \
  bitsandbytes deepspeed wandb ray nibabel kubernetes_validate openai fastapi uvicorn playwright sklearn

bash script/check.sh
# Two workers with threads of their own would fight over the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
"$python" -m pytest -n 2 "$@"
