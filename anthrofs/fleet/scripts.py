"""The board's scripts: each runs on the server as one step, by the server's clock.

Trusts  KEYS and ARGV to be as the head of each script says. Moments are microseconds, as integers in decimal: a
        double holds them exactly. Bodies are bytes.
Never   leaves a key without a time to live, or uses what came after Redis 5.
"""

from typing import Final

# The server's clock, and how to write it: Lua would make 1.7e+15 of it.
NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function text(number) return string.format('%.0f', number) end
"""

# What TAKE and TELL begin with. KEYS: 1 the window, 2 young, 3 mounts. ARGV: 1 member, 2 µs of the window, 3 µs of
# being young, 4 µs that a mount is here, 5 number of requests that went already; from 6 on their numbers and ages in
# µs, in turn.
# The window is sorted by moment. Its last entry, at infinity, is the epoch: where that is missing, so is the rest.
COUNTED: Final = NOW + """
local window, young, member = KEYS[1], KEYS[2], ARGV[1]
local epoch = redis.call('ZRANGE', window, -1, -1)[1]
if not epoch or string.sub(epoch, 1, 6) ~= 'epoch:' then
    epoch = 'epoch:' .. text(now) .. ':' .. member
    redis.call('ZADD', window, 'inf', epoch)
    redis.call('SET', young, 0, 'PX', math.floor(ARGV[3] / 1000))
end
for i = 6, 5 + 2 * ARGV[5], 2 do
    redis.call('ZADD', window, 'NX', text(now - ARGV[i + 1]), member .. ':' .. ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', window, '-inf', text(now - ARGV[2]))
redis.call('PEXPIRE', window, math.floor(2 * ARGV[2] / 1000))
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now - ARGV[4]))
local mounts = redis.call('ZCARD', KEYS[3])
if not redis.call('ZSCORE', KEYS[3], member) then mounts = mounts + 1 end
"""

# Returns the epoch, and how many mounts there are.
TELL: Final = COUNTED + "return {epoch, mounts}"

# KEYS besides: 4 queue, 5 until. ARGV behind the requests that went: number, most, keep, own, burst, tenth, µs between
# looks, µs of grace. Returns µs to wait, how many are left, mounts, epoch.
# The queue has of each mount that waits: whether it has had its share, since when it waits, what it leaves to others,
# and until when it must have asked again to be in it still. Who can't go now, whatever goes, is in nobody's way.
# Where several mounts use it, the second half of the budget, and of a share, goes at an even pace: not in a burst
# with a minute's silence behind it.
TAKE: Final = COUNTED + """
local queue, at = KEYS[4], 6 + 2 * ARGV[5]
local number, most, keep, own = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
local burst, tenth, look, grace = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), ARGV[at + 6] + 0, ARGV[at + 7] + 0
local id = member .. ':' .. number
local room = most - (redis.call('ZCARD', window) - 1)
if redis.call('ZSCORE', window, id) then return {'0', math.max(0, room), mounts, epoch} end
local over = 0
if mounts > 1 and own * mounts >= most then
    over, keep = 1, math.max(keep, math.floor(most / tenth))
end

local since, others = now, {}
local listed = redis.call('HGETALL', queue)
for i = 1, #listed, 2 do
    local its_over, its_since, its_keep, back = string.match(listed[i + 1], '(%d) (%d+) (%d+) (%d+)')
    if not back or tonumber(back) <= now then
        redis.call('HDEL', queue, listed[i])
    elseif listed[i] == member then
        since = tonumber(its_since)
    elseif tonumber(its_keep) <= keep or tonumber(its_keep) < room then
        table.insert(others, {tonumber(its_over), tonumber(its_since)})
    end
end
local before = 0
for _, other in ipairs(others) do
    if other[1] < over or (other[1] == over and other[2] < since) then before = before + 1 end
end

local wait = math.max(0, redis.call('PTTL', KEYS[5])) * 1000
local need = keep + before + 1 - room
if need > 0 then
    local leaves = look
    local oldest = redis.call('ZRANGE', window, need - 1, need - 1, 'WITHSCORES')
    if oldest[2] and oldest[2] ~= 'inf' then leaves = oldest[2] + ARGV[2] - now end
    wait = math.max(1000, wait, math.min(look, leaves))
elseif wait == 0 and tonumber(redis.call('GET', young) or 0) >= burst then
    wait = math.max(1000, math.min(look, redis.call('PTTL', young) * 1000))
end
if wait == 0 and room * 2 <= most and own * mounts * 2 >= most and (most - room - own) * tenth >= most then
    local last = redis.call('ZRANGE', window, -2, -2, 'WITHSCORES')[2] or 0
    local due = last + math.floor(ARGV[2] / most) * (before + 1) - now
    if due > 0 then wait = math.max(1000, math.min(look, due)) end
end
if wait > 0 then
    redis.call('HSET', queue, member, over .. ' ' .. text(since) .. ' ' .. keep .. ' ' .. text(now + wait + grace))
    redis.call('PEXPIRE', queue, math.ceil((wait + look + grace) / 1000))
    return {text(wait), math.max(0, room), mounts, epoch}
end
redis.call('ZADD', window, text(now), id)
if redis.call('EXISTS', young) == 1 then redis.call('INCR', young) end
redis.call('HDEL', queue, member)
return {'0', room - 1, mounts, epoch}
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
# Its numbers are moments. One that is far ahead is no member's, or the clock was set back: behind that nothing would
# ever grow too old, nor follow the last number that there is.
ANNOUNCE: Final = NOW + """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '%d+')) * 1000 > now + ARGV[2] then redis.call('DEL', KEYS[1]) end
redis.call('XADD', KEYS[1], '*', 'body', ARGV[1])
for _, old in ipairs(redis.call('XRANGE', KEYS[1], '-', text((now - ARGV[2]) / 1000), 'COUNT', 10)) do
    redis.call('XDEL', KEYS[1], old[1])
end
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
