import signal
import threading

import pytest

from pushforward.training.interrupt import deferred_interrupt


@pytest.fixture(autouse=True)
def heard():
    """Shells start what runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)  # in this thread and at once; what a process is sent may arrive later


def test_ctrl_c_is_put_off():
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as asked:
        assert not asked()
        press()
        assert asked()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_is_not():
    before = signal.getsignal(signal.SIGINT)

    def twice():
        with deferred_interrupt():
            press()
            press()

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_there_is_nothing_to_put_off():
    seen = []

    def work():
        with deferred_interrupt() as asked:
            seen.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
