-- Asks for one ticket after the other, again and again: wrk --script poll.lua URL -- TICKETS
-- TICKETS holds one ticket a line.

local requests = {}
local next_request = 0

function init(arguments)
  for ticket in assert(io.open(arguments[1])):lines() do
    requests[#requests + 1] = wrk.format("GET", "/api/tickets/" .. ticket)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
