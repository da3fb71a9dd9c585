-- @include logins.lua
--[[
  Revoke: from now on only this auth hash is valid for the member; '' means none.

  Entries older than a cookie lives are deleted, since no cookie needs them; so are the oldest when there are more than
  `most`.

  ARGV: 1 member (buyer or login id, string)  2 auth hash (string)  3 keep_ms  4 most (entries)

  Returns {number of entries}

  Safe to run twice: the same.
]]
local DELETE_AT_ONCE = 1000
local member, auth_hash, keep_ms, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local now_ms = read_clock()
redis.call('HSET', REVOCATIONS, member, auth_hash)
redis.call('ZADD', REVOKED_AT, now_ms, member)

local before = string.format('(%d', now_ms - keep_ms)
local old = redis.call('ZRANGEBYSCORE', REVOKED_AT, '-inf', before, 'LIMIT', 0, DELETE_AT_ONCE)
local surplus = redis.call('ZCARD', REVOKED_AT) - most
if #old < surplus then
  old = redis.call('ZRANGE', REVOKED_AT, 0, math.min(surplus, DELETE_AT_ONCE) - 1)
end
if #old > 0 then
  redis.call('HDEL', REVOCATIONS, unpack(old))
  redis.call('ZREM', REVOKED_AT, unpack(old))
end
redis.call('PEXPIRE', REVOCATIONS, keep_ms)
redis.call('PEXPIRE', REVOKED_AT, keep_ms)
return {redis.call('ZCARD', REVOKED_AT)}
