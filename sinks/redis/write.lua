-- KEYS[1] the hash; ARGV version, status, update, milliseconds to live
local have = tonumber(redis.call('HGET', KEYS[1], 'version') or '')
if have and have >= tonumber(ARGV[1]) then
  return 0
end
if not have then
  redis.call('PEXPIRE', KEYS[1], ARGV[4]) -- who may not must not leave a hash that stays for ever
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'status', ARGV[2], 'update', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
