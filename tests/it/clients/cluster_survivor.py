"""A client in cluster mode that goes on while proxies die and slots move. What was acknowledged has to be there at the end.

Arguments: the port of one proxy. Prints how many values were written, each time a line comes on stdin; ends with stdin.
"""
import sys
import threading

from redis.backoff import ConstantBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

retry = Retry(ConstantBackoff(0.05), 100)
client = RedisCluster(startup_nodes=[ClusterNode("localhost", int(sys.argv[1]))], retry=retry)
written, ending = 0, threading.Event()


def write():
    global written
    while not ending.is_set():
        client.set(f"key:{written}", written)
        written += 1


writer = threading.Thread(target=write)
writer.start()
for _ in sys.stdin:
    # What has begun before the line came may have been acknowledged before it.
    enough = written + 100
    while written < enough and writer.is_alive():
        ending.wait(0.01)
    print(written, len(client.get_nodes()), flush=True)
ending.set()
writer.join()
lost = [n for n in range(written) if client.get(f"key:{n}") != str(n).encode()]
print("done", written > 0 and not lost, lost[:10], flush=True)
