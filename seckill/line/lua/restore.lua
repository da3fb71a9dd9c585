-- @include sale.lua
--[[
  Restore: put orders of the ledger back into a line that is being rebuilt, before `rebuild` loads it.

  ARGV: for each order, ascending by place: place, buyer (string), outcome (string); at most 300 orders

  Returns {number of orders}

  The ledger wins: a different buyer found at that place loses it, and joins again at the end when polling.
  Safe to run twice: the same line.
]]
for index = 1, #ARGV, 3 do
  local place, buyer, outcome = tonumber(ARGV[index]), ARGV[index + 1], ARGV[index + 2]
  local issued = redis.call('LLEN', LINE)
  if place <= issued then
    local present = redis.call('LINDEX', LINE, place - 1)
    if present ~= buyer then
      -- A buyer whose own order has moved them to another place keeps that one.
      if present ~= '' and tonumber(redis.call('HGET', PLACES, present)) == place then
        redis.call('HDEL', PLACES, present)
      end
      redis.call('LSET', LINE, place - 1, buyer)
    end
  else
    for _ = issued + 1, place - 1 do redis.call('RPUSH', LINE, '') end
    redis.call('RPUSH', LINE, buyer)
  end
  redis.call('HSET', PLACES, buyer, place)
  redis.call('HSET', OUTCOMES, buyer, outcome)
end
return {#ARGV / 3}
