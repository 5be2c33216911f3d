"""What applications do with redis-py's client for Redis Cluster. Everything that is printed has to be the same with any server.

Arguments: port, protocol, "node" (a Redis Cluster of one server, which is given all slots here) or "proxy".
"""
import sys
import threading

import redis
from redis.cluster import ClusterNode, RedisCluster

port, protocol, face = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if face == "node":
    server = redis.Redis(port=port)
    if server.execute_command("CLUSTER INFO").get("cluster_slots_assigned") != "16384":
        server.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    turn = threading.Event()
    while server.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
        turn.wait(0.02)


def connect(**options):
    node = ClusterNode("localhost", port)
    return RedisCluster(startup_nodes=[node], protocol=protocol, decode_responses=True, **options)


def say(what, value):
    print(what, repr(value))


client = connect()
say("flush", client.flushall())
say("set", [client.set(f"key:{n}", n) for n in range(50)])
say("get", [client.get(f"key:{n}") for n in range(50)])
say("mset", client.mset_nonatomic({f"key:{n}": n * n for n in range(50)}))
say("mget", client.mget_nonatomic([f"key:{n}" for n in range(60)]))
say("dbsize", client.dbsize())
say("keys", len(client.keys("key:*")))
say("scan", sorted(client.scan_iter(match="key:*", count=7)))
say("del", client.delete(*[f"key:{n}" for n in range(20)]))
say("exists", client.exists(*[f"key:{n}" for n in range(50)]))
say("mget of one slot", client.mget("{tag}a", "{tag}b"))
with client.pipeline() as pipeline:
    for n in range(30):
        pipeline.incr(f"count:{n}")
    say("pipeline", pipeline.execute())
say("slot", client.keyslot("key:1") == client.cluster_keyslot("key:1"))
slot = client.keyslot("{tag}")
client.mset({"{tag}a": 1, "{tag}b": 2, "{tag}c": 3})
say("count in slot", client.cluster_countkeysinslot(slot))
say("keys in slot", sorted(client.cluster_get_keys_in_slot(slot, 10)))
say("some keys in slot", len(client.cluster_get_keys_in_slot(slot, 2)))
info = client.cluster_info(target_nodes=client.get_default_node())
say("info", [info[name] for name in ("cluster_state", "cluster_slots_assigned", "cluster_size")])
nodes = client.cluster_nodes()
say("nodes", [(node["flags"], node["slots"], node["connected"]) for node in nodes.values()])
shards = client.cluster_shards(target_nodes=client.get_default_node())
say("shards", [shard["slots"] for shard in shards])
say("id", client.cluster_myid(client.get_default_node()) in str(client.execute_command("CLUSTER NODES")))
say("links", len(client.cluster_links(client.get_default_node())))
say("script", client.eval("return redis.call('GET', KEYS[1])", 1, "{tag}a"))
say("lists", [client.rpush("list", *"abc"), client.blpop("list", timeout=1)])
say("readers", [connect(read_from_replicas=True).get("{tag}b") for _ in range(3)])
hearing = client.pubsub()
hearing.subscribe("news")
say("subscribed", hearing.get_message(timeout=5)["type"])
client.publish("news", "hello")
say("message", hearing.get_message(timeout=5)["data"])
for what, run in [
    ("wrong type", lambda: client.lpush("{tag}a", 1)),
    ("bad slot", lambda: client.execute_command("CLUSTER COUNTKEYSINSLOT", 16384, target_nodes="random")),
    ("no number", lambda: client.execute_command("CLUSTER COUNTKEYSINSLOT", "x", target_nodes="random")),
    ("bad count", lambda: client.cluster_get_keys_in_slot(1, -1)),
]:
    try:
        say(what, run())
    except redis.RedisError as error:
        print(what, type(error).__name__, error)
print("done ", face == face)
