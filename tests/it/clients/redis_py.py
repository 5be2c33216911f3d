"""What applications do with redis-py. Everything that is printed has to be the same with any server.

Arguments: port, protocol (2 or 3), "node" or "proxy". Through a proxy what it refuses is left out, and keys share a slot.
"""
import sys
import threading
import time

import redis
from redis.lock import Lock

port, protocol, face = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
whole = face == "node"


def key(name):
    return "{app}" + name


def connect(**options):
    return redis.Redis(port=port, protocol=protocol, decode_responses=True, client_name="app", **options)


def say(what, value):
    if isinstance(value, set):
        value = sorted(value)
    if isinstance(value, dict):
        value = sorted(value.items())
    print(what, repr(value))


def fails(what, run):
    try:
        say(what, run())
    except redis.RedisError as error:
        print(what, type(error).__name__, error)


client = connect()
say("ping", client.ping())
say("flush", client.flushall())
say("name", client.client_getname())
say("set", client.set(key("a"), "1", ex=1000, nx=True))
say("again", client.set(key("a"), "2", nx=True))
say("incr", client.incrby(key("a"), 41))
say("ttl", 990 < client.ttl(key("a")) <= 1000)
say("getex", client.getex(key("a"), persist=True))
say("bytes", connect().set(key("b"), b"\x00\xff\r\n"))
say("raw", redis.Redis(port=port, protocol=protocol).get(key("b")))
fails("wrong type", lambda: client.lpush(key("a"), 1))
fails("not a number", lambda: client.incr(key("b")))
fails("no command", lambda: client.execute_command("NOSUCH", "a", "b"))
fails("arity", lambda: client.execute_command("GET"))

