--[[
  Restore: put orders of the ledger back into a line that is being rebuilt (before `rebuild` makes it known again).

  KEYS: 1 line  2 places  3 outcomes
  ARGV: for each order, by place: place, buyer, outcome; at most 300 orders

  Result: {number of orders}

  The ledger wins: a different buyer found at that place loses it, and joins again at the end when polling.
  Twice with the same arguments: the same line.
]]
for index = 1, #ARGV, 3 do
  local place, buyer = tonumber(ARGV[index]), ARGV[index + 1]
  local length = redis.call('LLEN', KEYS[1])
  if place <= length then
    local there = redis.call('LINDEX', KEYS[1], place - 1)
    if there ~= buyer then
      -- Somebody who stands there no more, because an order of theirs moved them, keeps the place they have now.
      if there ~= '' and tonumber(redis.call('HGET', KEYS[2], there)) == place then
        redis.call('HDEL', KEYS[2], there)
      end
      redis.call('LSET', KEYS[1], place - 1, buyer)
    end
  else
    for _ = length + 1, place - 1 do redis.call('RPUSH', KEYS[1], '') end
    redis.call('RPUSH', KEYS[1], buyer)
  end
  redis.call('HSET', KEYS[2], buyer, place)
  redis.call('HSET', KEYS[3], buyer, ARGV[index + 2])
end
return {#ARGV / 3}
