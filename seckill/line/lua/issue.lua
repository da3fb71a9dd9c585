--[[
  Issue: which of these logins get a pass: who is not void, as often in a window as the limit allows.

  Windows follow one another by Redis' clock. The counts of a new one replace those of the last, so there are never
  more than there were buyers in one window; they go by themselves when nobody asks any more.

  KEYS: 1 marks  2 passes
  ARGV: 1 limit (passes of a buyer in a window)  2 window_ms  3... buyer, login id, mark of each login, at most 1000;
        id and mark are '' where the session itself was looked up: that one is counted, whatever is known about logins

  Result: {ms until the next window, answer, answer ...}; an answer is 1 = issued, 0 = void, -1 = over the limit

  Twice: counted twice. A reply that got lost costs each buyer in it one of the passes of this window, nothing else.
]]
local limit, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local window = math.floor(now_ms / window_ms)

local void, buyers = void_logins(KEYS[1], 3)
local answers = {window_ms - now_ms % window_ms}
if #buyers == 0 then return answers end

local is_new = tonumber(redis.call('HGET', KEYS[2], '')) ~= window
local counts = is_new and {} or redis.call('HMGET', KEYS[2], unpack(buyers))
local counted, changes = {}, {}
for place, buyer in ipairs(buyers) do
  local count = counted[buyer] or tonumber(counts[place] or 0)
  if void[place] and ARGV[3 * place + 1] ~= '' then
    answers[#answers + 1] = 0
  elseif count >= limit then
    answers[#answers + 1] = -1
  else
    counted[buyer] = count + 1
    answers[#answers + 1] = 1
  end
end
for buyer, count in pairs(counted) do
  changes[#changes + 1] = buyer
  changes[#changes + 1] = count
end
if #changes > 0 then
  if is_new then
    redis.call('UNLINK', KEYS[2])
    redis.call('HSET', KEYS[2], '', string.format('%d', window))
    redis.call('PEXPIRE', KEYS[2], window_ms)
  end
  redis.call('HSET', KEYS[2], unpack(changes))
end
return answers
