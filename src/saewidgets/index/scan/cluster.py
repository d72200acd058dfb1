"""A Ray cluster for as long as a build needs it: joined where there is one, started on this machine where that was asked for.

What was joined goes on when the build ends; what was started here ends with it. Without a cluster nothing is started, and that is said
within seconds: Ray itself would wait for minutes.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from ..errors import ClusterError

__all__ = ["AUTO", "LOCAL", "Room", "joined"]

AUTO, LOCAL = "auto", "local"
_CONNECT_SECONDS = 5.0
# Ray gives its own processes 15 seconds to start, which a busy machine may not keep.
_STARTS = 3


@dataclass(frozen=True)
class Room:
    """What a cluster has.

    Attributes:
        machines: CPUs and GPUs of each that is alive.
    """

    ray: ModuleType
    machines: tuple[tuple[float, float], ...]

    @property
    def gpus(self) -> float:
        """Of all machines."""
        return sum(gpus for _, gpus in self.machines)


@contextmanager
def joined(cluster: str) -> Iterator[Room]:
    """Be connected to a cluster.

    Args:
        cluster: "auto", the one that runs on this machine or that RAY_ADDRESS names (a process that is connected already stays with
            that); "host:port" of its head, of which this machine must be a part; or "local", one of this machine alone, for this time.

    Raises:
        ClusterError: if Ray is not installed, there is no cluster, or it is of another version.
    """
    ray = _ray()
    if ray.is_initialized():
        _must_be_there(ray, cluster)
        yield _room(ray)
        return
    if cluster == LOCAL:
        _start(ray)
    else:
        _join(ray, cluster)
    try:
        yield _room(ray)
    finally:
        ray.shutdown()


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"cluster= needs Ray, which cannot be imported ({error}): pip install 'saewidgets[ray]', on every machine of the cluster."
        ) from error
    return ray


def _room(ray: ModuleType) -> Room:
    has = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Room(ray, tuple((float(one.get("CPU", 0)), float(one.get("GPU", 0))) for one in has))


def _start(ray: ModuleType) -> None:
    for _ in range(_STARTS):
        try:
            with _quiet():
                ray.init(address="local", include_dashboard=False, logging_level=logging.CRITICAL, log_to_driver=False)
            return
        except Exception as error:
            ray.shutdown()
            failed = error
    raise ClusterError(
        f"Ray did not start on this machine, {_STARTS} times: {failed} Its logs are in {_logs()}. On a busy machine, wait; or build "
        "without cluster=: on one machine Ray is of use only for several GPUs."
    ) from failed


def _join(ray: ModuleType, cluster: str) -> None:
    if cluster != AUTO:
        _must_answer(cluster)
    elif address := os.environ.get("RAY_ADDRESS"):
        _must_answer(address)
    try:
        with _quiet():
            ray.init(address=cluster, logging_level=logging.CRITICAL, log_to_driver=False)
    except (Exception, SystemExit) as error:
        ray.shutdown()
        where = "on this machine" if cluster == AUTO else f"at {cluster}"
        if "AuthToken" in f"{error} {error.__cause__}":
            raise ClusterError(
                f"The Ray cluster {where} wants its token, which stands on its head in ~/.ray/auth_token: set RAY_AUTH_MODE=token and "
                'RAY_AUTH_TOKEN_PATH (or RAY_AUTH_TOKEN) before Ray is imported, or pass cluster="auto" on a machine that has the file. '
                "Nothing was started."
            ) from error
        raise ClusterError(
            f"There is no Ray cluster {where} that can be joined: {error} Start one with `ray start --head` (and `ray start "
            '--address=...` on the other machines), or pass cluster="local" for one of this machine alone. Nothing was started.'
        ) from error


def _must_be_there(ray: ModuleType, cluster: str) -> None:
    """Raise if this process is connected to another cluster than the one that was asked for."""
    here = ray.get_runtime_context().gcs_address
    if cluster not in (AUTO, LOCAL, here):
        raise ClusterError(
            f'This process is connected to the Ray cluster at {here}, not to {cluster}: pass cluster="auto" to use that one, or call '
            "ray.shutdown() first."
        )


def _must_answer(address: str) -> None:
    """Raise unless somebody listens there."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise ClusterError(
            f"cluster={address!r}: a build runs on a machine of the cluster, and names it by the host:port that `ray start --head` prints."
        )
    if not host or not port.isdecimal():
        raise ClusterError(
            f'cluster={address!r} is no address: pass "host:port" of the head (`ray start --head` prints it), "auto" or "local".'
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"There is no Ray cluster at {address}: {error.strerror or error}. `ray start --head` prints the address of one; "
            'cluster="local" needs none. Nothing was started.'
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No reports to Ray's makers from a cluster of ours, and no warnings about its own processes."""
    before = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["RAY_USAGE_STATS_ENABLED"]
        else:
            os.environ["RAY_USAGE_STATS_ENABLED"] = before


def _logs() -> str:
    return os.path.join(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "session_latest", "logs")
