--[[
  Included by every script of a sale.

  KEYS of such a script are all keys of its sale, in the order of `SaleKeys` (seckill/line/keys.py).
]]
local META, STOCK, LINE, PLACES, POINTER, PENDING, OUTCOMES, REBUILDING = unpack(KEYS)

--[[
  Return the sale as a table: `stock`, `epoch`, and these fields of META by name, numbers as numbers. Return nil when
  the sale is not loaded.

  A server that restarted, or a replica that took over, may have lost its last answers, and has another run id. The
  sale counts as not loaded there until it is rebuilt: otherwise places that were promised would be given out again.
  Where no answer can be lost, `server` is empty and the run id is not compared.
]]
local function load_sale(...)
  local names = {'epoch', 'server', ...}
  local values = redis.call('HMGET', META, unpack(names))
  local epoch, server, stock = values[1], values[2], redis.call('GET', STOCK)
  if not epoch or not stock then return nil end
  if server ~= '' and server ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then return nil end
  local sale = {stock = tonumber(stock)}
  for index, name in ipairs(names) do sale[name] = tonumber(values[index]) or values[index] end
  return sale
end

-- Milliseconds since 1970 by Redis' clock: the clocks of gates and workers decide nothing.
local function read_clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The last place that is decided or reserved.
local function read_pointer()
  return tonumber(redis.call('GET', POINTER) or 0)
end
