-- @include sale.lua
--[[
  Rejoin: the holder of a valid ticket who is not in the line comes back: to the place on the ticket if it is still free
  and undecided, else to the end.

  ARGV: 1 buyer (string)  2 place on the ticket

  Returns {} when the sale is not loaded, {epoch, 0} when it has ended, else {epoch, place}

  Safe to run twice: the same place.
]]
local HOLES_AT_ONCE = 1000
local buyer, place = ARGV[1], tonumber(ARGV[2])

local sale = load_sale('ended_ms', 'line_limit')
if not sale then return {} end
local held = redis.call('HGET', PLACES, buyer)
if held then return {sale.epoch, tonumber(held)} end
if sale.ended_ms > 0 then return {sale.epoch, 0} end

local issued = redis.call('LLEN', LINE)
if place > issued and place <= sale.line_limit then
  local missing = place - 1 - issued
  while missing > 0 do
    local holes = {}
    for index = 1, math.min(missing, HOLES_AT_ONCE) do holes[index] = '' end
    redis.call('RPUSH', LINE, unpack(holes))
    missing = missing - #holes
  end
  redis.call('RPUSH', LINE, buyer)
elseif place <= issued and place > read_pointer() and redis.call('LINDEX', LINE, place - 1) == '' then
  redis.call('LSET', LINE, place - 1, buyer)
else
  place = redis.call('RPUSH', LINE, buyer)
end
redis.call('HSET', PLACES, buyer, place)
return {sale.epoch, place}
