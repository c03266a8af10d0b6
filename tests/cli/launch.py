"""Launchers on stand-ins for the commands that they start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SAY = """\
#!/usr/bin/env bash
# Stands where python stands: answers the questions of the scripts and records what would run.
case "$*" in
  *find_spec*) exit 0 ;;
  *sysconfig*) dirname "$0" ;;
  *device_count*) echo "${FAKE_GPUS:-0}" ;;
  *) echo "$(basename "$0") $*" >>"$RECORD" ;;
esac
[[ "$*" != *"${FAIL_ON:-never}"* ]] || exit 4
"""


class Launch:
    """Runs a launcher with recorded commands; no package, model or GPU is touched."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder, self.repository = folder, repository
        for name in ("python", "accelerate", "nvidia-smi"):
            path = folder / name
            path.write_text(SAY if name != "nvidia-smi" else "#!/usr/bin/env bash\n[[ -n ${FAKE_GPUS:-} ]]\n")
            path.chmod(0o755)

    def __call__(self, name: str, *words: str, code: int = 0, **variables: str) -> list[str]:
        record = self.folder / "record"
        record.write_text("")
        path = f"{self.folder}:/usr/bin:/bin"
        self.done = subprocess.run(
            ["bash", str(self.repository / "script" / "sft" / name), *words],
            env={"PATH": path, "RECORD": str(record), "HOME": os.environ["HOME"], **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert self.done.returncode == code, self.done.stderr
        prefix = "python -m medft_bm.cli.main "
        return [line.removeprefix(prefix) for line in record.read_text().splitlines()]
