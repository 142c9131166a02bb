-- The script of core/load.py: paths come from stdin, method and body as arguments, and the report
-- is one line of JSON.
local paths = {}
local position = 0

function init(args)
  wrk.method = args[1]
  wrk.body = args[2] ~= "" and args[2] or nil
  for line in io.lines() do
    paths[#paths + 1] = wrk.format(nil, line)
  end
end

function request()
  position = position % #paths + 1
  return paths[position]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
