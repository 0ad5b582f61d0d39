-- KEYS[1] the hash; ARGV the most bytes of an update
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
if redis.call('HSTRLEN', KEYS[1], 'update') > tonumber(ARGV[1]) then
  return {'oversized'}
end
return redis.call('HMGET', KEYS[1], 'update', 'version')
