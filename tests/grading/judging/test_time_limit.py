"""What never ends is stopped."""

import signal
import time

import pytest

from grading.judging.time_limit import TooLong, time_limit


def endless():
    while True:
        try:
            sum(range(1000))
        except Exception:  # as an answer may have it
            pass


def test_an_endless_loop_is_stopped_and_the_signal_is_as_before():
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TooLong), time_limit(0.1):
        endless()
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_what_ends_in_time_is_left_alone():
    with time_limit(10.0):
        result = sum(range(1000))
    assert result == 499500
    spent = time.process_time()
    while time.process_time() < spent + 0.05:  # no timer is left to go off
        pass
