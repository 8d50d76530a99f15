#!lua name=ledger

-- The tenant's ledger. Each function is one atomic step; `ledger.py` calls them, and says what
-- is kept under which name. Amounts are integers of nanos, times are milliseconds of the server.

local RESERVATIONS = 'money:reservations'
local LEASES = 'money:leases'
local OUTBOX = 'money:outbox'
local REFUSED = 'money:refused'
local KEPT = 'money:kept'
local AGAIN = 'money:again'
local TOTALS = 'money:totals'
local GENERATION = 'money:generation'

-- About 25 MB. What a busy tenant spends between two backups of the Billing API may be more.
local MOST_KEPT = 50000

-- A budget read within this time is fresh enough to refuse with.
local FRESH_MS = 1000

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function budget_key(user)
  return 'money:budget:' .. user
end

-- A number above 10^14 would be written with an exponent, in JSON too: amounts there are text.
local function integer(number)
  return string.format('%.0f', number)
end

local function count(what, number)
  redis.call('HINCRBY', TOTALS, what, integer(number))
end

local function hold(id, record, lease_ms)
  redis.call('HSET', RESERVATIONS, id, cjson.encode(record))
  redis.call('ZADD', LEASES, integer(now() + lease_ms), id)
  redis.call('HINCRBY', budget_key(record.user), 'reserved', record.amount)
end

-- Takes a reservation back and says what it was.
local function release(id)
  redis.call('ZREM', LEASES, id)
  local text = redis.call('HGET', RESERVATIONS, id)
  if not text then
    return nil
  end
  local record = cjson.decode(text)
  redis.call('HDEL', RESERVATIONS, id)
  -- Not '-' and the amount: Redis does not read -0.
  redis.call('HINCRBY', budget_key(record.user), 'reserved', integer(0 - record.amount))
  return record
end

-- `event` is {request_id, user, model, tokens in, tokens out, nanos, milliseconds, end, flags,
-- user at the Billing API, subject, model that answered, nanos beyond the reservation}.
local function spend(event)
  redis.call('HINCRBY', budget_key(event[2]), 'spent', event[6])
  redis.call('XADD', OUTBOX, '*', 'id', event[1], 'user', event[2], 'model', event[3],
    'in', event[4], 'out', event[5], 'cost', event[6], 'ms', event[7], 'at', event[8],
    'flags', event[9], 'wire', event[10], 'subject', event[11], 'used', event[12],
    'over', event[13])
  count('settled', 1)
  count('spent', event[6])
end

-- ARGV: request id, record without its amount, the most and the least it may cost, how long the
-- reservation lasts without a renewal, how old the budget may be, 1 if the budget was just asked
-- for, and until when somebody waits for the reply. Replies {verdict, amount, age, total, spent,
-- reserved, allowance, currency, words}. What costs nothing needs no budget, but somebody whom the
-- Billing API lets spend: one who is unknown or blocked is refused.
local function reserve(_, args)
  local id, record = args[1], cjson.decode(args[2])
  local most, least, lease_ms, oldest_ms = tonumber(args[3]), tonumber(args[4]), tonumber(args[5]),
    tonumber(args[6])
  local asked = args[7] == '1'
  if now() > tonumber(args[8]) then
    release(id) -- by the first try, whose reply was lost
    return { 'late', 0, 0, 0, 0, 0, 0, '', '' }
  end
  local fields = redis.call('HMGET', budget_key(record.user),
    'allowance', 'spent', 'reserved', 'read', 'total', 'words', 'used_up', 'currency')
  if not fields[1] then
    return { 'unknown', 0, 0, 0, 0, 0, 0, '', '' }
  end
  local allowance, spent, reserved = tonumber(fields[1]), tonumber(fields[2] or 0),
    tonumber(fields[3] or 0)
  local age = now() - tonumber(fields[4])
  local function reply(verdict, amount)
    return { verdict, amount, age, tonumber(fields[5]), spent, reserved, allowance,
      fields[8] or '', fields[6] }
  end

  local held = redis.call('HGET', RESERVATIONS, id)
  if held then -- the answer to the first try was lost
    return reply('granted', tonumber(cjson.decode(held).amount))
  end
  if age > oldest_ms then
    return reply('stale', 0)
  end
  if most == 0 and (fields[6] == '' or fields[7] == '1') then
    record.amount = '0'
    hold(id, record, lease_ms)
    return reply('granted', 0)
  end
  local free = allowance - spent - reserved
  local enough = fields[6] == '' and free >= most
  if not enough and not asked and age > FRESH_MS then
    return reply('ask', 0)
  end
  if fields[6] ~= '' then
    return reply('refused', 0)
  end
  if free >= least then
    local amount = math.min(most, free)
    record.amount = integer(amount)
    hold(id, record, lease_ms)
    return reply('granted', amount)
  end
  if allowance - spent >= least then
    return reply('busy', 0)
  end
  return reply('spent', 0)
end

-- What the Billing API does not know yet of what was, or may be, spent under a key.
local function unknown_of(user)
  local fields = redis.call('HMGET', budget_key(user), 'spent', 'reserved', 'delivered')
  return tonumber(fields[1] or 0) + tonumber(fields[2] or 0) - tonumber(fields[3] or 0)
end

-- ARGV: user, name of the ledger, and the key that the user had before, or nothing. The Billing API
-- is about to be asked: what its answer must be put together with; nothing if this is another
-- ledger. What is on its way under the former key is of the same budget.
local function ask(_, args)
  if redis.call('GET', GENERATION) ~= args[2] then
    return nil
  end
  local delivered = redis.call('HGET', budget_key(args[1]), 'delivered') or '0'
  if (args[3] or '') == '' then
    return delivered
  end
  return integer(tonumber(delivered) - math.max(0, unknown_of(args[3])))
