-- Asks each of the rows of the file ROWS in turn; counts what is not answered with 200.
local rows = {}
for line in io.lines(os.getenv("ROWS")) do rows[#rows + 1] = line end
local at, threads = 0, {}

function setup(thread)
  thread:set("bad", 0)
  table.insert(threads, thread)
end

function request()
  at = at % #rows + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, rows[at])
end

function response(status)
  if status ~= 200 then bad = bad + 1 end
end

function done(summary, latency)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  io.write(string.format('RESULT {"requests": %d, "seconds": %.3f, "bad": %d, "p50": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
