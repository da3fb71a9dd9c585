--[[
  Confirm: the ledger has decided these buyers; write their outcomes and close the claim.

  The claim held one unit for each place. A buyer confirmed here for the first time uses one; the rest go back: they
  were counted twice, by a claim that was taken over or by a line rebuilt meanwhile. For the same reason an unknown
  claim pays for what it confirms.

  KEYS: 1 meta  2 stock  3 pending  4 outcomes
  ARGV: 1 claim, then for each buyer: buyer, outcome ("c ..." holds a unit, "r ..." does not)

  Result: {} when the sale is unknown, else {epoch, stock}

  Twice with the same arguments: outcomes are written once, the second time moves no unit.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'server')
local stock = tonumber(redis.call('GET', KEYS[2]))
if not is_known(meta[1], stock, meta[2]) then return {} end

local units = 0
local record = redis.call('HGET', KEYS[3], ARGV[1])
if record then
  units = tonumber(string.match(record, '^%d+ %d+ (%d+) %d+$'))
  redis.call('HDEL', KEYS[3], ARGV[1])
end

local buyers, entries = {}, {}
for index = 2, #ARGV, 2 do buyers[#buyers + 1] = ARGV[index] end
if #buyers > 0 then
  for index, outcome in ipairs(redis.call('HMGET', KEYS[4], unpack(buyers))) do
    if not outcome then
      local decided = ARGV[2 * index + 1]
      entries[#entries + 1] = buyers[index]
      entries[#entries + 1] = decided
      if string.sub(decided, 1, 1) == 'c' then units = units - 1 end
    end
  end
end
if #entries > 0 then redis.call('HSET', KEYS[4], unpack(entries)) end
if units ~= 0 then stock = redis.call('INCRBY', KEYS[2], units) end
return {tonumber(meta[1]), stock}
