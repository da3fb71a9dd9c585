--[[
  Take: one unit for one buyer. The same buyer gets the same unit again.

  KEYS: 1 stock  2 buyers (buyer -> number of the unit)
  ARGV: 1 buyer  2 units there are, used when Redis has not heard of the sale yet

  Result: the number of the buyer's unit, from 1; 0 when none is left
]]
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then return tonumber(held) end
redis.call('SETNX', KEYS[1], ARGV[2])
if tonumber(redis.call('GET', KEYS[1])) <= 0 then return 0 end
redis.call('DECR', KEYS[1])
local unit = redis.call('HLEN', KEYS[2]) + 1
redis.call('HSET', KEYS[2], ARGV[1], unit)
return unit
