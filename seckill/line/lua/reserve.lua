--[[
  Reserve: a worker claims the next places in line, as many as there are units for.

  A claim left by a worker that fell silent is taken over first. Otherwise the pointer moves over at most `chunk`
  places up to `upto`, passing holes and buyers already decided, and stops early when the stock is gone.

  KEYS: 1 meta  2 line  3 pointer  4 stock  5 pending  6 outcomes
  ARGV: 1 claim (unique for this attempt)  2 upto (place)  3 chunk (places, at most 2000)  4 lease_ms

  Result: {} when the sale is unknown;
    {epoch, pointer, stock} when there is nothing to do;
    {epoch, pointer, stock, place, buyer, place, buyer ...} for a claim

  Twice with the same claim: the same places.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'ended_ms', 'rejoin_until_ms', 'server')
local stock = tonumber(redis.call('GET', KEYS[4]))
if not is_known(meta[1], stock, meta[4]) then return {} end
local epoch = tonumber(meta[1])
local pointer = tonumber(redis.call('GET', KEYS[3]) or 0)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- The undecided buyers from place `first` to `last`, `units` of them at most: places, buyers and the last place passed.
local function undecided(first, last, units)
  local buyers = redis.call('LRANGE', KEYS[2], first - 1, last - 1)
  local present, decided = {}, {}
  for _, buyer in ipairs(buyers) do
    if buyer ~= '' then present[#present + 1] = buyer end
  end
  if #present > 0 then
    for index, outcome in ipairs(redis.call('HMGET', KEYS[6], unpack(present))) do
      if outcome then decided[present[index]] = true end
    end
  end
  local found, passed = {}, first - 1
  for offset, buyer in ipairs(buyers) do
    local waiting = buyer ~= '' and not decided[buyer]
    if waiting and units == 0 then break end
    passed = first - 1 + offset
    if waiting then
      units = units - 1
      found[#found + 1] = passed
      found[#found + 1] = buyer
    end
  end
  return found, passed
end

local function answer(found)
  return {epoch, pointer, stock, unpack(found)}
end

local function numbers(record)
  local first, last, units, claimed_ms = string.match(record, '^(%d+) (%d+) (%d+) (%d+)$')
  return tonumber(first), tonumber(last), tonumber(units), tonumber(claimed_ms)
end

local mine = redis.call('HGET', KEYS[5], ARGV[1])
if mine then
  local first, last = numbers(mine)
  return answer((undecided(first, last, last - first + 1)))
end

local pending = redis.call('HGETALL', KEYS[5])
for index = 1, #pending, 2 do
  local first, last, units, claimed_ms = numbers(pending[index + 1])
  if now_ms - claimed_ms > tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[5], pending[index])
    local found = undecided(first, last, last - first + 1)
    if #found > 0 then
      redis.call('HSET', KEYS[5], ARGV[1], string.format('%d %d %d %d', first, last, units, now_ms))
      return answer(found)
    end
    -- Its orders were all confirmed under another claim: the units it held go back.
    stock = redis.call('INCRBY', KEYS[4], units)
  end
end

if tonumber(meta[2]) > 0 or now_ms < tonumber(meta[3]) then return answer({}) end
local upto = math.min(tonumber(ARGV[2]), redis.call('LLEN', KEYS[2]))
local chunk = tonumber(ARGV[3])
while pointer < upto and stock > 0 do
  local found, passed = undecided(pointer + 1, math.min(upto, pointer + chunk), stock)
  local first = pointer + 1
  pointer = passed
  redis.call('SET', KEYS[3], pointer)
  local units = #found / 2
  if units > 0 then
    stock = redis.call('DECRBY', KEYS[4], units)
    if stock <= 0 then redis.call('HSET', KEYS[1], 'sold_out_ms', now_ms) end
    redis.call('HSET', KEYS[5], ARGV[1], string.format('%d %d %d %d', first, passed, units, now_ms))
    return answer(found)
  end
end
return answer({})
