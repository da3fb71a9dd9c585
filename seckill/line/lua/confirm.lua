-- @include sale.lua
--[[
  Confirm: the ledger has decided these buyers. Write their outcomes and remove the reservation.

  The stock rises by the units of the reservation and falls by the number of buyers confirmed here for the first time.
  The difference are units that were counted twice, by a reservation that another worker took over or by a rebuild in
  between. If the reservation no longer exists, it counts as 0 units: the stock falls by the buyers confirmed here, and
  whatever replaced the reservation adds them again.

  ARGV: 1 reservation id (string), then for each buyer: buyer (string), outcome (string, see seckill/line/outcome.py)

  Returns {} when the sale is not loaded, else {epoch, stock}

  Safe to run twice: each outcome is written once, and the second run moves no unit.
]]
local reservation_id = ARGV[1]

local sale = load_sale()
if not sale then return {} end

local units = 0
local record = redis.call('HGET', PENDING, reservation_id)
if record then
  units = tonumber(string.match(record, '^%d+ %d+ (%d+) %d+$'))
  redis.call('HDEL', PENDING, reservation_id)
end

local buyers, entries = {}, {}
for index = 2, #ARGV, 2 do buyers[#buyers + 1] = ARGV[index] end
if #buyers > 0 then
  for index, present in ipairs(redis.call('HMGET', OUTCOMES, unpack(buyers))) do
    if not present then
      local outcome = ARGV[2 * index + 1]
      entries[#entries + 1] = buyers[index]
      entries[#entries + 1] = outcome
      if string.sub(outcome, 1, 1) == 'c' then units = units - 1 end
    end
  end
end
if #entries > 0 then redis.call('HSET', OUTCOMES, unpack(entries)) end
local stock = sale.stock
if units ~= 0 then stock = redis.call('INCRBY', STOCK, units) end
return {sale.epoch, stock}
