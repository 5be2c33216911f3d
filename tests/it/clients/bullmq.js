// A BullMQ queue with workers: jobs, delays, priorities, retries, a flow of parents and children, events.
// Arguments: port. Its keys share a slot by their prefix, as BullMQ wants it for a Redis Cluster.
const { Queue, Worker, QueueEvents, FlowProducer } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const options = { connection, prefix: '{bull}' };
const say = (what, value) => console.log(what, JSON.stringify(value));

async function main() {
  const queue = new Queue('work', options);
  const events = new QueueEvents('work', options);
  const flow = new FlowProducer(options);
  await queue.waitUntilReady();
  await events.waitUntilReady();
  let tries = 0;
  const order = [];
  const worker = new Worker('work', async (job) => {
    if (job.name === 'sum') return job.data.a + job.data.b;
    if (job.name === 'flaky' && ++tries < 3) throw new Error(`try ${tries}`);
    if (job.name === 'bad') throw new Error('for good');
    if (job.name === 'ordered') order.push(job.data);
    if (job.name === 'parent') return Object.values(await job.getChildrenValues()).sort();
    return job.data;
  }, { ...options, autorun: false });

  const running = worker.run();
  const result = (job) => job.waitUntilFinished(events, 30000);
  say('sum', await result(await queue.add('sum', { a: 2, b: 3 })));
  say('delayed', await result(await queue.add('echo', 'later', { delay: 100 })));
  say('retried', [await result(await queue.add('flaky', 'third', { attempts: 3, backoff: 10 })), tries]);
  say('failed', await result(await queue.add('bad', 0)).catch((error) => error.message));
  const bulk = await queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ name: 'echo', data: n })));
  say('bulk', await Promise.all(bulk.map(result)));
  const tree = await flow.add({ name: 'parent', queueName: 'work', children: [1, 2, 3].map((n) => ({ name: 'echo', queueName: 'work', data: n })) });
  say('flow', await result(tree.job));

  await queue.pause();
  const jobs = [];
  for (const [data, priority] of [['low', 3], ['high', 1], ['middle', 2]]) jobs.push(await queue.add('ordered', data, { priority }));
  say('waiting', await queue.getPrioritizedCount());
  await queue.resume();
  await Promise.all(jobs.map(result));
  say('order', order);
  const counts = await queue.getJobCounts();
  say('counts', Object.entries(counts).sort());
  say('failed jobs', (await queue.getFailed()).map((job) => job.failedReason));

  await worker.close();
  await running;
  await flow.close();
  await events.close();
  await queue.obliterate({ force: true });
  await queue.close();
  say('done', true);
}

main().catch((error) => { console.error(error); process.exit(1); });
