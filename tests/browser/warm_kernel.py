"""Kernels that need not load torch and sae-lens, which takes as long as a whole test: each is a fork of one process that has.

What is tested is not loaded before: a kernel is as new as any other, can be restarted, interrupted and killed. For Jupyter it is
this file run with a connection file; that process asks the one that forks, hands signals on, and ends with the kernel.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOADED = ("anywidget", "ipykernel.kernelapp", "pandas", "sae_lens", "scipy.sparse", "torch", "transformer_lens")
_LONGEST = 100_000


@contextmanager
def warm_kernels(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which a Jupyter server starts such kernels, where a process can be forked with what it loaded."""
    if sys.platform != "linux":
        yield environment
        return
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    address, here = f"kernels-{secrets.token_hex(8)}", [sys.executable, __file__]
    argv = [*here, address, "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    process = subprocess.Popen([*here, address], env=environment)
    try:
        yield {**environment, "JUPYTER_PATH": str(folder)}
    finally:
        process.terminate()
        process.wait()


def serve(address: str) -> None:
    """Load, then fork for whoever asks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(f"\0{address}")
        server.listen(16)
        for name in LOADED:
            __import__(name)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
        while True:
            client, _ = server.accept()
            with client:
                told, outputs, _, _ = socket.recv_fds(client, _LONGEST, 2)
                child = os.fork()
                if child == 0:
                    server.close()
                    be_kernel(client, json.loads(told), outputs)
                client.send(str(child).encode())
                for output in outputs:
                    os.close(output)


def be_kernel(client: socket.socket, told: dict[str, str], outputs: list[int]) -> None:
    """In the fork: a kernel, until it or the process that asked for it ends."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(json.loads(told["environment"]))
        os.environ.pop("JPY_PARENT_PID", None)  # it is not this one's parent
        os.chdir(told["folder"])
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)

        def ends_with_it() -> None:
            client.recv(1)
            os._exit(1)

        threading.Thread(target=ends_with_it, daemon=True).start()
        from ipykernel.kernelapp import launch_new_instance

        sys.argv = ["ipykernel_launcher", "-f", told["connection_file"]]
        sys.path[0] = ""
        launch_new_instance()
    finally:
        sys.stdout.flush()
        os._exit(0)


def ask(address: str, connection_file: str) -> None:
    """What Jupyter takes for the kernel."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        end = time.monotonic() + 60
        while True:
            try:
                client.connect(f"\0{address}")
                break
            except OSError:  # not yet there
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        told = {"environment": json.dumps(dict(os.environ)), "folder": os.getcwd(), "connection_file": connection_file}
        socket.send_fds(client, [json.dumps(told).encode()], [1, 2])
        kernel = int(client.recv(32))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda n, _: os.kill(kernel, n))
        client.recv(1)  # nothing comes but its end


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else ask(*sys.argv[1:])
