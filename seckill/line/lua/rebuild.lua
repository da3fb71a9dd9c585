-- @include sale.lua
--[[
  Rebuild: load a sale in a new epoch, with the stock that the ledger says.

  ARGV: 1 epoch (integer)  2 stock (integer)  3 pointer (place)
        4 rejoin_ms: how long nobody is admitted or settled, so that a crowd whose line was lost can come back in its
          old order; 0 for no wait
        5 stock_total (integer)  6 opens_ms  7 closes_ms  8 status (string)  9 line_limit (integer)
        10 ended_ms (0: not ended)
        11 server (string): run id of this server, or '' if its restart loses no answer (see sale.lua)

  Returns {epoch of the sale}

  Safe to run twice: an epoch that is not newer than the present one changes nothing.
]]
local epoch, stock, pointer, rejoin_ms = unpack(ARGV, 1, 4)
local stock_total, opens_ms, closes_ms, status, line_limit, ended_ms, server = unpack(ARGV, 5)

local present = tonumber(redis.call('HGET', META, 'epoch'))
if present and present >= tonumber(epoch) then return {present} end
local now_ms = read_clock()
local rejoin_until_ms = tonumber(rejoin_ms) > 0 and now_ms + tonumber(rejoin_ms) or 0
local sold_out_ms = tonumber(stock) > 0 and 0 or now_ms

redis.call('DEL', PENDING, REBUILDING)
redis.call('SET', STOCK, stock)
redis.call('SET', POINTER, pointer)
redis.call('HSET', META, 'epoch', epoch, 'stock_total', stock_total, 'opens_ms', opens_ms, 'closes_ms', closes_ms,
  'status', status, 'line_limit', line_limit, 'ended_ms', ended_ms, 'server', server,
  'rejoin_until_ms', string.format('%d', rejoin_until_ms), 'sold_out_ms', string.format('%d', sold_out_ms))
return {tonumber(epoch)}
