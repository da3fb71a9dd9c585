-- @include sale.lua
--[[
  Release: orders were cancelled or expired in the ledger. Their units go back to the stock, once each.

  ARGV: for each buyer: buyer (string), outcome (string, "r ...")

  Returns {} when the sale is not loaded, else {stock, units that went back now}

  A buyer without an outcome is still part of a reservation, which holds the unit and gives it back on confirm.
  Safe to run twice: the second run moves no unit.
]]
local sale = load_sale()
if not sale then return {} end

local units = 0
for index = 1, #ARGV, 2 do
  local buyer, outcome = ARGV[index], ARGV[index + 1]
  local present = redis.call('HGET', OUTCOMES, buyer)
  if present and string.sub(present, 1, 1) == 'c' then units = units + 1 end
  redis.call('HSET', OUTCOMES, buyer, outcome)
end
local stock = sale.stock
if units > 0 then stock = redis.call('INCRBY', STOCK, units) end
return {stock, units}
