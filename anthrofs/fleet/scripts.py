"""The board's scripts: each runs on the server as one step, by the server's clock.

Trusts  KEYS and ARGV to be as the head of each script says. Moments are microseconds, as integers in decimal: a
        double holds them exactly. Bodies are bytes.
Never   leaves a key without a time to live.
"""

from typing import Final

# The server's clock, and how to write it: Lua would make 1.7e+15 of it.
NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function text(number) return string.format('%.0f', number) end
"""

# What TAKE and TELL begin with. KEYS: 1 the window, 2 young. ARGV: 1 member, 2 µs of the window, 3 µs of being young,
# 4 number of requests that went already; from 5 on their numbers and ages in µs, in turn.
# The window is sorted by moment. Its last entry, at infinity, is the epoch: where that is missing, so is the rest.
COUNTED: Final = NOW + """
local window, young, member = KEYS[1], KEYS[2], ARGV[1]
local epoch = redis.call('ZRANGE', window, -1, -1)[1]
if not epoch or string.sub(epoch, 1, 6) ~= 'epoch:' then
    epoch = 'epoch:' .. text(now) .. ':' .. member
    redis.call('ZADD', window, 'inf', epoch)
    redis.call('SET', young, 0, 'PX', math.floor(ARGV[3] / 1000))
end
for i = 5, 4 + 2 * ARGV[4], 2 do
    redis.call('ZADD', window, 'NX', text(now - ARGV[i + 1]), member .. ':' .. ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', window, '-inf', text(now - ARGV[2]))
redis.call('PEXPIRE', window, math.floor(2 * ARGV[2] / 1000))
"""

# Returns the epoch.
TELL: Final = COUNTED + "return epoch"

# KEYS besides: 3 queue, 4 back, 5 mounts, 6 until. ARGV behind the requests that went: number, kind, most, keep,
# µs of patience, µs waited, own, burst, late_by, µs between looks, µs of grace, µs that a mount is here.
# Returns µs to wait, how many are left, mounts, epoch.
# The queue's order: who has had its share stands behind all who haven't; then by arrival and patience. Its entries are
# there until `back`: who doesn't ask again in time has left.
TAKE: Final = COUNTED + """
local queue, back = KEYS[3], KEYS[4]
local at = 5 + 2 * ARGV[4]
local number, kind, most, keep = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
local patience, waited, own = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
local burst, late_by = tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
local look, grace, here = tonumber(ARGV[at + 9]), tonumber(ARGV[at + 10]), tonumber(ARGV[at + 11])
local me, id = member .. ':' .. kind, member .. ':' .. number

redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', text(now - here))
local mounts = redis.call('ZCARD', KEYS[5])
if not redis.call('ZSCORE', KEYS[5], member) then mounts = mounts + 1 end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', back, '-inf', text(now))) do
    redis.call('ZREM', queue, gone)
    redis.call('ZREM', back, gone)
end

local used = redis.call('ZCARD', window) - 1
local left = math.max(0, most - used)
if redis.call('ZSCORE', window, id) then return {'0', left, mounts, epoch} end
local over = mounts > 1 and own * mounts >= most
if waited >= patience then keep = 0 end
if over then keep = math.max(keep, math.floor(most / late_by)) end
local place = now - waited + patience + (over and 4e15 or 0)
redis.call('ZADD', queue, text(place), me)
local before = redis.call('ZCOUNT', queue, '-inf', '(' .. text(place))
local need = keep + before + 1 - (most - used)
local wait = math.max(0, redis.call('PTTL', KEYS[6])) * 1000
if need > 0 then
    local oldest = redis.call('ZRANGE', window, need - 1, need - 1, 'WITHSCORES')
    local leaves = tonumber(oldest[2] or 'inf')
    wait = math.max(wait, math.min(look, leaves == math.huge and look or leaves + ARGV[2] - now))
    if waited < patience then wait = math.min(wait, math.max(1000, patience - waited)) end
    wait = math.max(1000, wait)
elseif wait == 0 then
    local so_far = redis.call('GET', young)
    if so_far and tonumber(so_far) >= burst then
        wait = math.max(1000, math.min(look, redis.call('PTTL', young) * 1000))
    end
end
if wait > 0 then
    redis.call('ZADD', back, text(now + wait + grace), me)
    redis.call('PEXPIRE', queue, math.ceil((wait + look + grace) / 1000))
    redis.call('PEXPIRE', back, math.ceil((wait + look + grace) / 1000))
    return {text(wait), left, mounts, epoch}
end
redis.call('ZADD', window, text(now), id)
if redis.call('EXISTS', young) == 1 then redis.call('INCR', young) end
redis.call('ZREM', queue, me)
redis.call('ZREM', back, me)
return {'0', left - 1, mounts, epoch}
"""

# KEYS: 1 the window. ARGV: 1 seconds. Returns so many numbers, oldest first.
MINUTES: Final = NOW + """
local found = {}
for i = 1, ARGV[1] do found[i] = 0 end
local first = text(now - ARGV[1] * 1000000)
local listed = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. first, text(now), 'WITHSCORES')
for i = 2, #listed, 2 do
    local ago = math.floor((now - listed[i]) / 1000000)
    found[ARGV[1] - ago] = found[ARGV[1] - ago] + 1
