--[[
  Known: stands before every script of a sale. A sale is known while this server has its meta and its stock, and while
  it is the very server that was told them.

  A server that restarted, or a replica that took over, may have lost what was answered last; it has another run id.
  Until the line is rebuilt the sale is unknown there, or places that were promised would be given out again. Where
  nothing that was answered can be lost, `server` is empty and nothing is compared.
]]
local function is_known(epoch, stock, server)
  if not epoch or not stock then return false end
  return server == '' or server == string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
