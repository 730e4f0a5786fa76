"""The memory that a rehearsal wrote to is found, and can be copied ahead."""

import mmap
import os

import pytest

from tidemill.forkserver.warming import learn, warm_up

PAGE = mmap.PAGESIZE


@pytest.fixture
def memory():
    held = mmap.mmap(-1, 40 * PAGE, flags=mmap.MAP_PRIVATE)
    for page in range(40):
        held[page * PAGE] = 1
    yield held
    held.close()


def address(held):
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(held))


def covered(ranges, place):
    return any(start <= place < start + length for start, length in ranges)


def test_what_the_rehearsal_writes_to_is_learned_and_nothing_else(memory):
    def rehearse():
        memory[10 * PAGE] = 2
        memory[30 * PAGE] = 2

    found = learn(rehearse)

    start = address(memory)
    assert covered(found, start + 10 * PAGE)
    assert covered(found, start + 30 * PAGE)
    assert not covered(found, start + 20 * PAGE)
    assert memory[10 * PAGE] == 1


def test_a_rehearsal_that_raises_still_teaches(memory):
    def rehearse():
        memory[0] = 2
        raise RuntimeError

    assert covered(learn(rehearse), address(memory))


def test_a_rehearsal_that_ends_its_process_teaches_nothing():
    assert list(learn(lambda: os._exit(3))) == []


def test_copying_ahead_spares_the_run_its_faults(memory):
    import resource

    start = address(memory)

    def faults_of_writing(ranges):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            warm_up(ranges)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for page in range(40):
                memory[page * PAGE] = 3
            os.write(write, str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before).encode())
            os._exit(0)
        os.waitpid(child, 0)
        answer = int(os.read(read, 100))
        for fd in (read, write):
            os.close(fd)
        return answer

    cold, warm = faults_of_writing([]), faults_of_writing([(start, 40 * PAGE)])

    assert warm <= cold - 35
