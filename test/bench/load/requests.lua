-- Sends the requests of a file in turn: wrk … URL -- FILE FIRST. Each is written as its length, a line break and
-- its bytes. What is prepared here costs nothing while wrk measures, and the same for every server.
local requests, count, current = {}, 0, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local line = file:read("*l")
    if not line then break end
    count = count + 1
    requests[count] = file:read(tonumber(line))
  end
  file:close()
  current = tonumber(args[2])
  io.stdout:write("prepared\n")
  io.stdout:flush()
end

function request()
  current = current % count + 1
  return requests[current]
end
