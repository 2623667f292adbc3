from __future__ import annotations

import threading

import pytest

from edgewright.runtime.channel import Abandoned, Channel


def test_items_keep_their_order_and_the_writer_waits_for_room():
    channel: Channel[int] = Channel(2)
    most = 0
    waiting = threading.Semaphore(0)

    def write():
        with channel.writing():
            for number in range(50):
                channel.put(number)
                waiting.release()

    thread = threading.Thread(target=write)
    thread.start()
    found = []
    for item in channel:
        most = max(most, len(channel._items))
        found.append(item)
    thread.join(5)
    assert found == list(range(50))
    assert most <= 2


def test_a_full_channel_holds_no_more_than_its_depth():
    channel: Channel[int] = Channel(1)
    channel.put(1)
    put = threading.Thread(target=lambda: channel.put(2))
    put.start()
    put.join(0.1)
    assert put.is_alive()
    assert next(iter(channel)) == 1
    put.join(5)
    assert not put.is_alive()


def test_what_came_before_an_error_is_read_first():
    channel: Channel[int] = Channel(4)
    with channel.writing():
        channel.put(1)
        raise OSError("the camera is gone")
    reader = iter(channel)
    assert next(reader) == 1
    with pytest.raises(OSError, match="camera is gone"):
        next(reader)


def test_an_abandoned_channel_tells_the_writer_and_drops_what_waits():
    channel: Channel[int] = Channel(1)
    channel.put(1)
    told = []

    def write():
        try:
            channel.put(2)
        except Abandoned:
            told.append(True)

    thread = threading.Thread(target=write)
    thread.start()
    channel.abandon()
    thread.join(5)
    assert told == [True]
    assert list(channel) == []


@pytest.mark.parametrize("depth", [0, -1])
def test_a_channel_without_room_is_refused(depth):
    with pytest.raises(ValueError, match="depth must be 1 or more"):
        Channel(depth)
