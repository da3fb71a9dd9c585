--[[
  Admit: buyers join the line, in the order given. A buyer who has a place keeps it, whatever the window says now.

  KEYS: 1 meta  2 line  3 places  4 stock  5 pointer
  ARGV: buyers, at most 1000

  Result: {} when the sale is unknown, else
    {epoch, now_ms, stock, pointer, length, then for each buyer: place (> 0) or a refusal (< 0)}
  Refusals: -1 not open yet  -2 paused  -3 closed  -4 sold out (line full, or ended)  -5 recovering

  Twice with the same buyers: the same places.
]]
local meta = redis.call('HMGET', KEYS[1],
  'epoch', 'opens_ms', 'closes_ms', 'status', 'line_limit', 'ended_ms', 'rejoin_until_ms', 'server')
local stock = redis.call('GET', KEYS[4])
if not is_known(meta[1], stock, meta[8]) then return {} end

-- Redis' own clock decides the window: a gate whose clock is wrong can let nobody in early.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local refusal = nil
if meta[4] == 'closed' or now_ms >= tonumber(meta[3]) then refusal = -3
elseif tonumber(meta[6]) > 0 then refusal = -4
elseif now_ms < tonumber(meta[2]) then refusal = -1
elseif meta[4] == 'paused' then refusal = -2
elseif now_ms < tonumber(meta[7]) then refusal = -5
end

local length = redis.call('LLEN', KEYS[2])
local limit = tonumber(meta[5])
local known = redis.call('HMGET', KEYS[3], unpack(ARGV))
local given, joined, entries, places = {}, {}, {}, {}
for index, buyer in ipairs(ARGV) do
  local place = tonumber(known[index] or given[buyer])
  if not place then
    if refusal then
      place = refusal
    elseif length >= limit then
      place = -4
    else
      length = length + 1
      place = length
      given[buyer] = place
      joined[#joined + 1] = buyer
      entries[#entries + 1] = buyer
      entries[#entries + 1] = place
    end
  end
  places[index] = place
end
if #joined > 0 then
  redis.call('RPUSH', KEYS[2], unpack(joined))
  redis.call('HSET', KEYS[3], unpack(entries))
end
return {tonumber(meta[1]), now_ms, tonumber(stock), tonumber(redis.call('GET', KEYS[5]) or 0), length, unpack(places)}
