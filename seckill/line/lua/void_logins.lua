--[[
  Void logins: which of these logins are void. Writes nothing.

  KEYS: 1 marks
  ARGV: buyer, login id, mark of each login, at most 1000

  Result: {1 or 0 for each login, in the order asked}; 1 = void
]]
local answers = {}
for place, is_void in ipairs((void_logins(KEYS[1], 1))) do
  answers[place] = is_void and 1 or 0
end
return answers
