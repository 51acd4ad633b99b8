"""What photos on their way to `catdog serve` take of its memory and its time."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from catdog.data import imaging
from catdog.inference import serve


class Upload:
    """A request whose body comes in pieces, each after a pause."""

    def __init__(self, *pieces, pause=0.0, says=None):
        self.pieces, self.pause = pieces, pause
        self.headers = {} if says is None else {"content-length": str(says)}

    async def stream(self):
        for piece in self.pieces:
            await asyncio.sleep(self.pause)
            if piece is None:
                raise ClientDisconnect
            yield piece


@pytest.fixture
def small(monkeypatch):
    for name, value in {"MAX_BYTES": 1000, "IN_FLIGHT": 3000, "LEAST": 100}.items():
        monkeypatch.setattr(serve, name, value)


async def read(room, upload, seen):
    async with serve._body(upload, room) as blob:
        seen.append(room.taken)
        await asyncio.sleep(0.001)
        return bytes(blob)


def test_bytes_in_flight_are_bounded_and_everyone_gets_to_the_end(small):
    async def all_at_once():
        room, seen = serve._Room(), []
        uploads = [Upload(*[bytes([i]) * 100] * 10) for i in range(50)]
        found = await asyncio.gather(*(read(room, upload, seen) for upload in uploads))
        assert found == [bytes([i]) * 1000 for i in range(50)]
        assert room.taken == 0
        return max(seen)

    assert 2000 < asyncio.run(all_at_once()) <= 3000 + 1000


@pytest.mark.parametrize(
    "upload, error",
    [
        (Upload(bytes(600), bytes(600)), imaging.TooLarge),
        (Upload(b"x", says=1001), imaging.TooLarge),
        (Upload(bytes(600), None), ClientDisconnect),
        (Upload(*[b"x"] * 50, pause=0.05), TimeoutError),
    ],
    ids=["too large", "says that it is too large", "hung up", "drips"],
)
@pytest.mark.parametrize("full", [False, True])
def test_who_is_refused_leaves_no_room_taken(small, monkeypatch, upload, error, full):
    monkeypatch.setattr(serve, "PATIENCE", 0.3)
    monkeypatch.setattr(serve, "HURRY", 0.3)

    async def refused():
        room = serve._Room()
        room.taken = 3000 if full else 0
        with pytest.raises(error):
            await read(room, upload, [])
        assert room.taken == (3000 if full else 0) and not room.alone.locked()

    asyncio.run(refused())


def test_waiting_for_room_is_nobodys_fault_and_who_goes_on_alone_hurries(small, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 0.2)
    monkeypatch.setattr(serve, "HURRY", 0.1)

    async def waits():
        room, loop = serve._Room(), asyncio.get_running_loop()
        room.taken = 3000
        async with room.alone:
            waiting = asyncio.create_task(read(room, Upload(b"photo"), []))
            await asyncio.sleep(0.5)
            assert not waiting.done()
        assert await waiting == b"photo"
        begun = loop.time()
        with pytest.raises(TimeoutError):
            await read(room, Upload(b"photo", *[b"x"] * 50, pause=0.05), [])
        return loop.time() - begun

    assert asyncio.run(waits()) < 0.19


def test_each_part_of_a_large_photo_has_its_own_seconds(small, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 0.2)
    upload = Upload(*[bytes(100)] * 8, pause=0.1)
    assert asyncio.run(read(serve._Room(), upload, [])) == bytes(800)
