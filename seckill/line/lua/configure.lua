-- @include sale.lua
--[[
  Configure: take over the window, status, limits and stock of a loaded sale that the shop has changed.

  ARGV: 1 stock_total (integer)  2 opens_ms  3 closes_ms  4 status (string)  5 line_limit (integer)

  Returns {} when the sale is not loaded, else {epoch, stock}

  Safe to run twice: the units left change by as much as the total did.
]]
local stock_total, opens_ms, closes_ms, status, line_limit = unpack(ARGV)

local sale = load_sale('stock_total')
if not sale then return {} end
local stock = redis.call('INCRBY', STOCK, tonumber(stock_total) - sale.stock_total)
redis.call('HSET', META, 'stock_total', stock_total, 'opens_ms', opens_ms, 'closes_ms', closes_ms, 'status', status,
  'line_limit', line_limit)
return {sale.epoch, stock}
