-- @include sale.lua
--[[
  End sale: nobody who waits can get a unit any more. An ended sale stays ended.

  Returns {} when the sale is not loaded, else {epoch, ended_ms}. ended_ms is 0 while places are reserved, while a crowd
  may still rejoin, and while there are both units and buyers who wait for them.

  Safe to run twice: the same answer.
]]
local sale = load_sale('ended_ms', 'rejoin_until_ms')
if not sale then return {} end
if sale.ended_ms > 0 then return {sale.epoch, sale.ended_ms} end

local now_ms = read_clock()
local waiting = redis.call('LLEN', LINE) - read_pointer()
if now_ms < sale.rejoin_until_ms or redis.call('HLEN', PENDING) > 0 or (sale.stock > 0 and waiting > 0) then
  return {sale.epoch, 0}
end
redis.call('HSET', META, 'ended_ms', string.format('%d', now_ms))
return {sale.epoch, now_ms}
