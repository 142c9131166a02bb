"""How much room the queue had when it was last counted, so that not every start counts it."""

import threading
import time

#: Of the room that was counted in the queue, the part that may be taken before it is counted again.
#: The rest is for other processes, which may take theirs at the same time.
_PART_OF_ROOM = 1 / 4
#: Seconds after which it is counted again in any case.
_ROOM_SECONDS = 0.1


class RoomToSpare:
    """Places in the queue that need no counting: it costs a tenth of a start when many wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._capacity = 0
        self._places = 0
        self._until = 0.0  # monotonic

    def take(self, capacity: int) -> bool:
        with self._lock:
            is_known = capacity == self._capacity and time.monotonic() < self._until
            if not is_known or self._places == 0:
                return False
            self._places -= 1
            return True

    def note(self, capacity: int, room: int) -> None:
        with self._lock:
            self._capacity = capacity
            self._places = max(0, int(room * _PART_OF_ROOM))
            self._until = time.monotonic() + _ROOM_SECONDS


room_to_spare = RoomToSpare()
