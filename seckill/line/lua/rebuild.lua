--[[
  Rebuild: make a sale known (again), in a new epoch, with the stock the ledger says.

  KEYS: 1 meta  2 stock  3 pointer  4 pending  5 lost
  ARGV: 1 epoch  2 stock left  3 pointer  4 rejoin_ms (how long nobody is admitted or settled, so that a crowd whose
        line was lost comes back in its old order; 0 = no wait)
        5 stock total  6 opens_ms  7 closes_ms  8 status  9 line_limit  10 ended_ms (0 = not ended)
        11 server: run id of the server that must not restart unnoticed, '' = it may (see known.lua)

  Result: {epoch of the sale}

  An epoch that is not newer than the present one changes nothing, so it may run twice.
]]
local present = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
if present and present >= tonumber(ARGV[1]) then return {present} end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local rejoin_until_ms = 0
if tonumber(ARGV[4]) > 0 then rejoin_until_ms = now_ms + tonumber(ARGV[4]) end

redis.call('DEL', KEYS[4], KEYS[5])
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
redis.call('HSET', KEYS[1],
  'epoch', ARGV[1], 'stock_total', ARGV[5], 'opens_ms', ARGV[6], 'closes_ms', ARGV[7], 'status', ARGV[8],
  'line_limit', ARGV[9], 'ended_ms', ARGV[10], 'rejoin_until_ms', string.format('%d', rejoin_until_ms),
  'server', ARGV[11], 'sold_out_ms', tonumber(ARGV[2]) > 0 and '0' or string.format('%d', now_ms))
return {tonumber(ARGV[1])}
