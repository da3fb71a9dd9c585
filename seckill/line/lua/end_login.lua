--[[
  End login: from now on only this mark is valid for the member; '' is none.

  What was written longer ago than a cookie lives is forgotten, for no cookie needs it any more; so is what was written
  longest ago, when there is more than `most`.

  KEYS: 1 marks  2 ended
  ARGV: 1 member (buyer or login id)  2 mark  3 keep_ms  4 most

  Result: {how many are known}

  Twice: the same.
]]
local FORGET_AT_ONCE = 1000
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now_ms, ARGV[1])

local before = string.format('(%d', now_ms - tonumber(ARGV[3]))
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', before, 'LIMIT', 0, FORGET_AT_ONCE)
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if #gone < surplus then
  gone = redis.call('ZRANGE', KEYS[2], 0, math.min(surplus, FORGET_AT_ONCE) - 1)
end
if #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
  redis.call('ZREM', KEYS[2], unpack(gone))
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {redis.call('ZCARD', KEYS[2])}
