-- Sends one request after the other, again and again: wrk --script rotate.lua URL -- REQUESTS
-- REQUESTS holds a request a line: method, path, and headers as "Name: value", with tabs in between.

local requests = {}
local next_request = 0

function init(arguments)
  for line in assert(io.open(arguments[1])):lines() do
    local method, path, rest = line:match("^(%S+)\t([^\t]+)(.*)$")
    local headers = {}
    for name, value in rest:gmatch("\t([^:\t]+): ([^\t]*)") do
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format(method, path, headers)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
