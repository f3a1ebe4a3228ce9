-- The functions that write a shard. Each changes a shard's entries, index, deadlines, stream of changes and counter
-- atomically. They take the keys of a shard in this order:
--
--   1 meta      epoch, revision, revision of the last change, bytes in the stream, expirations, replication id
--   2 index     sorted set of names, all with score 0, in the order of a listing
--   3 due       sorted set of names by the millisecond of their expiry
--   4 stream    the latest changes; the id of a change is its revision
--   5 scratch   exists only within a function
--   6 onward    entries: epoch, revision, millisecond of expiry or 0, then the value
--
-- Redis expires entries by itself, to the millisecond. The first function that then finds a name in due without its
-- entry records the expiry as a change.
--
-- Revisions are microseconds of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): never behind
-- this node's clock, and always ahead of every revision that the caller has seen of any shard.

-- Local variables live as long as the node's process. They are not replicated, so they distinguish one process from
-- another.
local clock = 0 -- microseconds; never goes back
local replid = ''
local checked = -1 -- the millisecond in which replid was read

-- Reads the clock, and the id of this node's replication history. A node that becomes a primary or is restarted begins
-- a new history. Returns the time in milliseconds.
local function readClock()
  local time = redis.call('TIME')
  clock = math.max(clock, time[1] * 1000000 + time[2])
  local millisecond = math.floor(clock / 1000)
  if millisecond ~= checked then
    replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
    checked = millisecond
  end
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local metaFormat = '<dddddc40'

-- Opens the shard. If its last write was in another replication history, its counter may have gone back, so it gets a new
-- epoch: 52 bits, which fit into a Lua number.
local function openShard(keys, seen)
  local s = {
    meta = keys[1], index = keys[2], due = keys[3], stream = keys[4], scratch = keys[5],
    now = readClock(), epoch = 0, revision = 0, last = 0, kept = 0, expirations = 0,
    entries = {}, order = {}, changes = {}, dirty = false,
  }
  local meta, from = redis.call('GET', s.meta), ''
  if meta then
    s.epoch, s.revision, s.last, s.kept, s.expirations, from = struct.unpack(metaFormat, meta)
  end
  if from ~= replid then
    local hash = redis.sha1hex(replid .. s.meta .. string.format('%.0f', clock))
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
    struct.pack(metaFormat, s.epoch, s.revision, s.last, s.kept, s.expirations, replid))
end

