-- @include logins.lua
--[[
  Find revoked: which of these logins are revoked. Writes nothing.

  ARGV: buyer, login id, auth hash (strings) of each login, at most 1000

  Returns {1 (revoked) or 0 for each login, in the order asked}
]]
local results = {}
for index, is_revoked in ipairs((find_revoked(1))) do
  results[index] = is_revoked and 1 or 0
end
return results
