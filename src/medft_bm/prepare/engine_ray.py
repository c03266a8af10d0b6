"""Preparing on a Ray cluster: the same work, sent to tasks instead of processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from medft_bm.config.schema import Prepare
from medft_bm.core.errors import DependencyError, MedftError
from medft_bm.prepare.engine import Engine, batches, each, in_order

J = TypeVar("J")
R = TypeVar("R")


@contextmanager
def ray_engine(prepare: Prepare) -> Iterator[Engine]:
    """Tasks on the cluster that ``RAY_ADDRESS`` names or that runs on this machine, or else on one started here.

    Every node must see raw data and this library under the same paths. A task whose worker dies is run again by Ray.

    Raises:
        DependencyError: Ray is not installed.
        MedftError: the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise DependencyError(
            f"prepare.engine=ray needs the package 'ray': {error}", where="import ray", fix="pip install ray"
        ) from error
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        except (ConnectionError, RuntimeError, ValueError) as error:
            fix = "check RAY_ADDRESS, or unset it to start Ray on this machine"
            raise MedftError(f"Ray cannot be started: {error}", where="prepare.engine", fix=fix) from error
    try:
        yield _Ray(ray, prepare.workers or int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if ours:
            ray.shutdown()


class _Ray:
    def __init__(self, ray: Any, workers: int) -> None:
        self._ray = ray
        self._workers = workers
        self._each = ray.remote(each)

    def map(self, function: Callable[[J], R], jobs: Sequence[J], *, large: bool) -> Iterator[R]:
        """See :class:`~medft_bm.prepare.engine.Engine`; always on the cluster, which is already running."""

        def submit(batch: Sequence[J]) -> Any:
            return self._each.remote(function, batch)

        try:
            yield from in_order(submit, self._ray.get, batches(jobs, self._workers), self._workers)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, MedftError) else error from None
        except self._ray.exceptions.RayError as error:
            raise MedftError(
                f"the Ray cluster gave up on a task: {str(error).splitlines()[0]}",
                where="prepare.engine",
                fix="look at the cluster; what is done is kept, so the same command goes on from there",
            ) from error