say("mset", client.mset({key(str(n)): n for n in range(10)}))
say("mget", client.mget([key(str(n)) for n in range(12)]))
say("scan", sorted(client.scan_iter(match="*{app}*", count=3)))
say("hash", client.hset(key("h"), mapping={"f": 1, "g": "x"}))
say("hash all", client.hgetall(key("h")))
say("hash float", client.hincrbyfloat(key("h"), "f", 1.5))
say("hscan", sorted(client.hscan_iter(key("h"))))
say("list", client.rpush(key("l"), *"abcde"))
say("move", client.lmove(key("l"), key("m"), "LEFT", "RIGHT"))
say("lpos", client.lpos(key("l"), "d"))
say("set members", client.sadd(key("s"), *"xyz"))
say("smembers", client.smembers(key("s")))
say("sinter", client.sinter([key("s"), key("s")]))
say("zadd", client.zadd(key("z"), {"one": 1, "two": 2.5, "inf": float("inf")}))
say("zrange", client.zrange(key("z"), 0, -1, withscores=True))
say("zscore", client.zscore(key("z"), "inf"))
say("zpopmin", client.zpopmin(key("z"), 2))
say("geo", client.geoadd(key("geo"), (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")))
say("geodist", client.geodist(key("geo"), "Palermo", "Catania", unit="km"))
say("geosearch", client.geosearch(key("geo"), longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True))
say("bitfield", client.bitfield(key("bits")).set("u8", 0, 255).incrby("u8", 0, 10).execute())
say("pfadd", client.pfadd(key("hll"), *range(1000)))
say("pfcount", client.pfcount(key("hll")))
say("sort", client.sort(key("l"), alpha=True, desc=True))
say("type", [client.type(key(name)) for name in ["a", "h", "l", "s", "z", "none"]])
say("dump", client.restore(key("copy"), 0, redis.Redis(port=port, protocol=protocol).dump(key("h"))))
say("copied", client.hgetall(key("copy")))

# Pipelines, with and without a transaction, and one that fails in the middle.
with client.pipeline(transaction=False) as pipe:
    for number in range(1000):
        pipe.incr(key("count"))
    say("pipeline", pipe.execute()[-3:])
with client.pipeline() as pipe:
    pipe.set(key("t"), 1).incr(key("t")).get(key("t"))
    say("transaction", pipe.execute())
with client.pipeline() as pipe:
    pipe.set(key("t"), "x").incr(key("t")).get(key("t"))
    replies = pipe.execute(raise_on_error=False)
    say("failed within", [str(reply) for reply in replies])


def add_one(pipe):
    value = int(pipe.get(key("watched")) or 0)
    pipe.multi()
    pipe.set(key("watched"), value + 1)


def many():
    own = connect()
    for _ in range(25):
        own.transaction(add_one, key("watched"))


threads = [threading.Thread(target=many) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say("optimistic", client.get(key("watched")))

# Streams and their groups.
say("xadd", client.xadd(key("x"), {"n": 1}, id="1-1"))
say("xadd", client.xadd(key("x"), {"n": 2}, id="1-*"))
say("xgroup", client.xgroup_create(key("x"), "group", id="0"))
say("xreadgroup", client.xreadgroup("group", "one", {key("x"): ">"}, count=10))
say("xpending", client.xpending(key("x"), "group"))
say("xack", client.xack(key("x"), "group", "1-1"))
say("xautoclaim", client.xautoclaim(key("x"), "group", "two", min_idle_time=0))
say("xinfo", client.xinfo_groups(key("x")))
say("xrange", client.xrange(key("x")))
say("xread", client.xread({key("x"): "1-1"}))

# Messages, by name and by pattern.
pubsub = client.pubsub()
pubsub.subscribe("news")
pubsub.psubscribe("n?ws")
for _ in range(2):
    say("subscribed", pubsub.get_message(timeout=20))
say("published", client.publish("news", "hello"))
for _ in range(2):
    say("message", pubsub.get_message(timeout=20))
say("numsub", client.pubsub_numsub("news"))
pubsub.unsubscribe("news")
say("unsubscribed", pubsub.get_message(timeout=20))
pubsub.close()

# A lock is a script; scripts are loaded when they are missing.
script = client.register_script("return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
say("script", script(keys=[key("scripted")], args=[5]))
client.script_flush()
say("script again", script(keys=[key("scripted")], args=[6]))
say("exists", client.script_exists(script.sha))
with client.lock(key("lock"), timeout=5) as lock:
    say("locked", lock.locked())
    say("second", Lock(client, key("lock"), blocking=False).acquire())
    say("extended", lock.extend(5))
say("released", client.exists(key("lock")))
say("function", client.function_load("#!lua name=lib\nredis.register_function('twice', function(k, a) return a[1] * 2 end)", replace=True))
say("fcall", client.fcall("twice", 0, 21))

# Whoever waits is served, and told.
waiting = []
waiter = threading.Thread(target=lambda: waiting.append(connect().blpop(key("queue"), timeout=20)))
waiter.start()
while client.info("clients")["blocked_clients"] == 0:
    time.sleep(0.001)
client.rpush(key("queue"), "job")
waiter.join()
say("blpop", waiting)
say("timeout", client.blpop(key("queue"), timeout=0.01))

say("object", client.object("encoding", key("a")))
say("keyspace", client.info("keyspace")["db0"]["keys"])

# What concerns one server.
if whole:
    say("no user", client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=[key("*")], commands=["+@connection", "+get"]))
    reader = connect(username="reader", password="pw")
    say("reads", reader.get(key("a")))
    fails("may not", lambda: reader.set(key("a"), 1))
    fails("may not", lambda: reader.get("other"))
    say("acl", client.acl_getuser("reader")["commands"])
    say("slowlog", client.slowlog_len() >= 0)
    say("config", client.config_set("hz", 20))
    say("config", client.config_get("hz*"))
    say("memory", client.memory_usage(key("a")) > 0)
    say("wait", client.wait(0, 10))
    say("swapdb", client.swapdb(0, 1))
    say("dbsize", client.dbsize())
    try:
        redis.Redis(port=port, protocol=protocol, password="wrong").ping()
    except redis.RedisError as error:
        print("wrong password", type(error).__name__)
say("done", client.ping())
