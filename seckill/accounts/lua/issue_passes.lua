-- @include logins.lua
--[[
  Issue passes: decide which of these logins get a pass: those that are not revoked, as often in a window as the limit
  allows.

  Windows follow one another by Redis' clock. The counts of a new window replace those of the last one, so there are
  never more than there were buyers in one window. They expire when nobody asks any more.

  ARGV: 1 limit (passes of a buyer in a window)  2 window_ms
        3... buyer, login id, auth hash (strings) of each login, at most 1000; id and auth hash are '' where Django has
        checked the session itself: such a buyer is counted, whatever is stored about logins

  Returns {ms until the next window, result, result ...}: 1 issued, 0 revoked, -1 over the limit

  Run twice it counts twice: a lost reply costs each buyer in it one pass of this window, and nothing else.
]]
local ISSUED, REVOKED, TOO_MANY = 1, 0, -1
local WINDOW = ''  -- the field of PASS_COUNTS that holds the number of the window
local limit, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

local now_ms = read_clock()
local window = math.floor(now_ms / window_ms)
local revoked, buyers = find_revoked(3)
local results = {window_ms - now_ms % window_ms}
if #buyers == 0 then return results end

local is_new = tonumber(redis.call('HGET', PASS_COUNTS, WINDOW)) ~= window
local counts = is_new and {} or redis.call('HMGET', PASS_COUNTS, unpack(buyers))
local new_counts, changes = {}, {}
for index, buyer in ipairs(buyers) do
  local login_id = ARGV[3 * index + 1]
  local count = new_counts[buyer] or tonumber(counts[index] or 0)
  if revoked[index] and login_id ~= '' then
    results[#results + 1] = REVOKED
  elseif count >= limit then
    results[#results + 1] = TOO_MANY
  else
    new_counts[buyer] = count + 1
    results[#results + 1] = ISSUED
  end
end
for buyer, count in pairs(new_counts) do
  changes[#changes + 1] = buyer
  changes[#changes + 1] = count
end
if #changes > 0 then
  if is_new then
    redis.call('UNLINK', PASS_COUNTS)
    redis.call('HSET', PASS_COUNTS, WINDOW, string.format('%d', window))
    redis.call('PEXPIRE', PASS_COUNTS, window_ms)
  end
  redis.call('HSET', PASS_COUNTS, unpack(changes))
end
return results