end
return found
"""

# KEYS: 1 until. ARGV: 1 ms. The longest rest that was asked for counts.
BLOCK: Final = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""

# KEYS: 1 the page. Returns nothing, or its age in µs and its body.
PAGE: Final = NOW + """
local found = redis.call('HMGET', KEYS[1], 'asked', 'body')
if not found[1] or not found[2] then return false end
return {text(now - found[1]), found[2]}
"""

# KEYS: 1 the page. ARGV: 1 asked, 2 body, 3 ms to live.
PUT_PAGE: Final = """
local asked = redis.call('HGET', KEYS[1], 'asked')
if asked and tonumber(asked) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'asked', ARGV[1], 'body', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

# KEYS: 1 the lease. ARGV: 1 member, 2 ms to live. Returns whether the member has it now.
LEASE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: 1 the lease. ARGV: 1 member.
RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

# KEYS: 1 the stream. ARGV: 1 body, 2 µs that it keeps.
ANNOUNCE: Final = NOW + """
redis.call('XADD', KEYS[1], 'MINID', text((now - ARGV[2]) / 1000), '*', 'body', ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.floor(ARGV[2] / 1000))
"""

# Notes that live for so long: a hash of "µs of writing, a space, body". KEYS: 1 the hash. ARGV: 1 field, 2 body, 3 µs
# to live. Returns how many there are.
FRESH: Final = NOW + """
local function fresh(key, life)
    local found, listed = {}, redis.call('HGETALL', key)
    for i = 1, #listed, 2 do
        local written, body = string.match(listed[i + 1], '^(%d+) (.*)$')
        local age = written and now - written or math.huge
        if age >= life then
            redis.call('HDEL', key, listed[i])
        else
            table.insert(found, listed[i])
            table.insert(found, text(age))
            table.insert(found, body)
        end
    end
    return found
end
"""
WRITTEN: Final = FRESH + """
redis.call('HSET', KEYS[1], ARGV[1], text(now) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.floor(ARGV[3] / 1000))
local there = #fresh(KEYS[1], tonumber(ARGV[3])) / 3
"""
WRITE: Final = WRITTEN + "return there"

# As WRITE; KEYS besides: 2 the organization's mounts.
ATTEND: Final = WRITTEN + """
redis.call('ZADD', KEYS[2], text(now), ARGV[1])
redis.call('PEXPIRE', KEYS[2], math.floor(ARGV[3] / 1000))
return there
"""

# KEYS: 1 the hash. ARGV: 1 µs to live. Returns fields, ages in µs and bodies, in turn.
READ: Final = FRESH + "return fresh(KEYS[1], tonumber(ARGV[1]))"
