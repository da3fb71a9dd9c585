-- @include sale.lua
--[[
  Reserve: a worker reserves the next places in line, as many as there are units for.

  A reservation whose worker has been silent for longer than the lease is taken over first. Otherwise the pointer moves
  over at most `chunk` places up to `upto`, passing holes and decided buyers, and stops where the stock ends.

  ARGV: 1 reservation id (string, unique for this attempt)  2 upto (place)  3 chunk (places, at most 2000)  4 lease_ms

  Returns {} when the sale is not loaded,
    {epoch} when there is nothing to do,
    {epoch, place, buyer, place, buyer ...} for a reservation

  Safe to run twice: the same reservation id gets the same places.
]]
local reservation_id, upto, chunk, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local sale = load_sale('ended_ms', 'rejoin_until_ms')
if not sale then return {} end
local now_ms = read_clock()

-- Return the undecided buyers from place `first` to `last`, at most `units` of them, as {place, buyer, place, buyer ...},
-- and the last place that was passed.
local function find_undecided(first, last, units)
  local buyers = redis.call('LRANGE', LINE, first - 1, last - 1)
  local present, decided = {}, {}
  for _, buyer in ipairs(buyers) do
    if buyer ~= '' then present[#present + 1] = buyer end
  end
  if #present > 0 then
    for index, outcome in ipairs(redis.call('HMGET', OUTCOMES, unpack(present))) do
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

local function reply(found)
  return {sale.epoch, unpack(found)}
end

-- A record of PENDING: first place, last place, units, when it was reserved (ms).
local function parse_record(record)
  local first, last, units, reserved_ms = string.match(record, '^(%d+) (%d+) (%d+) (%d+)$')
  return tonumber(first), tonumber(last), tonumber(units), tonumber(reserved_ms)
end

local function save(first, last, units)
  redis.call('HSET', PENDING, reservation_id, string.format('%d %d %d %d', first, last, units, now_ms))
end

local mine = redis.call('HGET', PENDING, reservation_id)
if mine then
  local first, last = parse_record(mine)
  return reply((find_undecided(first, last, last - first + 1)))
end

local stock = sale.stock
local pending = redis.call('HGETALL', PENDING)
for index = 1, #pending, 2 do
  local first, last, units, reserved_ms = parse_record(pending[index + 1])
  if now_ms - reserved_ms > lease_ms then
    redis.call('HDEL', PENDING, pending[index])
    local found = find_undecided(first, last, last - first + 1)
    if #found > 0 then
      save(first, last, units)
      return reply(found)
    end
    -- All its orders were confirmed under another reservation: the units it held go back.
    stock = redis.call('INCRBY', STOCK, units)
  end
end

if sale.ended_ms > 0 or now_ms < sale.rejoin_until_ms then return reply({}) end
local pointer = read_pointer()
upto = math.min(upto, redis.call('LLEN', LINE))
while pointer < upto and stock > 0 do
  local first = pointer + 1
  local found, passed = find_undecided(first, math.min(upto, pointer + chunk), stock)
  pointer = passed
  redis.call('SET', POINTER, pointer)
  local units = #found / 2
  if units > 0 then
    stock = redis.call('DECRBY', STOCK, units)
    if stock <= 0 then redis.call('HSET', META, 'sold_out_ms', now_ms) end
    save(first, passed, units)
    return reply(found)
  end
end
return reply({})
