//! What is done inside Redis, in one step each.
//!
//! ```text
//!  KEYS  {PREFIXblocked-urls}:entries  hash: id ─▶ record; `token` ─▶ what this data set is known by
//!        {PREFIXblocked-urls}:ends     sorted set: id by the time (ms) at which its record is over
//!        {PREFIXblocked-urls}:news     stream: each record as it was written, fields `i` (id) and `r`
//! ```
//!
//! Each has a time to live, a bound on what is in it, and records that end by the clock of Redis alone.

/// Keeps the records that say something newer.
///
/// ARGV: how many records there may be, a new token, ms that the keys live on, the longest record; then of each
/// record id, time, end (ms) and bytes. Answers with a word for each: 1 kept, 2 known, 3 something newer is
/// there, 4 from the future, 5 over.
pub(super) const PUT: &str = r"
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local entries, ends, news = KEYS[1], KEYS[2], KEYS[3]
local most, longest = tonumber(ARGV[1]), tonumber(ARGV[4])
redis.call('HSETNX', entries, 'token', ARGV[2])
local said = {}
for i = 5, #ARGV, 4 do
  local id, at, till, record = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]
  local size, before, known = redis.call('HSTRLEN', entries, id), -1, false
  if size >= 9 and size <= longest then
    local old = redis.call('HGET', entries, id)
    before, known = struct.unpack('>I8', old, 2), old == record
    if before > now + 60000 then before = -1 end
  end
  if known then said[#said + 1] = 2
  elseif at < before then said[#said + 1] = 3
  elseif at > now + 60000 then said[#said + 1] = 4
  elseif till <= now then said[#said + 1] = 5
  else
    redis.call('HSET', entries, id, record)
    redis.call('ZADD', ends, till, id)
    if redis.pcall('XADD', news, 'MAXLEN', '~', most, '*', 'i', id, 'r', record).err then
      -- Somebody has used up its ids. Who follows it learns from the token that it is another one.
      redis.call('DEL', news)
      redis.call('HSET', entries, 'token', ARGV[2])
      redis.call('XADD', news, '*', 'i', id, 'r', record)
    end
    said[#said + 1] = 1
  end
end
local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 256)
local excess = redis.call('ZCARD', ends) - #over - most
if excess > 0 then
  for _, id in ipairs(redis.call('ZRANGE', ends, #over, #over + math.min(excess, 256) - 1)) do
    over[#over + 1] = id
  end
end
for _, id in ipairs(over) do
  redis.call('HDEL', entries, id)
  redis.call('ZREM', ends, id)
end
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
return said
";

/// Tells the time (ms), the token, and the id of the last of the news.
pub(super) const STATE: &str = r"
local now = redis.call('TIME')
local token = ''
if redis.call('HSTRLEN', KEYS[1], 'token') <= 64 then token = redis.call('HGET', KEYS[1], 'token') or '' end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
return {now[1] * 1000 + math.floor(now[2] / 1000), token, last[1] and last[1][1] or '0-0'}
";

/// Tells some of the records: the cursor for more; then ids and records, an empty one for each that is too
/// long to be one.
///
/// ARGV: the cursor, about how many, the longest record.
pub(super) const PAGE: &str = r"
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local told = {page[1]}
for i = 1, #page[2], 2 do
  local id, record = page[2][i], page[2][i + 1]
  if id ~= 'token' then
    if #record > tonumber(ARGV[3]) then record = '' end
    told[#told + 1] = string.sub(id, 1, 33)
    told[#told + 1] = record
  end
end
return told
";
