-- sends the bodies of a file in turn, one a line, and ends with a line of JSON that says what came of them
local bodies, turn = {}, 0

function init(args)
   wrk.headers["Content-Type"] = "application/json"
   for body in io.lines(args[1]) do
      bodies[#bodies + 1] = wrk.format("POST", nil, nil, body)
   end
end

function request()
   turn = turn % #bodies + 1
   return bodies[turn]
end

function done(summary, latency)
   local lost = summary.errors.connect + summary.errors.read + summary.errors.write
   io.write(string.format(
      '{"answers": %d, "refused": %d, "lost": %d, "seconds": %.6f, "median_ms": %.6f, "p99_ms": %.6f}\n',
      summary.requests, summary.errors.status, lost, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
