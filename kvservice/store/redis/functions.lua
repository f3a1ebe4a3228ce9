-- The writing side of a shard. Each function changes a shard's entries, its index, its deadlines, its stream of
-- changes and its counter in one step. Keys of a shard, in the order in which every function takes them:
--
--   1 meta      epoch, revision, revision of the last change, bytes in the stream, expirations, lineage
--   2 index     sorted set of names, all with score 0: the order of a listing
--   3 due       sorted set of names by the millisecond in which they expire
--   4 stream    the latest changes; the id of a change is its revision
--   5 scratch   exists within a function only
--   6 and on    entries: epoch, revision, millisecond of expiry or 0, then the value
--
-- Entries expire by themselves, to the millisecond. Whoever then finds a name in due without its entry turns it
-- into a change.
--
-- Revisions are microseconds of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): never
-- behind this node's clock, and always ahead of every revision that the caller has seen of any shard.

-- What is local to this library lives as long as the process of this node does. It is not replicated, which is
-- what makes it good for telling one process from another.
local clock = 0 -- microseconds; never goes back
local lineage = ''
local checked = -1 -- the millisecond in which lineage was asked for

-- Reads the clock, and which history of writes this node is in. A node that becomes a primary begins a new one, and
-- so does one that is restarted.
local function look()
  local time = redis.call('TIME')
  clock = math.max(clock, time[1] * 1000000 + time[2])
  local millisecond = math.floor(clock / 1000)
  if millisecond ~= checked then
    lineage = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    checked = millisecond
  end
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local metaFormat = '<dddddc40'

-- Opens the shard. If it has come here from another history, its counter may have gone back, so it gets a new epoch:
-- 52 bits, which a Lua number holds.
local function open(keys, seen)
  local s = {
    meta = keys[1], index = keys[2], due = keys[3], stream = keys[4], scratch = keys[5],
    now = look(), epoch = 0, revision = 0, last = 0, kept = 0, expirations = 0,
    entries = {}, order = {}, changes = {}, dirty = false,
  }
  local meta, from = redis.call('GET', s.meta), ''
  if meta then
    s.epoch, s.revision, s.last, s.kept, s.expirations, from = struct.unpack(metaFormat, meta)
  end
  if from ~= lineage then
    local hash = redis.sha1hex(lineage .. s.meta .. string.format('%.0f', clock))
    s.epoch = math.max(1, tonumber(string.sub(hash, 1, 13), 16))
    s.dirty = true
  end
  if seen > math.max(s.revision, clock - 1) then
    s.dirty = true
  end
  s.revision = math.max(s.revision, clock - 1, seen)
  return s
end

local function save(s)
  redis.call('SET', s.meta,
    struct.pack(metaFormat, s.epoch, s.revision, s.last, s.kept, s.expirations, lineage))
end

