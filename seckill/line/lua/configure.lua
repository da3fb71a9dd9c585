--[[
  Configure: the shop changed a sale that is known; take over its window, status, limits and stock.

  KEYS: 1 meta  2 stock
  ARGV: 1 stock total  2 opens_ms  3 closes_ms  4 status  5 line_limit

  Result: {} when the sale is unknown, else {epoch, stock}

  The units left move by as much as the total did, so it may run twice.
]]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'stock_total', 'server')
if not is_known(meta[1], redis.call('GET', KEYS[2]), meta[3]) then return {} end
local stock = redis.call('INCRBY', KEYS[2], tonumber(ARGV[1]) - tonumber(meta[2]))
redis.call('HSET', KEYS[1],
  'stock_total', ARGV[1], 'opens_ms', ARGV[2], 'closes_ms', ARGV[3], 'status', ARGV[4], 'line_limit', ARGV[5])
return {tonumber(meta[1]), stock}
