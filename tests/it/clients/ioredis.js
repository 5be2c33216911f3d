// What applications do with ioredis. Everything that is printed has to be the same with any server.
//
// Arguments: port. Keys of one command share a slot.
const Redis = require("ioredis");
const port = Number(process.argv[2]);
const key = (name) => `{app}${name}`;
const say = (what, value) => console.log(what, JSON.stringify(value));
const connect = (options = {}) => new Redis({ port, connectionName: "app", ...options });
const fails = async (what, promise) => {
  try {
    say(what, await promise);
  } catch (error) {
    console.log(what, error.name, error.message);
  }
};

async function main() {
  const redis = connect();
  say("ping", await redis.ping());
  say("flush", await redis.flushall());
  say("name", await redis.client("GETNAME"));
  say("set", await redis.set(key("a"), 1, "EX", 1000, "NX"));
  say("incr", await redis.incrby(key("a"), 41));
  say("buffer", [...(await redis.getBuffer(key("a")))]);
  await fails("wrong type", redis.lpush(key("a"), 1));
  await fails("no command", redis.call("NOSUCH", "a"));
  say("hash", await redis.hset(key("h"), { f: 1, g: "x" }));
  say("hgetall", await redis.hgetall(key("h")));
  say("zadd", await redis.zadd(key("z"), 1, "one", 2.5, "two", "+inf", "inf"));
  say("zrange", await redis.zrange(key("z"), 0, -1, "WITHSCORES"));
  const replies = await redis.pipeline().set(key("p"), "x").incr(key("p")).get(key("p")).exec();
  say("pipeline", replies.map(([error, reply]) => [error && error.message, reply]));
  const done = await redis.multi().set(key("t"), 1).incr(key("t")).get(key("t")).exec();
  say("multi", done);
  await redis.watch(key("t"));
  await connect().set(key("t"), 5);
  say("watched", await redis.multi().incr(key("t")).exec());
  const automatic = connect({ enableAutoPipelining: true });
  const sums = await Promise.all(Array.from({ length: 500 }, () => automatic.incr(key("count"))));
  say("automatic", Math.max(...sums));
  const prefixed = connect({ keyPrefix: key("prefix:") });
  say("prefixed", [await prefixed.set("k", 1), await redis.get(key("prefix:k"))]);
  await redis.mset(...Array.from({ length: 100 }, (_, n) => [key(`many:${n}`), n]).flat());
  const found = new Set();
  for await (const keys of redis.scanStream({ match: "*many:*", count: 7 })) keys.forEach((name) => found.add(name));
  say("scan", found.size);
  say("xadd", await redis.xadd(key("x"), "1-1", "n", 1));
  say("xgroup", await redis.xgroup("CREATE", key("x"), "group", "0"));
  say("xreadgroup", await redis.xreadgroup("GROUP", "group", "one", "COUNT", 5, "STREAMS", key("x"), ">"));
  say("xpending", await redis.xpending(key("x"), "group", "-", "+", 10).then((all) => all.map((one) => one.slice(0, 2))));
  const large = "x".repeat(4 << 20);
  say("large", [await redis.set(key("large"), large), (await redis.get(key("large"))) === large]);
  redis.defineCommand("add", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
  say("defined", await redis.add(key("scripted"), 5));
  await redis.script("FLUSH");
  say("defined again", await redis.add(key("scripted"), 6));
  const subscriber = connect();
  const messages = new Promise((resolve) => {
    const got = [];
    const note = (message) => got.push(message) === 2 && resolve(got);
    subscriber.on("message", (channel, text) => note([channel, text]));
    subscriber.on("pmessage", (pattern, channel, text) => note([pattern, channel, text]));
  });
  say("subscribed", [await subscriber.subscribe("news"), await subscriber.psubscribe("n?ws")]);
  say("published", await redis.publish("news", "hello"));
  say("messages", await messages);
  const waiter = connect();
  const waiting = waiter.xread("BLOCK", 20000, "STREAMS", key("x"), "$");
  while (!(await redis.info("clients")).includes("blocked_clients:1")) await new Promise(setImmediate);
  await redis.xadd(key("x"), "2-1", "n", 2);
  say("xread", await waiting);
  say("done", await redis.ping());
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
