-- A wrk script: sends the requests of a file, of which each line is METHOD PATH [JSON BODY].
-- wrk ... -- FILE once: each line once, then wrk ends; -- FILE round: over and over, till its time
-- is up. Needs a single thread (wrk -t1). The last line printed is read by load.py.
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int, int); int usleep(unsigned);")
local SIGINT = 2
local SHORT_S = 2
local MOMENT_US = 50000

local requests = {}
local once
local started_at
local sent = -1 -- wrk asks for one request that it does not send, to see whether it is well-formed

function init(args)
  once = args[2] == "once"
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    wrk.headers["Content-Type"] = body ~= "" and "application/json" or nil
    requests[#requests + 1] = wrk.format(method, path, nil, body ~= "" and body or nil)
  end
end

function request()
  sent = sent + 1
  started_at = started_at or os.time()
  if once and sent > #requests then
    wrk.thread:stop()
    -- The signal wakes wrk, which else sleeps till its time is up; it must have fallen asleep.
    if os.time() - started_at < SHORT_S then
      ffi.C.usleep(MOMENT_US)
    end
    ffi.C.kill(ffi.C.getpid(), SIGINT)
    return ""
  end
  return requests[math.max(sent - 1, 0) % #requests + 1]
end

function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  local line = "\nrequests=%d microseconds=%d errors=%d median_us=%d slowest_us=%d\n"
  local median = latency:percentile(50)
  io.write(line:format(summary.requests, summary.duration, errors, median, latency.max))
end
