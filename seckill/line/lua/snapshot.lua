--[[
  Snapshot: where the line stands, read in one moment.

  KEYS: 1 meta  2 line  3 stock  4 pointer  5 pending
  ARGV: 1 lease_ms

  Result: {} when the sale is unknown, else
    {epoch, now_ms, stock total, stock, opens_ms, closes_ms, status, line_limit, ended_ms, sold_out_ms,
     rejoin_until_ms, length, pointer, units under a claim, claims older than the lease}
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'stock_total', 'opens_ms', 'closes_ms', 'status', 'line_limit',
  'ended_ms', 'sold_out_ms', 'rejoin_until_ms', 'server')
local stock = tonumber(redis.call('GET', KEYS[3]))
if not is_known(meta[1], stock, meta[10]) then return {} end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed, stale = 0, 0
for _, record in ipairs(redis.call('HVALS', KEYS[5])) do
  local units, claimed_ms = string.match(record, '^%d+ %d+ (%d+) (%d+)$')
  claimed = claimed + units
  if now_ms - claimed_ms > tonumber(ARGV[1]) then stale = stale + 1 end
end
return {tonumber(meta[1]), now_ms, tonumber(meta[2]), stock, tonumber(meta[3]), tonumber(meta[4]), meta[5],
  tonumber(meta[6]), tonumber(meta[7]), tonumber(meta[8]), tonumber(meta[9]), redis.call('LLEN', KEYS[2]),
  tonumber(redis.call('GET', KEYS[4]) or 0), claimed, stale}
