-- @include sale.lua
--[[
  Admit: buyers join the line, in the order given. A buyer who has a place keeps it, whatever the window says now.

  ARGV: buyers (strings), at most 1000

  Returns {} when the sale is not loaded, else
    {epoch, now_ms, stock, pointer, places_issued, then for each buyer a place (> 0) or a reason for rejection (< 0)}

  Safe to run twice: the same buyers get the same places.
]]
local NOT_OPEN, PAUSED, CLOSED, SOLD_OUT, RECOVERING = -1, -2, -3, -4, -5

local sale = load_sale('opens_ms', 'closes_ms', 'status', 'line_limit', 'ended_ms', 'rejoin_until_ms')
if not sale then return {} end
local now_ms = read_clock()

-- In the order of `state_at` (seckill/line/state.py).
local rejection = nil
if sale.status == 'closed' or now_ms >= sale.closes_ms then rejection = CLOSED
elseif sale.ended_ms > 0 then rejection = SOLD_OUT
elseif sale.status == 'paused' then rejection = PAUSED
elseif now_ms < sale.opens_ms then rejection = NOT_OPEN
elseif now_ms < sale.rejoin_until_ms then rejection = RECOVERING
end

local issued = redis.call('LLEN', LINE)
local held = redis.call('HMGET', PLACES, unpack(ARGV))
local new_places, new_buyers, new_entries, results = {}, {}, {}, {}
for index, buyer in ipairs(ARGV) do
  local place = tonumber(held[index] or new_places[buyer])
  if not place then
    if rejection then
      place = rejection
    elseif issued >= sale.line_limit then
      place = SOLD_OUT
    else
      issued = issued + 1
      place = issued
      new_places[buyer] = place
      new_buyers[#new_buyers + 1] = buyer
      new_entries[#new_entries + 1] = buyer
      new_entries[#new_entries + 1] = place
    end
  end
  results[index] = place
end
if #new_buyers > 0 then
  redis.call('RPUSH', LINE, unpack(new_buyers))
  redis.call('HSET', PLACES, unpack(new_entries))
end
return {sale.epoch, now_ms, sale.stock, read_pointer(), issued, unpack(results)}