local function record(s, kind, e)
  s.revision = s.revision + 1
  s.changes[#s.changes + 1] = {kind = kind, name = e.name, revision = s.revision}
  e.dirty = true
  return s.changes[#s.changes]
end

-- Returns the working copy of an entry. Operations change it, and commit writes it.
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

-- Returns the change, which has the entry.
local function put(s, e, value, expires)
  local change = record(s, 'p', e)
  e.raw = struct.pack('<ddd', s.epoch, change.revision, expires) .. value
  e.expires = expires
  change.raw = e.raw
  return change
end

-- Rounds up, so that nothing expires early.
local function deadline(s, ttl)
  return ttl == '0' and 0 or s.now + 1 + tonumber(ttl)
end

-- The deadline of an entry that keeps its TTL, if it exists. Its working copy has one also after it was deleted.
local function keptDeadline(e)
  return e.raw and e.expires or 0
end

local operations = {}

function operations.g(s, e, _, missing)
  if not e.raw then
    return 'n', missing ~= 'allowed'
  end
  local size = #e.raw - 24
  if s.read > 0 and s.read + size > s.mostRead then
    return 'b'
  end
  s.read = s.read + size
  return 'g' .. e.raw
end

function operations.s(s, e, ttl, value)
  local created = e.raw and '0' or '1'
  put(s, e, value, ttl == 'k' and keptDeadline(e) or deadline(s, ttl))
  return 'p' .. created .. string.sub(e.raw, 1, 24)
end

function operations.d(s, e)
  if not e.raw then
    return 'd0'
  end
  e.raw = nil
  return string.format('d%.0f', record(s, 'd', e).revision)
end

function operations.t(s, e, ttl)
  if not e.raw then
    return 'n', true
  end
  local change = put(s, e, string.sub(e.raw, 25), deadline(s, ttl))
  change.kind, change.raw = 't', string.sub(e.raw, 1, 24) -- without the value, which has not changed
  return 'p0' .. string.sub(e.raw, 1, 24)
end

-- Adds by Redis's own arithmetic, because Lua numbers have only 53 bits.
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

-- Checks a precondition. Returns nil if it holds, else the letter of an error.
local function check(e, condition)
  if condition == '' then
    return nil
  elseif condition == 'e' then
    return not e.raw and 'A' or nil
  elseif condition == 'a' then
    return e.raw and 'E' or nil
  end
  return (not e.raw or string.sub(e.raw, 1, 16) ~= condition) and 'V' or nil
end

-- Removes the oldest changes if the stream exceeds its limit, down to seven eighths of it, so that not every write has to.
-- The latest change always stays.
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

-- apply performs operations in order. Arguments: the highest revision that the caller has seen, the limit of the stream in
-- bytes, 1 if atomic, the most bytes of entries to return, and for each operation its kind, precondition, TTL in milliseconds or k to keep it, and value, which for a get says whether it may be missing. Returns the revision,
-- and for each operation a letter and its result. If an atomic operation fails, it changes nothing and returns the
-- revision, the number of the operation from 1, and the letter of its error.
local function apply(keys, args)
  local s = openShard(keys, tonumber(args[1]))
  s.read, s.mostRead = 0, tonumber(args[4])
  local results = {0}
  for i = 1, #keys - 5 do
    local at = 4 * i + 1
    local e = stage(s, keys[5 + i])
    local reply, failed = check(e, args[at + 1]), true
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

-- The number of changes to read at a time.
local step = 16

-- Returns a change without its entry, but with the length of that.
local function withoutEntry(change)
  local name = struct.unpack('<I2', change, 18)
  return 'P' .. string.sub(change, 2, 19 + name) .. struct.pack('<I4', #change - 19 - name)
end

-- Returns up to limit changes after a revision, and whether there may be more. It ends after maxBytes. Those that are longer
-- than whole come without their entry.
local function changesAfter(s, revision, limit, maxBytes, whole)
  local changes, size = {}, 0
  while #changes < limit and size < maxBytes do
    local found = redis.call('XRANGE', s.stream, '(' .. revision, '+', 'COUNT', math.min(step, limit - #changes))
    for _, change in ipairs(found) do
      if size >= maxBytes then
        return changes, true
      end
      revision = change[1]
      local packed = change[2][2]
      if #packed > whole and string.sub(packed, 1, 1) == 'p' then
        packed = withoutEntry(packed)
      end
      changes[#changes + 1] = packed
      size = size + #packed
    end
    if #found < step then
      return changes, #changes == limit
    end
  end
  return changes, true
end

-- poll returns the progress of the shard. Arguments: the highest revision that the caller has seen, which all later changes
-- will be ahead of; the revision after which to return changes; the maximum number of changes; the maximum number of names
-- that are due; the bytes after which to return no more changes; the length of the longest change to return with its entry.
-- Returns the epoch, the revision up to which all changes have been returned, the revision of the last
-- change, the names, the changes, and the time in milliseconds.
local function poll(keys, args)
  local s = openShard(keys, tonumber(args[1]))
  if s.dirty then
    save(s)
  end
  local changes, more = changesAfter(s, args[2], tonumber(args[3]), tonumber(args[5]), tonumber(args[6]))
  local upto = s.revision
  if more and #changes > 0 then
    upto = struct.unpack('<d', changes[#changes], 2)
  end
  local due = redis.call('ZRANGEBYSCORE', s.due, '-inf', s.now, 'LIMIT', 0, args[4])
  return {s.epoch, upto, s.last, due, changes, s.now}
end

-- count returns the number of entries, the number of expirations, and the memory of the stream in bytes.
local function count(keys)
  local s = openShard(keys, 0)
  if s.dirty then
    save(s)
  end
  local lapsed = redis.call('ZCOUNT', s.due, '-inf', s.now)
  local stream = redis.call('MEMORY', 'USAGE', s.stream, 'SAMPLES', 0) or 0
  return {redis.call('ZCARD', s.index) - lapsed, s.expirations + lapsed, stream}
end

-- level lists the names in a range, but only the first level of a hierarchy: of the names that hold the delimiter, the part
-- up to its end, once. Arguments: the bounds as ZRANGE takes them, 1 if backward, the length of the prefix after which the
-- delimiter counts, the delimiter, and the maximum number of items. Returns where to go on, empty at the end, and the items.
-- It looks at a limited number of places, so it may return fewer items.
local function level(keys, args)
  local from, to, backward, prefix, delimiter, most = args[1], args[2], args[3] == '1', tonumber(args[4]), args[5], tonumber(args[6])
  local time, items = redis.call('TIME'), {''}
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local function past(rolled)
    if backward then
      return '(' .. rolled
    end
    return '[' .. string.sub(rolled, 1, -2) .. string.char(string.byte(rolled, -1) + 1)
  end
  for _ = 1, 1000 do
    local names
    if backward then
      names = redis.call('ZRANGE', keys[2], from, to, 'BYLEX', 'REV', 'LIMIT', 0, step)
    else
      names = redis.call('ZRANGE', keys[2], from, to, 'BYLEX', 'LIMIT', 0, step)
    end
    local rolled
    for _, name in ipairs(names) do
      if #items > most then
        items[1] = from
        return items
      end
      local _, last = string.find(name, delimiter, prefix + 1, true)
      local item = last and string.sub(name, 1, last) or name
      if item ~= rolled then
        local due = redis.call('ZSCORE', keys[3], name)
        local lapsed = due and tonumber(due) <= now
        if not lapsed then
          items[#items + 1] = item
          rolled = last and item
        end
      end
      from = item == rolled and past(rolled) or '(' .. name
    end
    if #names < step then
      return items
    end
  end
  items[1] = from
  return items
end

-- Operations that need no memory also work when the node has none left.
redis.register_function('PREFIX_apply', apply)
redis.register_function{function_name = 'PREFIX_apply_oom', callback = apply, flags = {'allow-oom'}}
redis.register_function{function_name = 'PREFIX_poll', callback = poll, flags = {'allow-oom'}}
redis.register_function{function_name = 'PREFIX_level', callback = level, flags = {'no-writes'}}
redis.register_function{function_name = 'PREFIX_count', callback = count, flags = {'allow-oom'}}
