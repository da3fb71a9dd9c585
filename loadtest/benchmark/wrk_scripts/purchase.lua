-- Buys once with each pass: wrk --script purchase.lua URL -- PASSES
-- PASSES.0, PASSES.1, … hold one pass a line, a file for each thread of wrk. It says so when they run out.

local threads = {}

function setup(thread)
  thread:set("share", #threads)
  threads[#threads + 1] = thread
end

function init(arguments)
  passes = assert(io.open(arguments[1] .. "." .. share))
  -- Format the request once: doing so for each purchase would take CPU time from the shop.
  local example = wrk.format("POST", nil, {["Authorization"] = "Bearer PASS"})
  before, after = example:match("^(.*)PASS(.*)$")
end

function request()
  local pass = passes:read()
  if not pass then
    ran_out = true
    wrk.thread:stop()
    pass = ""
  end
  return before .. pass .. after
end

function done()
  for _, thread in ipairs(threads) do
    if thread:get("ran_out") then
      print("The passes ran out.")
      return
    end
  end
end
