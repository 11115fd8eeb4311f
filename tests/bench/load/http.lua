-- wrk -s http.lua URL -- SCENARIO TOKENS.tsv SEED
-- Requests are built once in init(); the loop only picks the next, and gives each `spend` a reference of its own.
-- `call` goes through the table pair by pair, each pair once (a person is in one call at a time); `touch` reads the
-- balances of the same callers in the same order. wrk counts statuses above 399 as bad.
-- Prints one machine-readable line: RESULT req/s p50_us p99_us requests bad bytes
local COUNT = 20000
local REFERENCE = "00000000-0000-4000-8000-000000000000"
local reqs, i, fresh, seed = {}, 0, nil, 1

local function read(file)
  local ids, toks = {}, {}
  for line in io.lines(file) do
    local u, t = line:match("^(%S+)%s+(%S+)")
    ids[#ids + 1] = u; toks[#toks + 1] = t
  end
  return ids, toks
end

local function build(method, path, token, body)
  local h = { ["Authorization"] = "Bearer " .. token }
  if body then h["Content-Type"] = "application/json" end
  return wrk.format(method, path, h, body)
end

function init(args)
  local scenario, ids, toks = args[1], read(args[2])
  seed = tonumber(args[3])
  math.randomseed(seed)
  local make = {
    profile = function(k) return "GET", "/api/auth/profile", toks[k] end,
    balance = function(k) return "GET", "/api/coins/balance", toks[k] end,
    spend = function(k) return "POST", "/api/coins/spend", toks[k],
      '{"amount":10,"action":"gift","referenceId":"' .. REFERENCE .. '"}' end,
    call = function(k) return "POST", "/api/calls/initiate", toks[k],
      '{"receiverId":"' .. ids[k + 1] .. '","callType":"video"}' end,
    touch = function(k) return "GET", "/api/coins/balance", toks[k] end,
  }
  local in_pairs = scenario == "call" or scenario == "touch"
  fresh = scenario == "spend"
  for m = 1, in_pairs and #ids / 2 or COUNT do
    local k = in_pairs and 2 * m - 1 or math.random(1000)
    reqs[m] = build(make[scenario](k))
    if fresh then
      local at = reqs[m]:find(REFERENCE, 1, true)
      reqs[m] = { reqs[m]:sub(1, at - 1), reqs[m]:sub(at + #REFERENCE) }
    end
  end
end

function request()
  i = i + 1
  local r = reqs[(i - 1) % #reqs + 1]
  if not fresh then return r end
  return r[1] .. string.format("%08x-0000-4000-8000-%012x", seed, i) .. r[2]
end

function done(summary, latency, requests)
  local e = summary.errors
  local bad = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %.2f %.0f %.0f %d %d %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50), latency:percentile(99), summary.requests, bad, summary.bytes))
end
