"""The breaker: open after five failures, one trial at a time, closed by a success, and never in the way of a call."""

from __future__ import annotations

import threading

import pytest

from onboarding_bot.services.circuit_breaker import CircuitBreaker

OPEN_SECONDS = 10.0


class Seconds:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> CircuitBreaker:
    return CircuitBreaker(failures_to_open=5, open_seconds=OPEN_SECONDS, clock=seconds)


def fail(breaker: CircuitBreaker, times: int = 5) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_starts_closed(breaker: CircuitBreaker) -> None:
    assert breaker.state == "closed"
    assert breaker.allows_call()


def test_it_opens_with_the_fifth_failure_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    assert breaker.state == "closed"
    assert breaker.allows_call()
    breaker.failed()
    assert breaker.state == "open"
    assert not breaker.allows_call()


def test_a_success_starts_the_count_again(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    breaker.succeeded()
    fail(breaker, 4)
    assert breaker.state == "closed"


def test_one_trial_goes_through_after_a_while(breaker: CircuitBreaker, seconds: Seconds) -> None:
    fail(breaker)
    seconds.now += OPEN_SECONDS - 0.1
    assert not breaker.allows_call()
    seconds.now += 0.1
    assert breaker.state == "half_open"
    assert breaker.allows_call()
    assert not breaker.allows_call()


def test_a_trial_that_succeeds_closes_it(breaker: CircuitBreaker, seconds: Seconds) -> None:
    fail(breaker)
    seconds.now += OPEN_SECONDS
    assert breaker.allows_call()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.allows_call()
    assert breaker.allows_call()


def test_a_trial_that_fails_keeps_it_open_as_long_again(breaker: CircuitBreaker, seconds: Seconds) -> None:
    fail(breaker)
    seconds.now += OPEN_SECONDS
    assert breaker.allows_call()
    seconds.now += 8
    breaker.failed()
    seconds.now += OPEN_SECONDS - 0.1
    assert not breaker.allows_call()
    seconds.now += 0.1
    assert breaker.allows_call()


def test_a_trial_that_never_comes_back_does_not_keep_it_open_for_ever(
    breaker: CircuitBreaker, seconds: Seconds
) -> None:
    fail(breaker)
    seconds.now += OPEN_SECONDS
    assert breaker.allows_call()
    seconds.now += OPEN_SECONDS
    assert breaker.allows_call()


def test_a_service_that_is_well_again_is_found_within_thirty_seconds(breaker: CircuitBreaker, seconds: Seconds) -> None:
    """The worst case: it recovers just after a trial began that lasts its whole deadline."""
    fail(breaker)
    seconds.now += OPEN_SECONDS
    assert breaker.allows_call()
    recovered = seconds.now
    seconds.now += 8
    breaker.failed()
    while not breaker.allows_call():
        seconds.now += 0.5
    breaker.succeeded()
    assert breaker.state == "closed"
    assert seconds.now - recovered <= 30


def test_of_many_threads_one_gets_the_trial(breaker: CircuitBreaker, seconds: Seconds) -> None:
    fail(breaker)
    seconds.now += OPEN_SECONDS
    barrier = threading.Barrier(8)
    allowed: list[bool] = []

    def ask() -> None:
        barrier.wait(timeout=120)
        allowed.append(breaker.allows_call())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(allowed) == [False] * 7 + [True]
