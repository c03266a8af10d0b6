#!/usr/bin/env bash
# Every check that is not a test; `make check` runs this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=script/environment.sh
source script/environment.sh
ensure_environment train,dev ruff mypy importlinter codespell_lib torch

mapfile -t shell_files < <(find . -path ./.venv -prune -o '(' -name '*.sh' -o -name '*.sbatch' ')' -print)

failed=()
check() {
  echo "== $*"
  "$@" || failed+=("$1")
}
check ruff check .
check ruff format --check .
check mypy --strict
check lint-imports
check shellcheck --external-sources "${shell_files[@]}" .ci/run container/apptainer/python
check hadolint --config container/hadolint.yaml container/*.Dockerfile
check codespell

if ((${#failed[@]})); then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
