--[[
  Release: orders were cancelled or expired in the ledger; their units go back to the stock, once each.

  KEYS: 1 meta  2 stock  3 outcomes
  ARGV: for each buyer: buyer, outcome ("r ...")

  Result: {} when the sale is unknown, else {stock, units that went back now}

  A buyer whose outcome is not known yet is still under a claim, which holds the unit and gives it back on confirm.
  Twice with the same arguments: the second time moves no unit.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'server')
local stock = tonumber(redis.call('GET', KEYS[2]))
if not is_known(meta[1], stock, meta[2]) then return {} end

local units = 0
for index = 1, #ARGV, 2 do
  local outcome = redis.call('HGET', KEYS[3], ARGV[index])
  if outcome and string.sub(outcome, 1, 1) == 'c' then units = units + 1 end
  redis.call('HSET', KEYS[3], ARGV[index], ARGV[index + 1])
end
if units > 0 then stock = redis.call('INCRBY', KEYS[2], units) end
return {stock, units}
