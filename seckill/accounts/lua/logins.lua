--[[
  Included by every script that is given logins.

  KEYS of such a script are those of `LoginKeys` (seckill/accounts/keys.py), in that order.
]]
local REVOCATIONS, REVOKED_AT, PASS_COUNTS = unpack(KEYS)

-- Milliseconds since 1970 by Redis' clock.
local function read_clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

--[[
  Return for each login whether it is revoked, and the buyers of all. A login is three of ARGV from `first` on: buyer,
  login id, auth hash. It is revoked when its id is, or when its account has another auth hash by now. A login about
  which nothing is stored is valid.
]]
local function find_revoked(first)
  local buyers, ids, revoked = {}, {}, {}
  for index = first, #ARGV, 3 do
    buyers[#buyers + 1] = ARGV[index]
    ids[#ids + 1] = ARGV[index + 1]
  end
  if #buyers == 0 then return revoked, buyers end
  local hashes = redis.call('HMGET', REVOCATIONS, unpack(buyers))
  local ended = redis.call('HMGET', REVOCATIONS, unpack(ids))
  for index = 1, #buyers do
    local auth_hash = ARGV[first + 3 * index - 1]
    revoked[index] = ended[index] ~= false or (hashes[index] ~= false and hashes[index] ~= auth_hash)
  end
  return revoked, buyers
end
