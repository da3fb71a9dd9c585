-- @include sale.lua
--[[
  Snapshot: read where the line stands, at one moment.

  ARGV: 1 lease_ms

  Returns {} when the sale is not loaded, else the fields of `Snapshot` (seckill/line/snapshot.py), in that order
]]
local lease_ms = tonumber(ARGV[1])

local sale = load_sale('stock_total', 'opens_ms', 'closes_ms', 'status', 'line_limit', 'ended_ms', 'sold_out_ms',
  'rejoin_until_ms')
if not sale then return {} end
local now_ms = read_clock()
local reserved_units, expired_reservations = 0, 0
for _, record in ipairs(redis.call('HVALS', PENDING)) do
  local units, reserved_ms = string.match(record, '^%d+ %d+ (%d+) (%d+)$')
  reserved_units = reserved_units + units
  if now_ms - reserved_ms > lease_ms then expired_reservations = expired_reservations + 1 end
end
return {sale.epoch, now_ms, sale.stock_total, sale.stock, sale.opens_ms, sale.closes_ms, sale.status, sale.line_limit,
  sale.ended_ms, sale.sold_out_ms, sale.rejoin_until_ms, redis.call('LLEN', LINE), read_pointer(), reserved_units,
  expired_reservations}