local function record(s, kind, e)
  s.revision = s.revision + 1
  s.changes[#s.changes + 1] = {kind = kind, name = e.name, revision = s.revision}
  e.dirty = true
  return s.changes[#s.changes]
end

-- Returns what the functions know of an entry, which they change first and write at the end.
local function stage(s, key)
  local e = s.entries[key]
  if e then
    return e
  end
  e = {key = key, name = string.sub(key, #s.meta + 1), expires = 0}
  s.entries[key], s.order[#s.order + 1] = e, e
  e.raw = redis.call('GET', key) or nil
  if e.raw then
    e.stored, e.indexed = true, true
    e.expires = struct.unpack('<d', e.raw, 17)
    e.timed = e.expires > 0
  elseif redis.call('ZSCORE', s.due, e.name) then
    e.indexed, e.timed = true, true
    record(s, 'x', e)
  end
  return e
end

local function put(s, e, value, expires)
  local change = record(s, 'p', e)
  e.raw = struct.pack('<ddd', s.epoch, change.revision, expires) .. value
  e.expires = expires
  change.raw = e.raw
end

-- Rounds up, so that nothing ends too early.
local function deadline(s, ttl)
  return ttl == '0' and 0 or s.now + 1 + tonumber(ttl)
end

local operations = {}

function operations.g(s, e)
  if not e.raw then
    return 'n', true
  end
  return 'g' .. e.raw
end

function operations.s(s, e, ttl, value)
  local created = e.raw and '0' or '1'
  put(s, e, value, deadline(s, ttl))
  return 'p' .. created .. string.sub(e.raw, 1, 24)
end

function operations.d(s, e)
  if not e.raw then
    return 'd0'
  end
  e.raw = nil
  record(s, 'd', e)
  return 'd1'
end

function operations.t(s, e, ttl)
  if not e.raw then
    return 'n', true
  end
  put(s, e, string.sub(e.raw, 25), deadline(s, ttl))
  return 'p0' .. string.sub(e.raw, 1, 24)
end

-- Adds by the server's own arithmetic, since Lua's numbers have 53 bits.
function operations.i(s, e, ttl, numbers)
  local delta, initial = string.match(numbers, '^(%S+) (%S+)$')
  local from, expires = initial, 0
  if e.raw then
    from, expires = string.sub(e.raw, 25), e.expires
  else
    expires = deadline(s, ttl)
  end
  if #from > 20 then
    return 'N', true
  end
  redis.call('SET', s.scratch, from)
  local sum = redis.pcall('INCRBY', s.scratch, delta)
  local text = redis.call('GET', s.scratch)
  redis.call('DEL', s.scratch)
  if type(sum) == 'table' then
    return string.find(sum.err, 'overflow') and 'O' or 'N', true
  end
  put(s, e, text, expires)
  return 'p0' .. string.sub(e.raw, 1, 24) .. text
end

-- Returns what is wrong with an entry: nothing, or the letter of an error.
local function broken(e, condition)
  if condition == '' then
    return nil
  elseif condition == 'e' then
    return not e.raw and 'A' or nil
  elseif condition == 'a' then
    return e.raw and 'E' or nil
  end
  return (not e.raw or string.sub(e.raw, 1, 16) ~= condition) and 'V' or nil
end

-- Drops the oldest changes when the stream has more bytes than it may, and then some more, so that it need not do so
-- each time. The latest change always stays.
local function trim(s, limit)
  while s.kept > limit do
    local oldest = redis.call('XRANGE', s.stream, '-', '+', 'COUNT', 65)
    local n = 0
    while n < #oldest - 1 and s.kept > limit * 7 / 8 do
      n = n + 1
      s.kept = s.kept - #oldest[n][2][2]
    end
    if n == 0 then
      return
    end
    redis.call('XTRIM', s.stream, 'MINID', oldest[n + 1][1])
  end
end

local function writeEntry(s, e)
  if e.raw then
    if e.expires > 0 then
      redis.call('SET', e.key, e.raw, 'PXAT', e.expires - 1)
      redis.call('ZADD', s.due, e.expires, e.name)
    else
      redis.call('SET', e.key, e.raw)
      if e.timed then
        redis.call('ZREM', s.due, e.name)
      end
    end
    if not e.indexed then
      redis.call('ZADD', s.index, 0, e.name)
    end
    return
  end
  if e.stored then
    redis.call('DEL', e.key)
  end
  if e.indexed then
    redis.call('ZREM', s.index, e.name)
  end
  if e.timed then
    redis.call('ZREM', s.due, e.name)
  end
end

local function commit(s, limit)
  for _, e in ipairs(s.order) do
    if e.dirty then
      writeEntry(s, e)
    end
  end
  for _, c in ipairs(s.changes) do
    local packed = c.kind .. struct.pack('<ddI2', c.revision, s.last, #c.name) .. c.name .. (c.raw or '')
    redis.call('XADD', s.stream, string.format('%.0f-0', c.revision), 'c', packed)
    s.last = c.revision
    s.kept = s.kept + #packed
    if c.kind == 'x' then
      s.expirations = s.expirations + 1
    end
  end
  if #s.changes > 0 then
    trim(s, limit)
  end
  if s.dirty or #s.changes > 0 then
    save(s)
  end
end

-- apply carries out operations in order. Arguments: a revision that the caller has seen, the bytes that the stream may
-- have, 1 if all operations or none shall take effect, and for each operation its kind, precondition, TTL in
-- milliseconds and value. It returns the revision, and for each operation a letter and what belongs to it; or, if one
-- fails of which all or none should take effect, the revision, its number from 1 and its letter.
local function apply(keys, args)
  local s = open(keys, tonumber(args[1]))
  local results = {0}
  for i = 1, #keys - 5 do
    local at = 4 * i
    local e = stage(s, keys[5 + i])
    local reply, failed = broken(e, args[at + 1]), true
    if not reply then
      reply, failed = operations[args[at]](s, e, args[at + 2], args[at + 3])
    end
    if failed and args[3] == '1' then
      if s.dirty then
        save(s)
      end
      return {s.revision, i, reply}
    end
    results[i + 1] = reply
  end
  commit(s, tonumber(args[2]))
  results[1] = s.revision
  return results
end

-- What is read from a stream at a time, and how many bytes are enough for one answer.
local step, enough = 16, 256 * 1024

-- Returns the changes behind a revision, at most so many, and whether there may be more.
local function changesBehind(s, revision, most)
  local changes, size = {}, 0
  while #changes < most and size < enough do
    local found = redis.call('XRANGE', s.stream, '(' .. revision, '+', 'COUNT', math.min(step, most - #changes))
    for _, change in ipairs(found) do
      revision = change[1]
      changes[#changes + 1] = change[2][2]
      size = size + #change[2][2]
    end
    if #found < step then
      return changes, #changes == most
    end
  end
  return changes, true
end

-- poll says how far the shard is. Arguments: a revision that the caller has seen, which all changes after this will be
-- ahead of; the revision behind which to return changes; how many of those at most; how many names that are due. It
-- returns the epoch, the revision up to which all changes have been returned, the revision of the last change, the names
-- and the changes.
local function poll(keys, args)
  local s = open(keys, tonumber(args[1]))
  if s.dirty then
    save(s)
  end
  local changes, more = changesBehind(s, args[2], tonumber(args[3]))
  local upto = s.revision
  if more and #changes > 0 then
    upto = struct.unpack('<d', changes[#changes], 2)
  end
  local due = redis.call('ZRANGEBYSCORE', s.due, '-inf', s.now, 'LIMIT', 0, args[4])
  return {s.epoch, upto, s.last, due, changes}
end

-- count returns how many entries there are, how many have expired, and the bytes that the stream takes.
local function count(keys)
  local s = open(keys, 0)
  if s.dirty then
    save(s)
  end
  local lapsed = redis.call('ZCOUNT', s.due, '-inf', s.now)
  local stream = redis.call('MEMORY', 'USAGE', s.stream, 'SAMPLES', 0) or 0
  return {redis.call('ZCARD', s.index) - lapsed, s.expirations + lapsed, stream}
end

-- What only takes away also works when the node has no memory left.
redis.register_function('PREFIX_apply', apply)
redis.register_function{function_name = 'PREFIX_relieve', callback = apply, flags = {'allow-oom'}}
redis.register_function{function_name = 'PREFIX_poll', callback = poll, flags = {'allow-oom'}}
redis.register_function{function_name = 'PREFIX_count', callback = count, flags = {'allow-oom'}}
