"""One thread, latest wins, cancel, progress, and widgets before batches."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.ticket import Ticket
from saewidgets.engine.worker import Turn, Worker
from saewidgets.errors import CancelledError


def test_one_thread_without_gradients() -> None:
    worker = Worker()
    torch.set_grad_enabled(True)
    seen = {worker.run(lambda _: (threading.get_ident(), torch.is_grad_enabled())) for _ in range(5)}
    assert len(seen) == 1
    assert seen != {(threading.get_ident(), False)}
    assert not next(iter(seen))[1]


def test_errors_reach_the_caller() -> None:
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda _: 1 // 0)
    assert worker.run(lambda _: 7) == 7


def test_latest_wins_and_each_is_answered_once() -> None:
    worker = Worker()
    gate, answered = threading.Event(), []
    worker.submit(lambda _: gate.wait(5))
    for i in range(5):
        worker.submit(
            lambda _, i=i: i, key="k", on_done=lambda job, i=i: answered.append((i, job.result, type(job.error)))
        )
    other = worker.submit(lambda _: "other", key="other")
    gate.set()
    assert other.finished.wait(5)
    assert sorted(answered) == [(i, None, CancelledError) for i in range(4)] + [(4, 4, type(None))]
    assert other.result == "other"


def test_a_newer_request_cancels_the_running_one() -> None:
    worker = Worker()
    started = threading.Event()

    def long(ticket: Ticket) -> None:
        started.set()
        for _ in range(500):
            ticket.check()
            time.sleep(0.01)

    first = worker.submit(long, key="k")
    assert started.wait(5)
    second = worker.submit(lambda _: "new", key="k")
    assert second.finished.wait(5)
    assert isinstance(first.error, CancelledError)
    assert second.result == "new"


def test_the_quick_run_between_the_steps_of_the_long() -> None:
    """Each job lets in, between its two steps, what has a higher turn, and nothing else; whoever is nested does so too."""
    worker = Worker()
    order: list[str] = []
    begun = {turn: threading.Event() for turn in Turn}
    ready = {turn: threading.Event() for turn in Turn}

    def job(turn: Turn, name: str, wait: bool = True) -> Callable[[Ticket], None]:
        def steps(ticket: Ticket) -> None:
            order.append(f"{name} 1")
            if wait:
                begun[turn].set()
                assert ready[turn].wait(30)
            ticket.breathe()
            order.append(f"{name} 2")

        return steps

    jobs = [worker.submit(job(Turn.BUILD, "build"), turn=Turn.BUILD)]
    assert begun[Turn.BUILD].wait(30)
    jobs.append(worker.submit(job(Turn.BUILD, "another build", wait=False), turn=Turn.BUILD))
    jobs.append(worker.submit(job(Turn.LONG, "sweep"), turn=Turn.LONG))
    ready[Turn.BUILD].set()
    assert begun[Turn.LONG].wait(30)
    jobs.append(worker.submit(job(Turn.LONG, "effects", wait=False), turn=Turn.LONG))
    jobs.append(worker.submit(job(Turn.CELL, "cell")))
    ready[Turn.LONG].set()
    assert begun[Turn.CELL].wait(30)
    jobs.append(worker.submit(job(Turn.CELL, "another cell", wait=False)))
    jobs.append(worker.submit(lambda _: order.append("question"), turn=Turn.QUESTION))
    ready[Turn.CELL].set()
    for one in jobs:
        assert one.finished.wait(30)
    assert order == (
        "build 1/sweep 1/cell 1/question/cell 2/another cell 1/another cell 2/sweep 2/effects 1/effects 2/build 2/"
        "another build 1/another build 2"
    ).split("/")


def test_whoever_waits_hears_that_there_is_an_answer_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.engine.worker._PULSE_SECONDS", 0.01)
    worker = Worker()
    heard = {name: threading.Event() for name in ("runs", "waits")}
    reached: dict[str, tuple[int, int]] = {}

    def hear(name: str) -> Callable[[int, int], None]:
        def alive(done: int, total: int) -> None:
            reached[name] = (done, total)
            if (done, total) == {"runs": (2, 7), "waits": (0, 0)}[name]:
                heard[name].set()

        return alive

    def long(ticket: Ticket) -> None:
        ticket.progress(2, 7)
        assert heard["waits"].wait(30)
        assert heard["runs"].wait(30)

    jobs = [worker.submit(long, on_alive=hear("runs")), worker.submit(lambda _: None, on_alive=hear("waits"))]
    for job in jobs:
        assert job.finished.wait(60)
        assert job.error is None
    pulse = worker._queue.pulse
    assert pulse is not None
    # A job is a widget's: once it is done nobody keeps either.
    kept = [weakref.ref(one) for one in jobs]
    del job, jobs
    end = time.monotonic() + 30
    while any(one() is not None for one in kept) and time.monotonic() < end:
        gc.collect()
    assert [one() for one in kept] == [None, None]
    worker.close()
    pulse.join(30)
    assert not pulse.is_alive()


def test_progress() -> None:
    worker = Worker()
    seen: list[tuple[int, int]] = []
    worker.run(lambda ticket: ticket.progress(1, 2), on_progress=lambda *p: seen.append(p))
    assert seen == [(1, 2)]


def test_a_long_forward_says_that_it_is_alive() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    seen: list[tuple[int, int]] = []
    engine.activations("the heaven", on_progress=lambda *p: seen.append(p))
    assert seen == [(3, 3)], "a short one only ends"
    seen.clear()
    n = len(engine.to_ids("the heaven and the earth")[0])
    engine.activations(["the heaven and the earth"] * 400, on_progress=lambda *p: seen.append(p))
    assert {total for _, total in seen} == {400 * n}
    counts = [done for done, _ in seen]
    # The first block: where it begins, its norm (of queries, keys and values), attention, norm, MLP; then the second.
    assert len(counts) == 1 + 3 + 3 + 1 + 1 and counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 400 * n)


def test_a_failing_answer_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker()
    job = worker.submit(lambda _: 1, on_done=lambda _: 1 // 0)
    assert job.finished.wait(5)
    assert worker.run(lambda _: 2) == 2
    assert "could not be delivered" in caplog.text


@pytest.mark.slow
def test_close_answers_what_waits_and_lets_the_worker_go() -> None:
    worker = Worker()
    gate, answered = threading.Event(), []
    worker.submit(lambda _: gate.wait(5))
    worker.submit(lambda _: 1, on_done=lambda job: answered.append(type(job.error)))
    threading.Timer(0.2, gate.set).start()
    worker.close()
    assert answered == [CancelledError]
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(lambda _: 1)

    gone = Worker()
    gone.run(lambda _: 1)
    ref, thread = weakref.ref(gone), gone._thread
    del gone
    gc.collect()
    assert ref() is None
    thread.join(5)
    assert not thread.is_alive()


def test_a_step_inside_a_job_can_count_for_itself() -> None:
    """What a job asks of the same worker counts its own tokens; the job says what part of the whole these are."""
    told: list[tuple[int, int]] = []
    inner: list[tuple[int, int]] = []
    worker = Worker()

    def step(ticket: Ticket) -> None:
        ticket.progress(5, 10)

    def job(ticket: Ticket) -> None:
        ticket.progress(0, 100)
        worker.run(step, lambda done, of: inner.append((done, of)))
        ticket.progress(50, 100)
        worker.run(step)

    worker.run(job, lambda done, of: told.append((done, of)))
    worker.close()
    assert inner == [(5, 10)]
    assert told == [(0, 100), (50, 100), (5, 10)]


def test_a_program_that_ends_waits_for_the_step_in_hand() -> None:
    script = """if True:
        import threading, time
        from saewidgets.engine import worker
        worker._END_SECONDS = 0.0  # as if the step took longer than what waits while a program goes on
        begun = threading.Event()
        def step(ticket):
            begun.set()
            time.sleep(0.3)
            print("whole", flush=True)
        one = worker.Worker()
        one.submit(step)
        begun.wait()
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "whole\n", "")
