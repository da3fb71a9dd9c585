--[[
  Finish: it is certain that nobody who waits can win any more, so tell them. For good: an ended sale stays ended.

  KEYS: 1 meta  2 line  3 stock  4 pointer  5 pending

  Result: {} when the sale is unknown, else {epoch, ended_ms}; ended_ms is 0 while a claim is open, or while there are
  both units and people left for them

  Twice: the same answer.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'ended_ms', 'rejoin_until_ms', 'server')
local stock = tonumber(redis.call('GET', KEYS[3]))
if not is_known(meta[1], stock, meta[4]) then return {} end
local epoch = tonumber(meta[1])
if tonumber(meta[2]) > 0 then return {epoch, tonumber(meta[2])} end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local waiting = redis.call('LLEN', KEYS[2]) - tonumber(redis.call('GET', KEYS[4]) or 0)
if now_ms < tonumber(meta[3]) or redis.call('HLEN', KEYS[5]) > 0 or (stock > 0 and waiting > 0) then
  return {epoch, 0}
end
redis.call('HSET', KEYS[1], 'ended_ms', string.format('%d', now_ms))
return {epoch, now_ms}
