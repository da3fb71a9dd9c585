--[[
  Void: stands before every script that is given logins. A login is void when it has ended itself, or when its account
  has another mark by now. What nothing is known about is valid.

  A login is three arguments: buyer, login id, mark.
]]
local function void_logins(marks_key, first)
  local buyers, ids, void = {}, {}, {}
  for index = first, #ARGV, 3 do
    buyers[#buyers + 1] = ARGV[index]
    ids[#ids + 1] = ARGV[index + 1]
  end
  if #buyers == 0 then return void, buyers end
  local marks = redis.call('HMGET', marks_key, unpack(buyers))
  local ended = redis.call('HMGET', marks_key, unpack(ids))
  for place = 1, #buyers do
    local mark = ARGV[first + 3 * place - 1]
    void[place] = ended[place] ~= false or (marks[place] ~= false and marks[place] ~= mark)
  end
  return void, buyers
end
