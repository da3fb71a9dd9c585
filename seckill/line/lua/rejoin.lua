--[[
  Rejoin: the holder of a valid ticket whom the line does not know comes back, to the old place if it is still free and
  undecided, else to the end.

  KEYS: 1 meta  2 line  3 places  4 pointer
  ARGV: 1 buyer  2 place on the ticket

  Result: {} when the sale is unknown, {epoch, 0} when it has ended, else {epoch, place}

  Twice with the same arguments: the same place.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'ended_ms', 'line_limit', 'server')
if not is_known(meta[1], true, meta[4]) then return {} end
local epoch = tonumber(meta[1])
local known = redis.call('HGET', KEYS[3], ARGV[1])
if known then return {epoch, tonumber(known)} end
if tonumber(meta[2]) > 0 then return {epoch, 0} end

local place = tonumber(ARGV[2])
local length = redis.call('LLEN', KEYS[2])
if place > length and place <= tonumber(meta[3]) then
  local missing = place - 1 - length
  while missing > 0 do
    local holes = {}
    for index = 1, math.min(missing, 1000) do holes[index] = '' end
    redis.call('RPUSH', KEYS[2], unpack(holes))
    missing = missing - #holes
  end
  redis.call('RPUSH', KEYS[2], ARGV[1])
elseif place <= length and place > tonumber(redis.call('GET', KEYS[4]) or 0)
    and redis.call('LINDEX', KEYS[2], place - 1) == '' then
  redis.call('LSET', KEYS[2], place - 1, ARGV[1])
else
  place = redis.call('RPUSH', KEYS[2], ARGV[1])
end
redis.call('HSET', KEYS[3], ARGV[1], place)
return {epoch, place}
