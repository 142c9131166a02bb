"""A token bucket that fills continuously, as one number: when it will be full again.

Each token moves that moment by one interval into the future; a bucket that is empty is full after
`capacity` intervals. Times are whole microseconds, so that nothing is lost to rounding.
"""


def take(full_at: int, now: int, *, capacity: int, interval: int) -> tuple[int, int]:
    """Take one token: when the bucket is full again, and how long to wait if there was none."""
    full_at = max(full_at, now)
    wait = full_at - now - interval * (capacity - 1)
    return (full_at, wait) if wait > 0 else (full_at + interval, 0)


# The same inside Redis, by the clock of Redis: takes a token of the bucket KEYS[1] and returns the
# microseconds to wait. A full bucket is no key.
TAKE_IN_REDIS = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local capacity, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full_at - now - interval * (capacity - 1)
if wait > 0 then return wait end
full_at = full_at + interval
local milliseconds = math.ceil((full_at - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', milliseconds)
return 0
"""
