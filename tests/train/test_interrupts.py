import os
import signal
import threading

import pytest

from ranvier.train.interrupts import Interrupts


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_is_noted_and_the_old_handlers_come_back(name):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert interrupts.received == ""
        os.kill(os.getpid(), getattr(signal, name))
        assert interrupts.received == name
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_ctrl_c_interrupts_at_once_and_a_second_sigterm_does_not():
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.received == "SIGTERM"


def test_outside_the_main_thread_nothing_is_noted_and_nothing_breaks():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with Interrupts() as interrupts:
            seen.append((interrupts.received, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [("", before)]