end

-- ARGV: user, name of the ledger and `delivered` from before the question, and from the answer:
-- what remains, the total, the words of a refusal or nothing, 1 if they say no more than that all
-- is spent, and the currency or nothing.
-- What was delivered since the question may be missing in the answer, so all of it counts as
-- missing: the error is on the careful side, and the next answer mends it.
local function budget(_, args)
  if redis.call('GET', GENERATION) ~= args[2] then
    return 0
  end
  redis.call('HSET', budget_key(args[1]), 'allowance',
    integer(tonumber(args[4]) + tonumber(args[3])), 'total', args[5], 'words', args[6], 'read',
    integer(now()), 'used_up', args[7], 'currency', args[8])
  return 1
end

-- ARGV: request ids whose reservation, if there is one, is nobody's: the reply to it was lost.
local function forget(_, args)
  for _, id in ipairs(args) do
    release(id)
  end
  return 1
end

-- ARGV: an event. A reservation that is gone was swept, or was lost with Redis's data; the event
-- is sent all the same, because the Billing API takes each request once.
local function settle(_, args)
  release(args[1])
  spend(args)
  return 1
end

-- ARGV: how many at most. Settles reservations that nobody renews any more at all they held.
local function sweep(_, args)
  local at = now()
  local ids = redis.call('ZRANGEBYSCORE', LEASES, '-inf', integer(at), 'LIMIT', 0, args[1])
  for _, id in ipairs(ids) do
    local record = release(id)
    if record then
      spend({ id, record.user, record.model, integer(record.tokens_in),
        integer(record.tokens_out), record.amount, integer(math.max(0, at - record.at)), integer(at),
        'e', record.user_id or '', record.subject or '', '', '0' })
      count('estimated', 1)
    end
  end
  return #ids
end

-- ARGV: how long from now, then request id and record of each reservation under way. One that is
-- gone, with the data of Redis, is put back.
local function renew(_, args)
  local lease_ms = tonumber(args[1])
  for index = 2, #args, 2 do
    if redis.call('HEXISTS', RESERVATIONS, args[index]) == 1 then
      redis.call('ZADD', LEASES, integer(now() + lease_ms), args[index])
    else
      hold(args[index], cjson.decode(args[index + 1]), lease_ms)
    end
  end
  return 1
end

-- ARGV: a new name for this ledger. Replies the name it has.
local function generation(_, args)
  redis.call('SETNX', GENERATION, args[1])
  return redis.call('GET', GENERATION)
end

-- ARGV: stream, 1 if they are kept until the Billing API's backups have them, then place, user and
-- nanos of each event that the Billing API has. Replies how many had to go that were kept.
local function delivered(_, args)
  local keep, number = args[2] == '1', 0
  for index = 3, #args, 3 do
    local found = keep and redis.call('XRANGE', args[1], args[index], args[index])
    if redis.call('XDEL', args[1], args[index]) == 1 then
      redis.call('HINCRBY', budget_key(args[index + 1]), 'delivered', args[index + 2])
      if keep then
        redis.call('XADD', KEPT, '*', unpack(found[1][2]))
      end
      number = number + 1
    end
  end
  count('delivered', number)
  local gone = redis.call('XTRIM', KEPT, 'MAXLEN', MOST_KEPT)
  count('unkept', gone)
  return gone
end

-- ARGV: place of the last kept event that the Billing API lacks, and how many at most. It came back
-- from a backup: what was delivered since then waits again, before all that is newer, and counts as
-- not delivered. What it does have of that is counted twice until it has taken all of it: an error
-- on the careful side.
local function resend(_, args)
  local found = redis.call('XRANGE', KEPT, '-', args[1], 'COUNT', args[2])
  for _, entry in ipairs(found) do
    local event = {}
    for index = 1, #entry[2], 2 do
      event[entry[2][index]] = entry[2][index + 1]
    end
    redis.call('XDEL', KEPT, entry[1])
    redis.call('XADD', AGAIN, '*', unpack(entry[2]))
    redis.call('HINCRBY', budget_key(event.user), 'delivered', integer(0 - event.cost))
    redis.call('HSET', budget_key(event.user), 'read', 0) -- so that it is asked for anew
  end
  count('resent', #found)
  return #found
end

-- ARGV: milliseconds. What was delivered longer ago is safe in backups, and not kept any more.
local function forget_kept(_, args)
  return redis.call('XTRIM', KEPT, 'MINID', integer(math.max(0, now() - args[1])))
end

-- ARGV: stream, then places of events that the Billing API does not take. They are kept, and
-- count as spent.
local function refuse(_, args)
  for index = 2, #args do
    local found = redis.call('XRANGE', args[1], args[index], args[index])
    if #found == 1 then
      redis.call('XDEL', args[1], args[index])
      redis.call('XADD', REFUSED, '*', unpack(found[1][2]))
    end
  end
  return 1
end

-- Nothing: it fails where a reservation would, because Redis is full or cannot write to its disk.
local function probe()
  return 1
end

redis.register_function('ledger_reserve', reserve)
redis.register_function('ledger_probe', probe)
redis.register_function('ledger_ask', ask)
redis.register_function('ledger_budget', budget)
-- What has begun goes on and is written down, also above the memory limit.
redis.register_function { function_name = 'ledger_renew', callback = renew, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_generation', callback = generation, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_settle', callback = settle, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_sweep', callback = sweep, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_forget', callback = forget, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_delivered', callback = delivered, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_resend', callback = resend, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_forget_kept', callback = forget_kept, flags = { 'allow-oom' } }
redis.register_function { function_name = 'ledger_refuse', callback = refuse, flags = { 'allow-oom' } }
