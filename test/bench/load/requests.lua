-- Sends the requests in a file one after the other: wrk … URL -- FILE FIRST. In the file, each is its length, a line break
-- and its bytes. They are read before wrk measures, so that sending one costs little, and the same for every server.
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
