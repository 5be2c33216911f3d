// What applications do with ioredis's client for Redis Cluster. Everything that is printed has to be the same with any server.
// Arguments: port, "node" (a Redis Cluster of one server, which is given all slots here) or "proxy".
const Redis = require("ioredis");

const [port, face] = [Number(process.argv[2]), process.argv[3]];
const say = (what, value) => console.log(what, JSON.stringify(value));

async function become_cluster() {
  const server = new Redis({ port });
  if (!(await server.cluster("INFO")).includes("cluster_slots_assigned:16384")) {
    await server.cluster("ADDSLOTSRANGE", 0, 16383);
  }
  while (!(await server.cluster("INFO")).includes("cluster_state:ok")) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  server.disconnect();
}

async function main() {
  if (face === "node") await become_cluster();
  const redis = new Redis.Cluster([{ host: "localhost", port }], { scaleReads: "all" });
  await new Promise((resolve) => redis.once("ready", resolve));
  say("flush", await Promise.all(redis.nodes("master").map((node) => node.flushall())));
  say("set", await Promise.all(Array.from({ length: 50 }, (_, n) => redis.set(`key:${n}`, n))));
  say("get", await Promise.all(Array.from({ length: 60 }, (_, n) => redis.get(`key:${n}`))));
  const sizes = await Promise.all(redis.nodes("master").map((node) => node.dbsize()));
  say("dbsize", sizes.reduce((sum, size) => sum + size, 0));
  say("pipeline", await redis.pipeline().set("{tag}a", 1).incr("{tag}a").get("{tag}a").exec());
  say("multi", await redis.multi().set("{tag}b", 1).incr("{tag}b").exec());
  const automatic = new Redis.Cluster([{ host: "localhost", port }], { enableAutoPipelining: true });
  const counts = await Promise.all(Array.from({ length: 300 }, (_, n) => automatic.incr(`count:${n % 30}`)));
  say("automatic", Math.max(...counts));
  redis.defineCommand("add", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
  say("defined", await redis.add("{tag}c", 5));
  const subscriber = new Redis.Cluster([{ host: "localhost", port }]);
  const message = new Promise((resolve) => subscriber.on("message", (channel, text) => resolve([channel, text])));
  say("subscribed", await subscriber.subscribe("news"));
  await redis.publish("news", "hello");
  say("message", await message);
  say("nodes", (await redis.cluster("SHARDS")).length);
  try {
    await redis.lpush("{tag}a", 1);
  } catch (error) {
    say("wrong type", error.message);
  }
  console.log("done ");
  [redis, automatic, subscriber].forEach((client) => client.disconnect());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
